using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Gemma.Tokenization;

/// <summary>
/// Finds one piece after the other: the pair of neighbours that is most frequent in all words becomes a symbol of its own wherever it stands. Of pairs that are
/// equally frequent the shorter comes first, then the smaller text (the library's order; of two ways to make the same text that of the older symbols).
/// A pair knows where it stood when it was made; counts are kept up with each merge, so a step costs as much as there are places to merge.
/// </summary>
internal sealed class BytePairLearner
{
    private const int Gone = -2; // a place whose symbol was joined to its left neighbour

    private readonly int _longest; // characters of a piece
    private readonly int[] _symbols; // [places] the symbol that begins at a place; −1 between words
    private readonly int[] _starts; // [places] at the last place of a symbol, its first
    private readonly int[] _words; // [places] whose word it is
    private readonly long[] _weights; // [words]
    private readonly List<Symbol> _known = [];
    private readonly List<Pair> _pairs = [];
    private readonly Dictionary<ulong, int> _byNeighbours = []; // left and right symbol -> index of their pair
    private readonly HashSet<string> _texts = new(StringComparer.Ordinal);
    private readonly PriorityQueue<int, (long Count, int Pair)> _candidates;
    private readonly List<int> _made = []; // pairs that the step in progress has made

    private readonly record struct Symbol(byte[] Text, int Length, PieceEdges Edges);

    private struct Pair
    {
        public int Left, Right, Length, Used;
        public long Count;
        public int[]? Places; // where it stood when it was made, ascending; null once it is a symbol or has been turned down
    }

    public BytePairLearner(TrainingWords text, int longest)
    {
        _longest = longest;
        _symbols = [.. text.Symbols];
        _weights = [.. text.Weights];
        _starts = new int[_symbols.Length];
        _words = new int[_symbols.Length];
        _candidates = new PriorityQueue<int, (long, int)>(Comparer<(long Count, int Pair)>.Create(Compare));
        for (int i = 0; i < text.Characters.Length; i++) _known.Add(new Symbol(Encoding.UTF8.GetBytes(text.Characters[i].ToString()), 1, text.Edges[i]));
        for (int at = 0, word = -1; at < _symbols.Length; at++)
        {
            _starts[at] = at;
            if (_symbols[at] < 0) word++;
            _words[at] = word;
        }
        for (int at = 1; at + 1 < _symbols.Length; at++)
            if (_symbols[at] >= 0 && _symbols[at + 1] >= 0) Meet(at, at + 1, _weights[_words[at]]);
        Offer();
    }

    /// <summary>The next piece; null where no two neighbours are left that may be joined.</summary>
    public string? Next()
    {
        while (_candidates.TryDequeue(out int best, out (long Count, int Pair) offer))
        {
            ref Pair pair = ref CollectionsMarshal.AsSpan(_pairs)[best];
            if (pair.Count < offer.Count)
            {
                // It lost neighbours since. Counts only ever fall, so what is offered is never too little, and the first true offer is the best.
                if (pair.Count > 0) _candidates.Enqueue(best, (pair.Count, best));
                else pair.Places = null;
                continue;
            }
            byte[] bytes = [.. _known[pair.Left].Text, .. _known[pair.Right].Text];
            string text = Encoding.UTF8.GetString(bytes);
            int[] places = pair.Places!;
            pair.Places = null;
            if (!_texts.Add(text)) continue; // made from other parts before: those who stand in these parts stay apart
            _known.Add(new Symbol(bytes, pair.Length, _known[pair.Left].Edges.With(_known[pair.Right].Edges)));
            Merge(pair.Left, pair.Right, places.AsSpan(0, pair.Used));
            Offer();
            return text;
        }
        return null;
    }

    private void Merge(int left, int right, ReadOnlySpan<int> places)
    {
        int merged = _known.Count - 1, leftLength = _known[left].Length, length = _known[merged].Length;
        foreach (int at in places)
        {
            int second = at + leftLength;
            if (_symbols[at] != left || _symbols[second] != right) continue; // joined to another neighbour since
            long weight = _weights[_words[at]];
            int before = _starts[at - 1], after = at + length;
            if (_symbols[before] >= 0) Part(_symbols[before], left, weight);
            if (_symbols[after] >= 0) Part(right, _symbols[after], weight);
            _symbols[at] = merged;
            _symbols[second] = Gone;
            _starts[after - 1] = at;
            if (_symbols[before] >= 0) Meet(before, at, weight);
            if (_symbols[after] >= 0) Meet(at, after, weight);
        }
    }

    private void Part(int left, int right, long weight)
    {
        if (_byNeighbours.TryGetValue(Key(left, right), out int index)) CollectionsMarshal.AsSpan(_pairs)[index].Count -= weight;
    }

    private void Meet(int leftAt, int rightAt, long weight)
    {
        int left = _symbols[leftAt], right = _symbols[rightAt], length = _known[left].Length + _known[right].Length;
        if (length > _longest || !_known[left].Edges.Joins(_known[right].Edges)) return;
        ref int index = ref CollectionsMarshal.GetValueRefOrAddDefault(_byNeighbours, Key(left, right), out bool exists);
        if (!exists)
        {
            index = _pairs.Count;
            _pairs.Add(new Pair { Left = left, Right = right, Length = length, Places = new int[2] });
            _made.Add(index);
        }
        ref Pair pair = ref CollectionsMarshal.AsSpan(_pairs)[index];
        if (pair.Used == pair.Places!.Length) Array.Resize(ref pair.Places, pair.Used * 2);
        pair.Places[pair.Used++] = leftAt;
        pair.Count += weight;
    }

    private void Offer()
    {
        foreach (int index in _made)
            if (_pairs[index].Count > 0) _candidates.Enqueue(index, (_pairs[index].Count, index));
        _made.Clear();
    }

    private int Compare((long Count, int Pair) a, (long Count, int Pair) b)
    {
        if (a.Count != b.Count) return b.Count.CompareTo(a.Count);
        if (a.Pair == b.Pair) return 0;
        ReadOnlySpan<Pair> pairs = CollectionsMarshal.AsSpan(_pairs);
        ref readonly Pair left = ref pairs[a.Pair], right = ref pairs[b.Pair];
        if (left.Length != right.Length) return left.Length.CompareTo(right.Length);
        int order = CompareTexts(left, right);
        return order != 0 ? order : left.Left != right.Left ? left.Left.CompareTo(right.Left) : left.Right.CompareTo(right.Right);
    }

    /// <summary>In the order of code points, which is that of UTF-8.</summary>
    [SkipLocalsInit]
    private int CompareTexts(in Pair a, in Pair b)
    {
        Span<byte> first = stackalloc byte[4 * TokenizerTrainerOptions.MostPieceLength], second = stackalloc byte[4 * TokenizerTrainerOptions.MostPieceLength];
        return Write(a, first).SequenceCompareTo(Write(b, second));
    }

    private ReadOnlySpan<byte> Write(in Pair pair, Span<byte> text)
    {
        byte[] left = _known[pair.Left].Text, right = _known[pair.Right].Text;
        left.CopyTo(text);
        right.CopyTo(text[left.Length..]);
        return text[..(left.Length + right.Length)];
    }

    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;
}
