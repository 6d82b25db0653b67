using System.Text;

namespace Gemma.Tokenization;

/// <summary>
/// The scripts at the two ends of a piece, which say what it may be joined to. As in the SentencePiece library, a piece holds one script, a space only in front,
/// and a digit only alone.
/// </summary>
/// <param name="First">Script of the first character that has one of its own.</param>
/// <param name="Last">Script of the last character that has one of its own.</param>
internal readonly record struct PieceEdges(byte First, byte Last)
{
    private const byte Alone = 254, Space = 255; // what is not a script

    public static PieceEdges Of(Rune character, bool splitDigits)
    {
        if (character.Value is ' ' or SentencePiece.Space) return new PieceEdges(Space, UnicodeScripts.Inherited);
        byte script = splitDigits && IsDigit(character.Value) ? Alone : UnicodeScripts.Of(character.Value);
        return new PieceEdges(script, script);
    }

    /// <summary>Whether <paramref name="next"/> may follow this within one piece.</summary>
    public bool Joins(PieceEdges next) => next.First < Alone && Last < Alone && (Last == next.First || Last == UnicodeScripts.Inherited || next.First == UnicodeScripts.Inherited);

    /// <summary>Of both side by side.</summary>
    public PieceEdges With(PieceEdges next) => new(First == UnicodeScripts.Inherited ? next.First : First, next.Last == UnicodeScripts.Inherited ? Last : next.Last);

    /// <summary>The digits that the library splits: those of ASCII, and as wide as ideographs.</summary>
    private static bool IsDigit(int character) => character is >= '0' and <= '9' or >= '\uFF10' and <= '\uFF19';
}
