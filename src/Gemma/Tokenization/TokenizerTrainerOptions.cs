using System.Collections.Immutable;

namespace Gemma.Tokenization;

/// <summary>How a vocabulary is learnt. The defaults are what Gemma's own shows: digits apart, one script a piece, every space kept, bytes for the rest.</summary>
public sealed record TokenizerTrainerOptions
{
    /// <summary>The longest run of newlines, spaces or tabs that is one piece of Gemma's vocabulary.</summary>
    public const int LongestRun = 31;

    internal const int LeastPieceLength = 1, MostPieceLength = 512; // as in the SentencePiece library
    internal const float LeastCoverage = 0.98f;

    /// <summary>Pieces in all: special ones, <see cref="UserDefined"/>, 256 bytes, what merges make, and single characters.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>
    /// The part of all characters of the text that get pieces of their own, the most frequent first, 0.98 … 1. The others are written as bytes.
    /// </summary>
    public float CharacterCoverage { get; init; } = 0.9995f;

    /// <summary>Longest piece that merges make, in characters.</summary>
    public int MaxPieceLength { get; init; } = 16;

    /// <summary>Whether each digit is a piece of its own, so that numbers are read alike.</summary>
    public bool SplitDigits { get; init; } = true;

    /// <summary>Pieces that stand whole wherever their text occurs, in the order of their ids, which begin at 4. A space may be written as such or as ▁.</summary>
    public ImmutableArray<string> UserDefined { get; init; } = GemmaPieces();

    /// <summary>
    /// The markers and runs that Gemma's vocabulary has: <c>&lt;mask&gt;</c>, <c>&lt;unused0&gt;</c> …, <c>&lt;start_of_turn&gt;</c>, <c>&lt;end_of_turn&gt;</c>, newlines from
    /// one on, spaces and tabs from two on (one tab is a byte, one space a character).
    /// </summary>
    /// <param name="unused">How many ids are kept free for later; Gemma has 99.</param>
    /// <param name="longestRun">Longest run of newlines, spaces or tabs.</param>
    public static ImmutableArray<string> GemmaPieces(int unused = 0, int longestRun = LongestRun)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(unused);
        ArgumentOutOfRangeException.ThrowIfNegative(longestRun);
        return
        [
            "<mask>", .. Enumerable.Range(0, unused).Select(number => FormattableString.Invariant($"<unused{number}>")), "<start_of_turn>", "<end_of_turn>",
            .. Runs('\n', 1), .. Runs(SentencePiece.Space, 2), .. Runs('\t', 2),
        ];

        IEnumerable<string> Runs(char character, int shortest) => Enumerable.Range(shortest, Math.Max(0, longestRun - shortest + 1)).Select(length => new string(character, length));
    }

    /// <exception cref="UsageException">A value cannot work.</exception>
    internal void Check()
    {
        if (CharacterCoverage is not (>= LeastCoverage and <= 1))
            throw new UsageException(FormattableString.Invariant($"character coverage: expected a number from {LeastCoverage} to 1, found {CharacterCoverage}"));
        if (MaxPieceLength is < LeastPieceLength or > MostPieceLength)
            throw new UsageException(FormattableString.Invariant($"longest piece: expected from {LeastPieceLength} to {MostPieceLength} characters, found {MaxPieceLength}"));
        if (UserDefined.IsDefault) throw new UsageException("user-defined pieces: expected a list, found none; an empty one will do");
    }
}
