using System.Text;

namespace Gemma.Tokenization;

/// <summary>
/// Takes text apart into words that no merge can cross, and counts them. Words are cut where two bytes may not stand side by side in a piece, and at the special
/// pieces, which are no part of any word. Belongs to one thread at a time.
/// </summary>
internal sealed class WordCounter(WordSplitter splitter)
{
    private const int LargestKept = 16 << 20; // bytes; the buffer of a longer text is given back

    private byte[] _buffer = [];

    public WordCounts Words { get; } = new();

    /// <summary>How often a word was ended by something that counts as a character in the library's arithmetic of coverage: a tab or a special piece.</summary>
    public long Boundaries { get; private set; }

    public void Add(ReadOnlySpan<byte> text)
    {
        byte[] buffer = Buffer(text.Length);
        text.CopyTo(buffer);
        int size = text.Length;
        if (text.IndexOf("▁"u8) >= 0) size = ReplaceSpaces(buffer, size);
        Count(buffer, size);
    }

    public void Add(string text)
    {
        if (text.Contains(SentencePiece.Space)) text = text.Replace(SentencePiece.Space, ' ');
        byte[] buffer = Buffer(Encoding.UTF8.GetMaxByteCount(text.Length) <= LargestKept ? Encoding.UTF8.GetMaxByteCount(text.Length) : Encoding.UTF8.GetByteCount(text));
        Count(buffer, Encoding.UTF8.GetBytes(text, buffer)); // half a surrogate pair becomes U+FFFD
    }

    private byte[] Buffer(int size)
    {
        if (_buffer.Length >= size + WordCounts.Slack && (_buffer.Length <= LargestKept || size > LargestKept)) return _buffer;
        return _buffer = new byte[Math.Max(1 << 16, size + WordCounts.Slack)];
    }

    private void Count(byte[] text, int size)
    {
        byte before = WordSplitter.Nothing;
        int start = 0, at = 0;
        while (at < size)
        {
            byte next = text[at];
            Cut cut = splitter[before, next];
            if (cut != Cut.None)
            {
                if ((cut & Cut.Piece) != 0 && splitter.Matcher.Match(text.AsSpan(at, size - at), out _) is > 0 and int length)
                {
                    End(text, start, at);
                    if (next != '\n') Boundaries++; // the library sees text line by line
                    start = at += length;
                    before = WordSplitter.Nothing;
                    continue;
                }
                if ((cut & Cut.Word) != 0)
                {
                    End(text, start, at);
                    start = at;
                }
            }
            before = next;
            at++;
        }
        End(text, start, size);
    }

    private void End(byte[] text, int start, int end)
    {
        if (end == start) return;
        // These are cut off on both sides and have no piece: the byte stands for them.
        if (text[start] is (byte)'\n' or 0) return;
        if (text[start] == '\t') Boundaries++;
        else Words.Add(text, start, end - start, 1);
    }

    /// <summary>Here, as in the tokenizer, a space stands for ▁; a text that has the character itself means the same.</summary>
    private static int ReplaceSpaces(byte[] text, int size)
    {
        int to = 0;
        for (int from = 0; from < size; to++)
        {
            bool space = text.AsSpan(from, size - from).StartsWith("▁"u8);
            text[to] = space ? (byte)' ' : text[from];
            from += space ? 3 : 1;
        }
        return to;
    }
}
