using CsCheck;
using Gemma.Cpu;

namespace Gemma.Tests.Cpu;

public unsafe class ChecksumTests
{
    [Fact]
    public void Any_change_within_four_bytes_shows() => (from bytes in Gen.Byte.Array[1, 300] from at in Gen.Int[0, 299] from change in Gen.UInt[1, uint.MaxValue] select (bytes, at, change))
        .Sample(sample =>
        {
            (byte[] bytes, int at, uint change) = sample;
            byte[] other = [.. bytes];
            byte[] flips = BitConverter.GetBytes(change);
            for (int i = 0; i < 4 && at + i < bytes.Length; i++) other[at + i] ^= flips[i];
            return other.AsSpan().SequenceEqual(bytes) == (Checksum.Of(other) == Checksum.Of(bytes));
        }, iter: 2000);

    [Fact]
    public void Bytes_more_fewer_or_in_another_order_show() => Gen.Byte.Array[1, 200].Sample(bytes =>
    {
        UInt128 sum = Checksum.Of(bytes);
        Assert.NotEqual(sum, Checksum.Of([.. bytes, 0]));
        Assert.NotEqual(sum, Checksum.Of(bytes.AsSpan(..^1)));
        byte[] turned = [.. bytes[1..], bytes[0]];
        Assert.Equal(turned.AsSpan().SequenceEqual(bytes), Checksum.Of(turned) == sum);
    }, iter: 1000);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Checksum.Chunk)]
    [InlineData(3 * Checksum.Chunk + 77)]
    public void However_many_threads_read_it_the_sum_is_the_same(int length)
    {
        byte[] bytes = new byte[length + 1];
        new Random(length).NextBytes(bytes);
        using ThreadTeam one = new(1), two = new(2);
        fixed (byte* start = bytes)
        {
            long seen = 0;
            UInt128 sum = Checksum.Of(start, length, one);
            Assert.Equal(sum, Checksum.Of(start, length, two, (_, count) => Interlocked.Add(ref seen, count)));
            Assert.Equal(length, seen);
            if (length == 0) return;
            start[length - 1] ^= 1;
            Assert.NotEqual(sum, Checksum.Of(start, length, two));
            if (length <= 2 * Checksum.Chunk) return;
            start[length - 1] ^= 1;
            new Span<byte>(start, Checksum.Chunk).CopyTo(new Span<byte>(start + Checksum.Chunk, Checksum.Chunk));
            Assert.NotEqual(sum, Checksum.Of(start, length, two));
        }
    }
}
