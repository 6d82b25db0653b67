using System.Collections.Immutable;
using System.Text.Json;
using Gemma.Tokenization;

namespace Gemma.Tests.Tokenization;

/// <summary>The tokenizers of the repository, loaded once, and small ones made for a test.</summary>
internal static class Vocabularies
{
    private static readonly Lazy<SentencePieceTokenizer> LazyGemma = new(() => SentencePieceTokenizer.Load(Repository.Tokenizer));
    private static readonly Lazy<SentencePieceTokenizer> LazyTiny = new(() => SentencePieceTokenizer.Load(Repository.TinyModel));

    public static string GemmaFile => Path.Combine(Repository.Tokenizer, "tokenizer.model");

    public static string TinyFile => Path.Combine(Repository.TinyModel, "tokenizer.model");

    /// <summary>Gemma's own, 256,000 pieces.</summary>
    public static SentencePieceTokenizer Gemma => LazyGemma.Value;

    /// <summary>That of the embedded model, 4,096 pieces.</summary>
    public static SentencePieceTokenizer Tiny => LazyTiny.Value;

    public static IEnumerable<(string Text, int[] Ids)> Cases(string file)
    {
        foreach (string line in File.ReadLines(Path.Combine(Repository.Tokenizer, file)))
        {
            using var json = JsonDocument.Parse(line);
            yield return (json.RootElement.GetProperty("text").GetString()!, [.. json.RootElement.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())]);
        }
    }

    /// <summary>Padding, end, begin, unknown, the bytes, then these.</summary>
    public static ImmutableArray<SentencePiece> Pieces(params IEnumerable<SentencePiece> more) =>
    [
        new("<pad>", 0, PieceType.Control), new("<eos>", 0, PieceType.Control), new("<bos>", 0, PieceType.Control), new("<unk>", 0, PieceType.Unknown),
        .. Enumerable.Range(0, 256).Select(value => new SentencePiece(FormattableString.Invariant($"<0x{value:X2}>"), 0, PieceType.Byte)), .. more,
    ];

    public static SentencePieceModel Model(params IEnumerable<SentencePiece> more) => SentencePieceModel.Of("test", Pieces(more), 3, 2, 1, 0);
}
