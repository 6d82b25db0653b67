using System.Text;

namespace Gemma.Tokenization;

/// <summary>The state of one encoding: buffers that are kept from text to text, and the words seen. Belongs to one thread at a time.</summary>
internal sealed class TextEncoder(PieceTable table, uint[] ranks, IReadOnlyList<int> byteIds)
{
    private const int LargestKept = 1 << 20; // bytes of text and ids; those of a longer text are given back

    private readonly BytePairMerger _merger = new(table, ranks, byteIds);
    private readonly WordCache _cache = new();
    private TokenList _ids = new();
    private byte[] _text = [];

    /// <summary>For tests: without the cache every word is tokenized anew.</summary>
    public bool UseCache { get; init; } = true;

    public int[] Encode(string text, WordSplitter splitter)
    {
        // In this text, as in the table, a space stands for ▁; the vocabulary has no other spaces.
        if (text.Contains(SentencePiece.Space)) text = text.Replace(SentencePiece.Space, ' ');
        int size = Encoding.UTF8.GetByteCount(text);
        if (_text.Length < size + WordCache.Slack) _text = new byte[size + Math.Max(WordCache.Slack, size / 4)];
        Encoding.UTF8.GetBytes(text, _text); // half a surrogate pair becomes U+FFFD
        Encode(size, splitter);
        int[] ids = _ids.ToArray();
        _ids.Clear();
        if (_text.Length > LargestKept) _text = [];
        if (_ids.Capacity > LargestKept) _ids = new TokenList();
        return ids;
    }

    private void Encode(int size, WordSplitter splitter)
    {
        byte[] text = _text;
        byte before = WordSplitter.Nothing;
        int start = 0, at = 0;
        while (at < size)
        {
            Cut cut = splitter[before, text[at]];
            if (cut != Cut.None)
            {
                if ((cut & Cut.Piece) != 0 && splitter.Matcher.Match(text.AsSpan(at, size - at), out int piece) is > 0 and int length)
                {
                    if (at > start) Word(text, start, at);
                    _ids.Add(piece);
                    start = at += length;
                    before = WordSplitter.Nothing;
                    continue;
                }
                if ((cut & Cut.Word) != 0)
                {
                    Word(text, start, at);
                    start = at;
                }
            }
            before = text[at++];
        }
        if (at > start) Word(text, start, at);
    }

    private void Word(byte[] text, int start, int end)
    {
        int length = end - start;
        if (length > WordCache.LongestWord || !UseCache)
        {
            _merger.Encode(text, start, end, _ids);
            return;
        }
        int known = _cache.Find(text, start, length, _ids.Free(WordCache.MostIds));
        if (known > 0)
        {
            _ids.Advance(known);
            return;
        }
        int first = _ids.Count;
        _merger.Encode(text, start, end, _ids);
        ReadOnlySpan<int> ids = _ids.From(first);
        if (ids.Length <= WordCache.MostIds) _cache.Add(text, start, length, ids);
    }
}
