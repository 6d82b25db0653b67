using System.Globalization;
using System.Text;
using Gemma.Tokenization;

namespace Gemma.Chat;

/// <summary>
/// Gemma's turn format: <c>&lt;bos&gt;&lt;start_of_turn&gt;user\n…&lt;end_of_turn&gt;\n&lt;start_of_turn&gt;model\n</c>. Control tokens are put in by id
/// and texts go in as text, so that a marker somebody types is no marker. What comes out equals the published Jinja template, except there.
/// </summary>
/// <remarks>
/// Texts are trimmed. A system text stands before the first user's turn, with an empty line between them, as Gemma 3's template does; Gemma 1's and 2's refuse
/// it. The ids of a conversation that waits for the model are the beginning of the ids of the same conversation with the answer and more turns.
/// </remarks>
public sealed class ChatTemplate
{
    private const string StartMarker = "<start_of_turn>", EndMarker = "<end_of_turn>";

    private readonly SentencePieceTokenizer _tokenizer;
    private readonly int _start;
    private readonly int[] _newLine, _modelHeader;

    /// <exception cref="UsageException">The tokenizer has no turn tokens.</exception>
    public ChatTemplate(SentencePieceTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        if (tokenizer.StartOfTurnId is not int start || tokenizer.EndOfTurnId is not int end)
        {
            throw new UsageException($"this model's tokenizer has no turn tokens ({StartMarker}, {EndMarker}), so it cannot chat; "
                + "let it continue a text instead, or use a tuned model (-it)");
        }
        _start = start;
        EndOfTurnId = end;
        _newLine = tokenizer.EncodeText("\n");
        _modelHeader = tokenizer.EncodeText("model\n");
    }

    /// <summary>The id that ends a turn: the model's answer is over with it.</summary>
    public int EndOfTurnId { get; }

    /// <summary>The turn format for a model.</summary>
    /// <exception cref="UsageException">Its files hold no tokenizer, its tokenizer no turn tokens, or its makers' template is of another format.</exception>
    public static ChatTemplate For(GemmaModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.Tokenizer is null)
            throw new UsageException("this model's files hold no tokenizer, so it cannot chat; put tokenizer.model beside the weights");
        if (model.ChatTemplate is string template && !template.Contains(StartMarker, StringComparison.Ordinal))
        {
            throw new UsageException(
                $"this model comes with a chat template of another format than Gemma's (there is no {StartMarker} in it), so it cannot chat here");
        }
        return new ChatTemplate(model.Tokenizer);
    }

    /// <summary>
    /// Whether a model was tuned to take turns: it comes with a template, or its answers end with <c>&lt;end_of_turn&gt;</c>. Base models have the turn tokens
    /// in their vocabulary, but they never learnt what they mean: they continue a text.
    /// </summary>
    public static bool IsTuned(GemmaModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.Tokenizer?.EndOfTurnId is int end && (model.ChatTemplate is not null || model.Config.EosIds.Contains(end));
    }

    /// <summary>A conversation as ids, <c>&lt;bos&gt;</c> included.</summary>
    /// <param name="turns">Perhaps a system text, then user and model in turn.</param>
    /// <param name="forAnswer">Ends with the beginning of the model's turn; the last turn must then be the user's.</param>
    /// <exception cref="UsageException">The turns are not in this order.</exception>
    public int[] Encode(IReadOnlyList<ChatTurn> turns, bool forAnswer = true)
    {
        string instructions = Check(turns, forAnswer);
        List<int> ids = [_tokenizer.BosId];
        foreach (ChatTurn turn in turns)
        {
            if (turn.Role == ChatTurnRole.System) continue;
            ids.Add(_start);
            if (turn.Role == ChatTurnRole.User)
            {
                ids.AddRange(_tokenizer.EncodeText("user\n" + instructions + Trim(turn.Text)));
                instructions = "";
            }
            else
            {
                // Apart from the answer, as they were when the answer was made.
                ids.AddRange(_modelHeader);
                ids.AddRange(_tokenizer.EncodeText(Trim(turn.Text)));
            }
            ids.Add(EndOfTurnId);
            ids.AddRange(_newLine);
        }
        if (forAnswer) ids.AddRange([_start, .. _modelHeader]);
        return [.. ids];
    }

    /// <summary>The same to read. A marker somebody typed looks like one here; among the ids it is text.</summary>
    /// <exception cref="UsageException">The turns are not in order.</exception>
    public static string Render(IReadOnlyList<ChatTurn> turns, bool forAnswer = true)
    {
        string instructions = Check(turns, forAnswer);
        var text = new StringBuilder("<bos>");
        foreach (ChatTurn turn in turns)
        {
            if (turn.Role == ChatTurnRole.System) continue;
            text.Append(StartMarker).Append(turn.Role == ChatTurnRole.User ? "user\n" : "model\n");
            text.Append(instructions).Append(Trim(turn.Text)).Append(EndMarker).Append('\n');
            instructions = "";
        }
        if (forAnswer) text.Append(StartMarker).Append("model\n");
        return text.ToString();
    }

    /// <summary>Returns what stands before the first user's text.</summary>
    private static string Check(IReadOnlyList<ChatTurn> turns, bool forAnswer)
    {
        ArgumentNullException.ThrowIfNull(turns);
        int first = turns.Count > 0 && turns[0].Role == ChatTurnRole.System ? 1 : 0;
        if (turns.Count == first) throw new UsageException("the conversation has no turn of a user; it begins with one");
        for (int i = first; i < turns.Count; i++)
        {
            ChatTurnRole expected = (i - first) % 2 == 0 ? ChatTurnRole.User : ChatTurnRole.Model;
            if (turns[i].Role == expected) continue;
            string found = string.Create(CultureInfo.InvariantCulture, $"turn {i + 1} of the conversation is the {Name(turns[i].Role)}'s");
            throw new UsageException($"{found}, expected the {Name(expected)}'s: "
                + "user and model take turns, the user begins, and a system text stands before them all");
        }
        if (forAnswer && turns[^1].Role == ChatTurnRole.Model)
            throw new UsageException("the last turn of the conversation is the model's: there is nothing to answer; add a turn of the user");
        string instructions = first == 1 ? turns[0].Text : "";
        return Trim(instructions).Length == 0 ? "" : instructions + "\n\n";
    }

    private static string Name(ChatTurnRole role) => role switch
    {
        ChatTurnRole.System => "system",
        ChatTurnRole.User => "user",
        _ => "model",
    };

    /// <summary>Takes off what Python's <c>str.strip</c>, and with it Jinja's <c>trim</c>, takes off: .NET leaves U+001C to U+001F.</summary>
    private static string Trim(string text)
    {
        static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1C' and <= '\x1F';
        int start = 0, end = text.Length;
        while (start < end && IsSpace(text[start])) start++;
        while (end > start && IsSpace(text[end - 1])) end--;
        return text[start..end];
    }
}
