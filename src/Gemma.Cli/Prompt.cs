using System.Text;
using Gemma.Chat;
using Gemma.Tokenization;

namespace Gemma.Cli;

/// <summary>What a model gets to read.</summary>
/// <param name="Ids">With <c>&lt;bos&gt;</c>.</param>
/// <param name="Shown">The same for people, control tokens by their names.</param>
/// <param name="Continued">The text that the answer continues, where it does; null where the answer is a turn of its own.</param>
internal sealed record Prompt(int[] Ids, string Shown, string? Continued)
{
    /// <summary>Ids that end the answer besides the model's own.</summary>
    public int[] StopIds { get; private init; } = [];

    /// <summary>A conversation that waits for the model.</summary>
    public static Prompt Turns(GemmaModel model, IReadOnlyList<ChatTurn> turns)
    {
        var template = ChatTemplate.For(model);
        return new Prompt(template.Encode(turns), ChatTemplate.Render(turns), null) { StopIds = [template.EndOfTurnId] };
    }

    /// <summary>A text to be continued.</summary>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="text">The text.</param>
    /// <param name="markers">Whether markers in the text are markers.</param>
    public static Prompt Text(SentencePieceTokenizer tokenizer, string text, bool markers)
    {
        int[] ids = [tokenizer.BosId, .. markers ? tokenizer.Encode(text) : tokenizer.EncodeText(text)];
        return new Prompt(ids, Piece(tokenizer, tokenizer.BosId) + text, text);
    }

    /// <summary>Ids as they are.</summary>
    public static Prompt Given(int[] ids, SentencePieceTokenizer? tokenizer) => new(ids, tokenizer is null ? string.Join(',', ids) : Render(tokenizer, ids), null);

    /// <summary>A piece as the vocabulary writes it.</summary>
    public static string Piece(SentencePieceTokenizer tokenizer, int id) =>
        (uint)id < (uint)tokenizer.VocabularySize ? tokenizer.Model.Pieces[id].Text : FormattableString.Invariant($"<id {id}>");

    /// <summary>The text of ids, with control tokens by their names.</summary>
    private static string Render(SentencePieceTokenizer tokenizer, int[] ids)
    {
        var text = new StringBuilder();
        var detokenizer = new Detokenizer(tokenizer);
        foreach (int id in ids)
        {
            bool isText = (uint)id < (uint)tokenizer.VocabularySize && tokenizer.Model.Pieces[id].Type is not (PieceType.Control or PieceType.Unknown);
            text.Append(isText ? detokenizer.Append(id) : detokenizer.Flush() + Piece(tokenizer, id));
        }
        return text.Append(detokenizer.Flush()).ToString();
    }
}
