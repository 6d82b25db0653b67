using System.Buffers.Binary;

namespace Gemma.Tokenization;

/// <summary>
/// Remembers the ids of short words: up to 15 bytes and 4 ids, which is nearly every word of a text. Each word has one place; a newcomer takes it over, so
/// the size never changes. Belongs to one thread at a time.
/// </summary>
internal sealed class WordCache
{
    public const int LongestWord = 15, MostIds = 4;

    /// <summary>So many bytes must follow the beginning of a word in its buffer.</summary>
    public const int Slack = 16;

    private const int SlotBits = 14; // 16,384 words, 512 KiB: the cache shares the processor's second-level cache with the vocabulary

    private readonly Slot[] _slots = new Slot[1 << SlotBits];

    /// <summary>One word; half a cache line. Absent ids are −1.</summary>
    private struct Slot
    {
        public ulong Low, High; // the bytes, then zeros; the length is the last byte
        public int Id0, Id1, Id2, Id3;
    }

    /// <summary>Writes the word's ids and returns how many; 0 where the word is not known.</summary>
    public int Find(byte[] buffer, int start, int length, Span<int> ids)
    {
        (ulong low, ulong high) = Key(buffer, start, length);
        ref readonly Slot slot = ref _slots[Index(low, high)];
        if (slot.Low != low || slot.High != high) return 0;
        ids[3] = slot.Id3;
        ids[2] = slot.Id2;
        ids[1] = slot.Id1;
        ids[0] = slot.Id0;
        return 4 + (slot.Id1 >> 31) + (slot.Id2 >> 31) + (slot.Id3 >> 31);
    }

    public void Add(byte[] buffer, int start, int length, ReadOnlySpan<int> ids)
    {
        (ulong low, ulong high) = Key(buffer, start, length);
        _slots[Index(low, high)] = new Slot
        {
            Low = low,
            High = high,
            Id0 = ids[0],
            Id1 = ids.Length > 1 ? ids[1] : -1,
            Id2 = ids.Length > 2 ? ids[2] : -1,
            Id3 = ids.Length > 3 ? ids[3] : -1,
        };
    }

    private static (ulong Low, ulong High) Key(byte[] buffer, int start, int length)
    {
        ReadOnlySpan<byte> bytes = buffer.AsSpan(start, Slack);
        ulong low = BinaryPrimitives.ReadUInt64LittleEndian(bytes), high = (ulong)length << 56;
        return length < 8 ? (low & (1UL << (8 * length)) - 1, high)
            : (low, high | BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]) & (1UL << (8 * (length - 8))) - 1);
    }

    private static int Index(ulong low, ulong high) => (int)((low ^ high * 0xC2B2AE3D27D4EB4F) * 0x9E3779B97F4A7C15 >> (64 - SlotBits));
}
