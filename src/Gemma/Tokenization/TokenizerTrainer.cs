using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text;

namespace Gemma.Tokenization;

/// <summary>
/// Learns a vocabulary from text: byte-pair encoding as the SentencePiece library trains it. Words are counted first, from as many threads as there are; then the
/// most frequent pair of neighbours becomes a piece, again and again. The same texts give the same vocabulary, whatever their order and the number of threads.
/// </summary>
public sealed class TokenizerTrainer
{
    private static readonly ImmutableArray<SentencePiece> Special =
    [
        new("<pad>", 0, PieceType.Control), new("<eos>", 0, PieceType.Control), new("<bos>", 0, PieceType.Control), new("<unk>", 0, PieceType.Unknown),
    ];

    private readonly TokenizerTrainerOptions _options;
    private readonly ImmutableArray<SentencePiece> _before; // special, user-defined, bytes
    private readonly WordSplitter _splitter;
    private readonly ConcurrentBag<WordCounter> _counters = []; // as many as ever counted at the same time

    /// <exception cref="UsageException">A value cannot work, or a user-defined piece is there twice.</exception>
    public TokenizerTrainer(TokenizerTrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _options = options;
        _before =
        [
            .. Special, .. options.UserDefined.Select(text => new SentencePiece((text ?? "").Replace(' ', SentencePiece.Space), 0, PieceType.UserDefined)),
            .. Enumerable.Range(0, 256).Select(value => new SentencePiece(FormattableString.Invariant($"<0x{value:X2}>"), 0, PieceType.Byte)),
        ];
        Check(_before);
        _splitter = WordSplitter.For(MayJoin, new PrefixMatcher(_before.Select((piece, id) => (Encoding.UTF8.GetBytes(piece.Text.Replace(SentencePiece.Space, ' ')), id))));
    }

    /// <summary>Counts the words of a text in UTF-8. Words end at its end. From any thread.</summary>
    public void Add(ReadOnlySpan<byte> text)
    {
        WordCounter counter = Take();
        counter.Add(text);
        _counters.Add(counter);
    }

    /// <inheritdoc cref="Add(ReadOnlySpan{byte})"/>
    public void Add(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        WordCounter counter = Take();
        counter.Add(text);
        _counters.Add(counter);
    }

    /// <summary>
    /// Learns from what was added so far. Ids are those the library gives: 0 padding, 1 end, 2 begin, 3 unknown, then the user-defined pieces, the bytes, what merges
    /// made in the order in which it was made, and single characters, the most frequent first.
    /// </summary>
    /// <exception cref="UsageException">The vocabulary is too small for the characters, or larger than the text can fill.</exception>
    public SentencePieceModel Train(IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        var words = new WordCounts();
        long boundaries = 0;
        foreach (WordCounter counter in _counters)
        {
            words.Add(counter.Words);
            boundaries += counter.Boundaries;
        }
        TrainingWords text = TrainingWords.Of(words, boundaries, _options);
        int room = _options.VocabularySize - _before.Length - text.Characters.Length;
        if (room < 0)
        {
            throw new UsageException(FormattableString.Invariant(
                $"a vocabulary of {_options.VocabularySize} pieces has no room for {_before.Length} special ones and {text.Characters.Length} characters; take at least {_options.VocabularySize - room}, or a smaller coverage"));
        }
        var pieces = ImmutableArray.CreateBuilder<SentencePiece>(_options.VocabularySize);
        pieces.AddRange(_before);
        var learner = new BytePairLearner(text, _options.MaxPieceLength);
        for (int merge = 0; merge < room; merge++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (learner.Next() is not string piece) throw TooLarge(pieces.Count + text.Characters.Length);
            pieces.Add(new SentencePiece(piece, -(float)merge, PieceType.Normal));
            progress?.Report((merge + 1.0) / room);
        }
        foreach (Rune character in text.Characters) pieces.Add(new SentencePiece(character.ToString(), _before.Length - pieces.Count, PieceType.Normal));
        return SentencePieceModel.Of("trained", pieces.MoveToImmutable(), unknownId: 3, bosId: 2, eosId: 1, padId: 0, _options);
    }

    private static void Check(ImmutableArray<SentencePiece> pieces)
    {
        var texts = new HashSet<string>(StringComparer.Ordinal);
        foreach (SentencePiece piece in pieces)
        {
            if (piece.Text.Length is 0 or > SentencePieceModel.LongestPiece)
            {
                throw new UsageException(FormattableString.Invariant(
                    $"user-defined piece: expected a text of 1 to {SentencePieceModel.LongestPiece} characters, found {piece.Text.Length}"));
            }
            if (piece.Text.Contains('\0') || piece.Text.EnumerateRunes().Any(rune => rune == Rune.ReplacementChar))
                throw new UsageException($"user-defined piece {SentencePieceModel.Printable(piece.Text)}: expected text, found a zero or half of a character in it");
            if (!texts.Add(piece.Text)) throw new UsageException($"user-defined piece {SentencePieceModel.Printable(piece.Text)}: it is in the vocabulary already; leave it out");
        }
    }

    private WordCounter Take() => _counters.TryTake(out WordCounter? counter) ? counter : new WordCounter(_splitter);

    /// <summary>Whether two bytes may stand side by side in a piece; of bytes that are not ASCII only what holds for all characters that have them is known.</summary>
    private bool MayJoin(byte left, byte right)
    {
        if (TrainingWords.IsNeverPiece(left) || TrainingWords.IsNeverPiece(right) || right == ' ') return false;
        if (left >= 0x80 || right >= 0x80) return true;
        return PieceEdges.Of(new Rune((char)left), _options.SplitDigits).Joins(PieceEdges.Of(new Rune((char)right), _options.SplitDigits));
    }

    private UsageException TooLarge(int most) => new(FormattableString.Invariant(
        $"a vocabulary of {_options.VocabularySize} pieces is more than this text can fill; take at most {most}, or more text"));
}
