namespace Gemma.Tokenization;

/// <summary>
/// Byte-pair encoding as SentencePiece does it: the text starts as single characters; of all neighbours that together are a piece, those with the highest
/// score are joined (of several the leftmost), until no two neighbours are a piece. Time grows as n log n. Belongs to one thread at a time.
/// </summary>
internal sealed class BytePairMerger(PieceTable table, uint[] ranks, IReadOnlyList<int> byteIds)
{
    private const int LargestKept = 1 << 16; // symbols; the memory of a longer word is given back

    private Symbol[] _symbols = new Symbol[64];
    private PriorityQueue<(int Right, int Id), ulong> _candidates = new(); // by rank, then by the place of the left symbol

    /// <summary>A stretch of the text. One that was joined to its left neighbour has length 0.</summary>
    private struct Symbol
    {
        public int Start, Length, Previous, Next, Id; // Id: the piece that a merge made, or −1 for a single character
    }

    /// <summary>Tokenizes one word, at least <see cref="PieceTable.Slack"/> bytes before the end of its buffer.</summary>
    public void Encode(byte[] text, int start, int end, TokenList ids)
    {
        int count = Split(text, start, end);
        for (int right = 1; right < count; right++) Consider(text, right - 1, right);
        while (_candidates.TryDequeue(out (int Right, int Id) candidate, out ulong priority))
        {
            ref Symbol left = ref _symbols[(uint)priority];
            ref Symbol right = ref _symbols[candidate.Right];
            // Out of date where either side has been joined to something else since.
            if (left.Length == 0 || right.Length == 0 || left.Length + right.Length != table.Length(candidate.Id)) continue;
            left.Length += right.Length;
            left.Next = right.Next;
            left.Id = candidate.Id;
            right.Length = 0;
            if (left.Next >= 0) _symbols[left.Next].Previous = (int)(uint)priority;
            Consider(text, left.Previous, (int)(uint)priority);
            Consider(text, (int)(uint)priority, left.Next);
        }
        for (int at = 0; at >= 0; at = _symbols[at].Next) Emit(text, _symbols[at], ids);
        if (count <= LargestKept) return;
        _symbols = new Symbol[64];
        _candidates = new PriorityQueue<(int, int), ulong>();
    }

    private int Split(byte[] text, int start, int end)
    {
        int count = 0;
        while (start < end)
        {
            int length = CharacterLength(text[start]);
            if (count == _symbols.Length) Array.Resize(ref _symbols, count * 2);
            _symbols[count] = new Symbol { Start = start, Length = length, Previous = count - 1, Next = count + 1, Id = -1 };
            start += length;
            count++;
        }
        _symbols[count - 1].Next = -1;
        return count;
    }

    /// <summary>Notes two neighbours that together are a piece.</summary>
    private void Consider(byte[] text, int left, int right)
    {
        if (left < 0 || right < 0) return;
        int length = _symbols[left].Length + _symbols[right].Length;
        if (length > table.LongestBytes) return;
        int id = table.Find(text, _symbols[left].Start, length);
        if (id >= 0) _candidates.Enqueue((right, id), (ulong)ranks[id] << 32 | (uint)left);
    }

    private void Emit(byte[] text, in Symbol symbol, TokenList ids)
    {
        int id = symbol.Id >= 0 ? symbol.Id : table.Find(text, symbol.Start, symbol.Length);
        if (id >= 0)
        {
            ids.Add(id);
            return;
        }
        ReadOnlySpan<byte> bytes = text.AsSpan(symbol.Start, symbol.Length);
        foreach (byte value in bytes is [(byte)' '] ? "▁"u8 : bytes) ids.Add(byteIds[value]);
    }

    /// <summary>Bytes of the UTF-8 character that begins with this one.</summary>
    internal static int CharacterLength(byte first) => first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}
