using System.Runtime.InteropServices;
using CsCheck;
using Gemma.Formats;

namespace Gemma.Tests.Formats;

public class RowCodecTests
{
    [Fact]
    public void EveryF16DecodesToItsNumber()
    {
        ushort[] bits = [.. Enumerable.Range(0, 65536).Select(value => (ushort)value)];
        float[] decoded = new float[bits.Length];
        RowCodec.Decode(TensorType.F16, MemoryMarshal.AsBytes(bits.AsSpan()), decoded);
        for (int i = 0; i < bits.Length; i++)
        {
            float expected = (float)BitConverter.UInt16BitsToHalf(bits[i]);
            Assert.True(float.IsNaN(expected) ? float.IsNaN(decoded[i]) : SameBits(expected, decoded[i]), $"0x{i:X4}");
            Assert.True(float.IsNaN(expected) ? float.IsNaN(HalfFormats.ToSingle(bits[i])) : SameBits(expected, HalfFormats.ToSingle(bits[i])), $"0x{i:X4}");
        }
    }

    [Theory]
    [InlineData(TensorType.F16)]
    [InlineData(TensorType.BF16)]
    public void SixteenBitsSurviveARoundTrip(TensorType type)
    {
        ushort[] bits = [.. Enumerable.Range(0, 65536).Select(value => (ushort)value)];
        float[] decoded = new float[bits.Length];
        ushort[] encoded = new ushort[bits.Length];
        RowCodec.Decode(type, MemoryMarshal.AsBytes(bits.AsSpan()), decoded);
        RowCodec.Encode(type, decoded, MemoryMarshal.AsBytes(encoded.AsSpan()));
        for (int i = 0; i < bits.Length; i++)
        {
            // A signalling NaN may come back quiet, but it comes back a NaN.
            if (float.IsNaN(decoded[i])) Assert.True((encoded[i] & 0x7FFF) > (type == TensorType.F16 ? 0x7C00 : 0x7F80), $"0x{i:X4}");
            else Assert.Equal(bits[i], encoded[i]);
        }
    }

    [Fact]
    public void Bf16IsRoundedToTheNearestEven() => Gen.Single.Array[1, 70].Sample(values =>
    {
        ushort[] encoded = new ushort[values.Length];
        RowCodec.Encode(TensorType.BF16, values, MemoryMarshal.AsBytes(encoded.AsSpan()));
        return values.Zip(encoded).All(pair =>
        {
            if (float.IsNaN(pair.First)) return (pair.Second & 0x7FFF) > 0x7F80;
            // Of the two neighbours the nearer, and of equally near ones the one whose last bit is 0. In double, where distances are exact.
            ushort below = (ushort)(BitConverter.SingleToUInt32Bits(pair.First) >> 16), above = (ushort)(below + 1);
            double low = Math.Abs(pair.First - (double)Value(below)), high = Math.Abs(Extended(above) - pair.First);
            ushort expected = low < high || (low == high && (below & 1) == 0) ? below : above;
            return pair.Second == expected;
        });
    }, seed: "0000bf16seed", iter: 20_000);

    [Fact]
    public void Q8BlocksFollowTheReferenceRounding() => Blocks.Sample(values =>
    {
        byte[] encoded = new byte[Q8_0.BlockBytes];
        RowCodec.Encode(TensorType.Q8_0, values, encoded);
        float d = values.Max(MathF.Abs) / 127, inverse = d == 0 ? 0 : 1 / d;
        return BitConverter.ToUInt16(encoded) == BitConverter.HalfToUInt16Bits((Half)d)
            && values.Select((x, i) => (sbyte)MathF.Round(x * inverse, MidpointRounding.AwayFromZero) == (sbyte)encoded[2 + i]).All(same => same);
    }, seed: "0000q8seed00", iter: 5_000);

    [Fact]
    public void Q4ScalesAreNoWorseThanTheReference() => Blocks.Sample(values =>
    {
        byte[] encoded = new byte[Q4_0.BlockBytes];
        float[] decoded = new float[32];
        RowCodec.Encode(TensorType.Q4_0, values, encoded);
        RowCodec.Decode(TensorType.Q4_0, encoded, decoded);
        double ours = Error(values, decoded), reference = Error(values, ReferenceQ4(values));
        return ours <= reference * 1.001 + 1e-12; // the candidates are compared before their scale is rounded to fp16
    }, seed: "0000q4seed00", iter: 5_000);

    [Theory]
    [InlineData(TensorType.Q8_0)]
    [InlineData(TensorType.Q4_0)]
    [InlineData(TensorType.Q5_0)]
    [InlineData(TensorType.Q4_K)]
    [InlineData(TensorType.Q5_K)]
    [InlineData(TensorType.Q6_K)]
    public void BlocksDecodeAsTheFormatIsWritten(TensorType type)
    {
        var random = new Random(20240221);
        for (int round = 0; round < 200; round++)
        {
            byte[] block = new byte[type.BlockBytes() * 3];
            random.NextBytes(block);
            SmallScales(type, block, random);
            float[] decoded = new float[type.BlockLength() * 3];
            RowCodec.Decode(type, block, decoded);
            for (int i = 0; i < decoded.Length; i++)
            {
                float expected = OneWeight(type, block.AsSpan(i / type.BlockLength() * type.BlockBytes(), type.BlockBytes()), i % type.BlockLength());
                Assert.True(expected == decoded[i], $"{type} weight {i}: {expected} is not {decoded[i]}");
            }
        }
    }

    [Fact]
    public void OneNonNumberAnywhereIsFound()
    {
        foreach (float bad in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
        {
            for (int length = 1; length < 70; length++)
            {
                float[] values = [.. Enumerable.Repeat(float.MaxValue, length)];
                Assert.True(RowCodec.AllFinite(values));
                for (int at = 0; at < length; at++)
                {
                    values[at] = bad;
                    Assert.False(RowCodec.AllFinite(values));
                    values[at] = -float.MaxValue;
                }
            }
        }
    }

    private static readonly Gen<float[]> Blocks = Gen.Select(Gen.Float[-1, 1].Array[32], Gen.Int[-12, 4], (values, power) =>
        values.Select(value => value * MathF.Pow(10, power)).ToArray());

    /// <summary>One weight by the formulas of the format, bit by bit: slow and obvious.</summary>
    private static float OneWeight(TensorType type, ReadOnlySpan<byte> block, int i)
    {
        static float Half(ReadOnlySpan<byte> at) => (float)BitConverter.UInt16BitsToHalf(BitConverter.ToUInt16(at));
        static int Nibble(ReadOnlySpan<byte> bytes, int at, bool high) => high ? bytes[at] >> 4 : bytes[at] & 15;
        switch (type)
        {
            case TensorType.Q8_0: return Half(block) * (sbyte)block[2 + i];
            case TensorType.Q4_0: return Half(block) * (Nibble(block[2..], i % 16, i >= 16) - 8);
            case TensorType.Q5_0: return Half(block) * ((Nibble(block[6..], i % 16, i >= 16) | (block[2 + i / 8] >> i % 8 & 1) << 4) - 16);
            case TensorType.Q6_K:
                {
                    int half = i / 128, quarter = i % 128 / 32, l = i % 32;
                    int low = Nibble(block[(64 * half)..], l + quarter % 2 * 32, quarter >= 2), top = block[128 + 32 * half + l] >> 2 * quarter & 3;
                    return Half(block[208..]) * (sbyte)block[192 + i / 16] * ((low | top << 4) - 32);
                }
            default:
                {
                    int sub = i / 32, l = i % 32;
                    ReadOnlySpan<byte> s = block.Slice(4, 12);
                    int scale = sub < 4 ? s[sub] % 64 : s[sub + 4] % 16 + s[sub - 4] / 64 * 16;
                    int minimum = sub < 4 ? s[sub + 4] % 64 : s[sub + 4] / 16 + s[sub] / 64 * 16;
                    int q = Nibble(block[(type == TensorType.Q4_K ? 16 : 48)..], sub / 2 * 32 + l, sub % 2 == 1);
                    if (type == TensorType.Q5_K) q += (block[16 + l] >> sub & 1) * 16;
                    return Half(block) * scale * q - Half(block[2..]) * minimum;
                }
        }
    }

    private static void SmallScales(TensorType type, Span<byte> blocks, Random random)
    {
        for (int start = 0; start < blocks.Length; start += type.BlockBytes())
        {
            int[] at = type switch { TensorType.Q6_K => [208], TensorType.Q4_K or TensorType.Q5_K => [0, 2], _ => [0] };
            foreach (int offset in at) BitConverter.TryWriteBytes(blocks[(start + offset)..], BitConverter.HalfToUInt16Bits((Half)(random.NextSingle() - 0.5f)));
        }
    }

    private static float[] ReferenceQ4(float[] x)
    {
        float d = x.MaxBy(MathF.Abs) / -8, inverse = d == 0 ? 0 : 1 / d, held = (float)(Half)d;
        return [.. x.Select(value => held * (Math.Min(15, (int)(value * inverse + 8.5f)) - 8))];
    }

    private static double Error(float[] expected, float[] actual) => expected.Zip(actual, (x, y) => Math.Pow((double)x - y, 2)).Sum();

    private static bool SameBits(float left, float right) => BitConverter.SingleToUInt32Bits(left) == BitConverter.SingleToUInt32Bits(right);

    private static float Value(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>As if the exponents went on: an overflow is rounded to infinity like the next number up.</summary>
    private static double Extended(ushort bits) => (bits & 0x7FFF) == 0x7F80 ? Math.CopySign(Math.ScaleB(1, 128), (short)bits) : Value(bits);
}
