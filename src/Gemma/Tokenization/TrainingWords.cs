using System.Buffers;
using System.Collections.Immutable;
using System.Text;

namespace Gemma.Tokenization;

/// <summary>What a vocabulary is learnt from: the different words as characters, and how often each occurs.</summary>
internal sealed class TrainingWords
{
    private const int NoPiece = -1;

    private TrainingWords(ImmutableArray<Rune> characters, PieceEdges[] edges)
    {
        Characters = characters;
        Edges = edges;
    }

    /// <summary>The characters that get pieces, the most frequent first (of equals the smaller).</summary>
    public ImmutableArray<Rune> Characters { get; }

    /// <summary>Of each character.</summary>
    public PieceEdges[] Edges { get; }

    /// <summary>Indices of characters, word after word; −1 stands before the first, between two and after the last.</summary>
    public List<int> Symbols { get; } = [NoPiece];

    /// <summary>How often each word occurs.</summary>
    public List<long> Weights { get; } = [];

    /// <param name="words">The words; they are not needed afterwards.</param>
    /// <param name="boundaries">See <see cref="WordCounter.Boundaries"/>.</param>
    public static TrainingWords Of(WordCounts words, long boundaries, TokenizerTrainerOptions options)
    {
        long[] counts = new long[0x110000];
        foreach ((ReadOnlyMemory<byte> word, long count) in words.All())
            for (ReadOnlySpan<byte> rest = word.Span; !rest.IsEmpty;) counts[Next(ref rest).Value] += count;
        ImmutableArray<Rune> characters = Cover(counts, boundaries, options.CharacterCoverage);
        int[] index = new int[counts.Length];
        Array.Fill(index, NoPiece);
        for (int i = 0; i < characters.Length; i++) index[characters[i].Value == SentencePiece.Space ? ' ' : characters[i].Value] = i;
        var text = new TrainingWords(characters, [.. characters.Select(character => PieceEdges.Of(character, options.SplitDigits))]);
        foreach ((ReadOnlyMemory<byte> word, long count) in words.All()) text.Add(word.Span, count, index);
        return text;
    }

    /// <summary>What is no part of any piece that is learnt: the ends of lines, which the library reads one by one, tabs, which it cuts at, and zeros.</summary>
    public static bool IsNeverPiece(int character) => character is '\n' or '\t' or 0;

    /// <summary>The most frequent characters that together make up the wanted part of the text, by the library's arithmetic.</summary>
    private static ImmutableArray<Rune> Cover(long[] counts, long boundaries, float coverage)
    {
        var characters = new List<(int Character, long Count)> { ('\t', boundaries) };
        for (int character = 0; character < counts.Length; character++)
            if (counts[character] > 0 && !IsNeverPiece(character)) characters.Add((character == ' ' ? SentencePiece.Space : character, counts[character]));
        characters.Sort((a, b) => a.Count != b.Count ? b.Count.CompareTo(a.Count) : a.Character.CompareTo(b.Character));
        long all = characters.Sum(character => character.Count), covered = 0;
        var pieces = ImmutableArray.CreateBuilder<Rune>();
        foreach ((int character, long count) in characters)
        {
            if ((float)((double)covered / all) >= coverage) break;
            covered += count;
            if (character != '\t') pieces.Add(new Rune(character));
        }
        return pieces.DrainToImmutable();
    }

    private void Add(ReadOnlySpan<byte> word, long count, int[] index)
    {
        int start = Symbols.Count;
        while (!word.IsEmpty)
        {
            int symbol = index[Next(ref word).Value];
            if (Symbols.Count > start && (symbol < 0 || !Edges[Symbols[^1]].Joins(Edges[symbol])))
            {
                End(start, count);
                start = Symbols.Count;
            }
            if (symbol >= 0) Symbols.Add(symbol);
        }
        End(start, count);
    }

    /// <summary>A single character has no neighbour to be joined to.</summary>
    private void End(int start, long count)
    {
        if (Symbols.Count - start < 2)
        {
            Symbols.RemoveRange(start, Symbols.Count - start);
            return;
        }
        Symbols.Add(NoPiece);
        Weights.Add(count);
    }

    /// <summary>The next character; U+FFFD for each byte that is part of none, as in the library.</summary>
    private static Rune Next(ref ReadOnlySpan<byte> text)
    {
        bool good = Rune.DecodeFromUtf8(text, out Rune rune, out int length) == OperationStatus.Done;
        text = text[(good ? length : 1)..];
        return rune;
    }
}
