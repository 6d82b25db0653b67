namespace Gemma.Tokenization;

/// <summary>What to do at a place in the text, by the bytes on either side of it.</summary>
[Flags]
internal enum Cut : byte
{
    /// <summary>The word goes on.</summary>
    None = 0,

    /// <summary>No normal piece has these two bytes side by side: no merge can cross this place, so the word ends here.</summary>
    Word = 1,

    /// <summary>A user-defined piece may begin here.</summary>
    Piece = 2,
}

/// <summary>
/// Where words end. A merge can only ever join two characters that stand side by side in some piece of the vocabulary; wherever two characters do not, the
/// text falls into words that can be tokenized one by one with the same result. In Gemma's vocabulary that is before every space, around digits and most
/// punctuation; nothing is assumed, all comes from the pieces.
/// </summary>
internal sealed class WordSplitter
{
    /// <summary>Stands for the byte before the first of a word; it occurs in no UTF-8.</summary>
    public const byte Nothing = 0xFF;

    private readonly Cut[] _cuts; // [byte before, byte after]

    private WordSplitter(Cut[] cuts, PrefixMatcher matcher)
    {
        _cuts = cuts;
        Matcher = matcher;
    }

    /// <summary>The user-defined pieces that are recognised.</summary>
    public PrefixMatcher Matcher { get; }

    public Cut this[byte before, byte after] => _cuts[before << 8 | after];

    /// <summary>For a vocabulary, whose normal pieces are what merges make.</summary>
    public static WordSplitter For(ReadOnlySpan<SentencePiece> pieces, PieceTable table, PrefixMatcher matcher)
    {
        var cuts = new Cut[256 * 256];
        for (int pair = 0; pair < cuts.Length; pair++)
            if (pair >> 8 != Nothing && !IsInsideCharacter((byte)pair)) cuts[pair] = Cut.Word;
        for (int id = 0; id < pieces.Length; id++)
        {
            if (pieces[id].Type != PieceType.Normal) continue;
            ReadOnlySpan<byte> text = table.Text(id);
            for (int i = 1; i < text.Length; i++) cuts[text[i - 1] << 8 | text[i]] = Cut.None;
        }
        return new WordSplitter(cuts, matcher).With(matcher);
    }

    /// <summary>For a vocabulary that is yet to be learnt: words end wherever two bytes may not stand side by side in a piece.</summary>
    public static WordSplitter For(Func<byte, byte, bool> joins, PrefixMatcher matcher)
    {
        var cuts = new Cut[256 * 256];
        for (int pair = 0; pair < cuts.Length; pair++)
            if (pair >> 8 != Nothing && !joins((byte)(pair >> 8), (byte)pair)) cuts[pair] = Cut.Word;
        return new WordSplitter(cuts, matcher).With(matcher);
    }

    /// <summary>The same words between other user-defined pieces.</summary>
    public WordSplitter With(PrefixMatcher matcher)
    {
        var cuts = new Cut[_cuts.Length];
        for (int pair = 0; pair < cuts.Length; pair++) cuts[pair] = _cuts[pair] & Cut.Word | (matcher.CanBegin((byte)pair) ? Cut.Piece : Cut.None);
        return new WordSplitter(cuts, matcher);
    }

    private static bool IsInsideCharacter(byte next) => (next & 0xC0) == 0x80;
}
