using System.Buffers.Binary;

namespace Gemma.Tokenization;

/// <summary>How often each word occurs: a hash table over UTF-8 with open addressing. Belongs to one thread at a time.</summary>
internal sealed class WordCounts
{
    /// <summary>So many bytes must follow a word in its buffer; what they hold does not matter.</summary>
    public const int Slack = 8;

    private static readonly ulong Seed = (ulong)Random.Shared.NextInt64(); // so that no text can be made to collide; counts do not depend on it

    private byte[] _text = new byte[1 << 16]; // of all words, one after the other
    private Slot[] _slots = new Slot[1 << 12];
    private int _used; // bytes of the text

    private struct Slot
    {
        public ulong Hash;
        public long Count; // 0 is an empty slot
        public int Start, Length;
    }

    /// <summary>Different words.</summary>
    public int Count { get; private set; }

    /// <summary>Counts a word, at least <see cref="Slack"/> bytes before the end of its buffer.</summary>
    public void Add(byte[] buffer, int start, int length, long times)
    {
        ulong hash = Hash(buffer, start, length);
        int mask = _slots.Length - 1;
        for (int at = (int)(hash >> 32) & mask; ; at = (at + 1) & mask)
        {
            ref Slot slot = ref _slots[at];
            if (slot.Count == 0)
            {
                slot = new Slot { Hash = hash, Count = times, Start = Keep(buffer.AsSpan(start, length)), Length = length };
                if (++Count > _slots.Length / 2) Grow();
                return;
            }
            if (slot.Hash != hash || slot.Length != length || !_text.AsSpan(slot.Start, length).SequenceEqual(buffer.AsSpan(start, length))) continue;
            slot.Count += times;
            return;
        }
    }

    public void Add(WordCounts other)
    {
        foreach (Slot slot in other._slots)
            if (slot.Count > 0) Add(other._text, slot.Start, slot.Length, slot.Count);
    }

    /// <summary>All words with their counts, in no particular order.</summary>
    public IEnumerable<(ReadOnlyMemory<byte> Word, long Count)> All()
    {
        foreach (Slot slot in _slots)
            if (slot.Count > 0) yield return (_text.AsMemory(slot.Start, slot.Length), slot.Count);
    }

    private int Keep(ReadOnlySpan<byte> word)
    {
        int start = _used;
        if (word.Length > Array.MaxLength - Slack - start) throw new UsageException("the text has more than 2 GB of different words; train on a part of it");
        if (start + word.Length + Slack > _text.Length) Array.Resize(ref _text, (int)Math.Min(Array.MaxLength, Math.Max(_text.Length * 2L, start + word.Length + Slack)));
        word.CopyTo(_text.AsSpan(start));
        _used += word.Length;
        return start;
    }

    private void Grow()
    {
        var slots = new Slot[_slots.Length * 2];
        int mask = slots.Length - 1;
        foreach (Slot slot in _slots)
        {
            if (slot.Count == 0) continue;
            int at = (int)(slot.Hash >> 32) & mask;
            while (slots[at].Count > 0) at = (at + 1) & mask;
            slots[at] = slot;
        }
        _slots = slots;
    }

    private static ulong Hash(byte[] buffer, int start, int length)
    {
        ReadOnlySpan<byte> text = buffer.AsSpan(start, length + Slack);
        ulong hash = Seed ^ (ulong)length;
        for (; length >= 8; length -= 8, text = text[8..]) hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(text));
        return Mix(hash ^ (BinaryPrimitives.ReadUInt64LittleEndian(text) & (1UL << (8 * length)) - 1));
    }

    private static ulong Mix(ulong value)
    {
        ulong high = Math.BigMul(value, 0x9E3779B97F4A7C15, out ulong low);
        return high ^ low;
    }
}
