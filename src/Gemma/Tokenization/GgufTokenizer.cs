using System.Collections.Immutable;
using Gemma.Formats;

namespace Gemma.Tokenization;

/// <summary>
/// A SentencePiece vocabulary in GGUF metadata, as llama.cpp's converter writes it for Gemma. The converter changes three things that are undone on reading,
/// so that the ids are those of the original <c>tokenizer.model</c>: it writes markers (<c>&lt;start_of_turn&gt;</c>) as control pieces, the spaces of
/// user-defined pieces as they are instead of ▁, and, in its early versions, user-defined pieces as normal ones.
/// </summary>
internal static class GgufTokenizer
{
    private const string ModelKey = "tokenizer.ggml.model", PreKey = "tokenizer.ggml.pre", TokensKey = "tokenizer.ggml.tokens", ScoresKey = "tokenizer.ggml.scores";
    private const string TypesKey = "tokenizer.ggml.token_type", BosKey = "tokenizer.ggml.bos_token_id", EosKey = "tokenizer.ggml.eos_token_id";
    private const string UnknownKey = "tokenizer.ggml.unknown_token_id", PadKey = "tokenizer.ggml.padding_token_id", EndOfTurnKey = "tokenizer.ggml.eot_token_id";
    private const string AddBosKey = "tokenizer.ggml.add_bos_token", AddEosKey = "tokenizer.ggml.add_eos_token", AddSpaceKey = "tokenizer.ggml.add_space_prefix";
    private const string SentencePieceKind = "llama";

    /// <summary>Whether the file holds any tokenizer; "none" is what llama.cpp calls a model without.</summary>
    public static bool IsIn(GgufMetadata metadata) => metadata.String(ModelKey) is not (null or "none");

    public static SentencePieceModel Read(GgufMetadata metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        string kind = metadata.String(ModelKey) ?? throw metadata.Missing(ModelKey, $"\"{SentencePieceKind}\"");
        if (kind != SentencePieceKind) throw metadata.Wrong(ModelKey, $"\"{SentencePieceKind}\", a SentencePiece vocabulary", kind);
        // Early files of Gemma do not say; for other families, absent means that a space is put before the text.
        if (metadata.Bool(AddSpaceKey) ?? metadata.String("general.architecture")?.StartsWith("gemma", StringComparison.Ordinal) != true)
            throw metadata.Wrong(AddSpaceKey, "false", true);
        string[] texts = metadata.Strings(TokensKey) ?? throw metadata.Missing(TokensKey, "a list of strings");
        float[] scores = metadata.Floats(ScoresKey) ?? throw metadata.Missing(ScoresKey, "a list of numbers");
        int[] types = metadata.Ints(TypesKey) ?? throw metadata.Missing(TypesKey, "a list of whole numbers");
        string one = FormattableString.Invariant($"{texts.Length} values, one for each of {TokensKey}");
        if (scores.Length != texts.Length) throw metadata.Wrong(ScoresKey, one, scores);
        if (types.Length != texts.Length) throw metadata.Wrong(TypesKey, one, types);
        int Id(string key) => metadata.Int(key) is not int id ? -1
            : id >= -1 && id < texts.Length ? id : throw metadata.Wrong(key, FormattableString.Invariant($"an id below {texts.Length}"), id);
        int unknown = Id(UnknownKey), bos = Id(BosKey), eos = Id(EosKey), pad = Id(PadKey);
        if (unknown < 0) unknown = Array.IndexOf(types, (int)PieceType.Unknown);
        var pieces = ImmutableArray.CreateBuilder<SentencePiece>(texts.Length);
        bool severalWithoutScore = HasSeveralWithoutScore(scores, types);
        for (int id = 0; id < texts.Length; id++)
        {
            PieceType type = id == unknown ? PieceType.Unknown : id == bos || id == eos || id == pad ? PieceType.Control
                : Original((PieceType)types[id], texts[id], scores[id], severalWithoutScore);
            pieces.Add(new SentencePiece(type == PieceType.UserDefined ? texts[id].Replace(' ', SentencePiece.Space) : texts[id], scores[id], type));
        }
        return SentencePieceModel.Of(metadata.File, pieces.MoveToImmutable(), unknown, bos, eos, pad);
    }

    public static void Write(SentencePieceModel model, GgufMetadata metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        metadata.Set(ModelKey, SentencePieceKind);
        metadata.Set(PreKey, "default");
        metadata.Set(TokensKey, model.Pieces.Select(Text).ToArray());
        metadata.Set(ScoresKey, model.Pieces.Select(piece => piece.Score).ToArray());
        metadata.Set(TypesKey, model.Pieces.Select(piece => (int)(piece.IsMarker ? PieceType.Control : piece.Type)).ToArray());
        foreach ((string key, int id) in (ReadOnlySpan<(string, int)>)
            [(BosKey, model.BosId), (EosKey, model.EosId), (UnknownKey, model.UnknownId), (PadKey, model.PadId), (EndOfTurnKey, model.EndOfTurnId ?? -1)])
        {
            if (id >= 0) metadata.Set(key, (uint)id);
        }
        metadata.Set(AddBosKey, true);
        metadata.Set(AddEosKey, false);
        metadata.Set(AddSpaceKey, false);
    }

    /// <summary>llama.cpp looks for user-defined pieces in the text as it is, where spaces are spaces.</summary>
    private static string Text(SentencePiece piece) => piece.Type == PieceType.UserDefined ? piece.Text.Replace(SentencePiece.Space, ' ') : piece.Text;

    /// <summary>
    /// The trainer gives every normal piece a score of its own and every user-defined piece 0: where several "normal" pieces have 0, they were user-defined.
    /// One of them is the first merge, whose score is 0 too; so only what looks like Gemma's user-defined pieces is taken back.
    /// </summary>
    private static PieceType Original(PieceType type, string text, float score, bool severalWithoutScore) => type switch
    {
        PieceType.Control => PieceType.UserDefined,
        PieceType.Normal when severalWithoutScore && score == 0 && (IsBlankRun(text) || SentencePiece.IsBracketed(text)) => PieceType.UserDefined,
        _ => type,
    };

    private static bool HasSeveralWithoutScore(float[] scores, int[] types)
    {
        int count = 0;
        for (int id = 0; id < scores.Length; id++)
            if (scores[id] == 0 && types[id] == (int)PieceType.Normal) count++;
        return count > 1;
    }

    private static bool IsBlankRun(string text) => text.Length > 0 && text[0] is '\n' or '\t' or ' ' or SentencePiece.Space && text.AsSpan().IndexOfAnyExcept(text[0]) < 0;
}
