using System.Buffers.Binary;
using System.Numerics;

namespace Gemma.Cpu;

/// <summary>
/// 128 bits that tell whether bytes are still the same: CRC-32C over every fourth word of 64 bits, four times. Processors have an instruction for it, four of
/// which run at once, so the memory and not the arithmetic sets the pace. It finds damage and change, also any change within four bytes for certain; it is no
/// defence against someone who wants a collision.
/// </summary>
internal static unsafe class Checksum
{
    /// <summary>Bytes that one thread takes at a time; part of what the sum is.</summary>
    public const int Chunk = 4 << 20;

    /// <summary>Of a few bytes, in order.</summary>
    public static UInt128 Of(ReadOnlySpan<byte> bytes)
    {
        uint a = 1, b = 2, c = 3, d = 4;
        for (; bytes.Length >= 32; bytes = bytes[32..])
        {
            a = BitOperations.Crc32C(a, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            b = BitOperations.Crc32C(b, BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]));
            c = BitOperations.Crc32C(c, BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]));
            d = BitOperations.Crc32C(d, BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]));
        }
        foreach (byte last in bytes) a = BitOperations.Crc32C(a, last);
        // Bytes without the rest would otherwise sum like the rest alone.
        b = BitOperations.Crc32C(b, (uint)bytes.Length);
        return Join(a, b, c, d);
    }

    /// <summary>Of much, on all threads.</summary>
    /// <param name="start">First byte.</param>
    /// <param name="length">Number of bytes.</param>
    /// <param name="team">The threads.</param>
    /// <param name="done">Called by the thread that has read a chunk, with its offset and length.</param>
    public static UInt128 Of(byte* start, long length, ThreadTeam team, Action<long, int>? done = null)
    {
        var sums = new UInt128[(int)((length + Chunk - 1) / Chunk)];
        var work = new ChunkWork(start, length, sums, done);
        team.Run(ref work);
        uint a = 1, b = 2, c = 3, d = 4;
        foreach (UInt128 sum in sums)
        {
            a = BitOperations.Crc32C(a, (uint)sum);
            b = BitOperations.Crc32C(b, (uint)(sum >> 32));
            c = BitOperations.Crc32C(c, (uint)(sum >> 64));
            d = BitOperations.Crc32C(d, (uint)(sum >> 96));
        }
        return Join(a, b, c, d);
    }

    private static UInt128 Join(uint a, uint b, uint c, uint d) => new(((ulong)d << 32) | c, ((ulong)b << 32) | a);

    private struct ChunkWork(byte* start, long length, UInt128[] sums, Action<long, int>? done) : IWork
    {
        private int _next;

        public void Run(int part, int parts)
        {
            for (int chunk; (chunk = Interlocked.Increment(ref _next) - 1) < sums.Length;)
            {
                long offset = (long)chunk * Chunk;
                int count = (int)Math.Min(Chunk, length - offset);
                sums[chunk] = Of(new ReadOnlySpan<byte>(start + offset, count));
                done?.Invoke(offset, count);
            }
        }
    }
}
