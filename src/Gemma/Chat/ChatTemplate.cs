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

    /// <summary>The same as a Jinja template, for files that other programs read.</summary>
    public const string Jinja =
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set instructions = messages[0]['content'] + '\\n\\n' %}{% set turns = messages[1:] %}"
        + "{% else %}{% set instructions = '' %}{% set turns = messages %}{% endif %}"
        + "{% for turn in turns %}{{ '<start_of_turn>' + ('model' if turn['role'] == 'assistant' else turn['role']) + '\\n' }}"
        + "{% if loop.first %}{{ instructions }}{% endif %}{{ turn['content'] | trim }}{{ '<end_of_turn>\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";

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
        return For(model.Tokenizer, model.ChatTemplate);
    }

    /// <summary>The turn format for a tokenizer and the makers' template, where they have one.</summary>
    /// <exception cref="UsageException">The tokenizer has no turn tokens, or the template is of another format.</exception>
    public static ChatTemplate For(SentencePieceTokenizer tokenizer, string? template)
    {
        if (template is not null && !template.Contains(StartMarker, StringComparison.Ordinal))
        {
            throw new UsageException(
                $"this model comes with a chat template of another format than Gemma's (there is no {StartMarker} in it), so it cannot chat here");
        }
        return new ChatTemplate(tokenizer);
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
    public int[] Encode(IReadOnlyList<ChatTurn> turns, bool forAnswer = true) => Encode(turns, forAnswer, null);

    /// <summary>A whole conversation as ids, and which of them the model says: what fine-tuning puts the loss on.</summary>
    /// <param name="turns">Perhaps a system text, then user and model in turn.</param>
    /// <param name="answers">
    /// For each id the index of the model's turn that it is part of: its text and the <c>&lt;end_of_turn&gt;</c> behind it. −1 for all that stands there before the model
    /// speaks, the header of its own turn among it, and for the newline after a turn, which nobody waits for.
    /// </param>
    /// <exception cref="UsageException">The turns are not in this order.</exception>
    public int[] Encode(IReadOnlyList<ChatTurn> turns, out int[] answers)
    {
        List<int> said = [];
        int[] ids = Encode(turns, false, said);
        answers = [.. said];
        return ids;
    }

    private int[] Encode(IReadOnlyList<ChatTurn> turns, bool forAnswer, List<int>? answers)
    {
        string instructions = Check(turns, forAnswer);
        List<int> ids = [_tokenizer.BosId];
        for (int i = 0; i < turns.Count; i++)
        {
            ChatTurn turn = turns[i];
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
                Mark(-1);
                ids.AddRange(_tokenizer.EncodeText(Trim(turn.Text)));
            }
            ids.Add(EndOfTurnId);
            Mark(turn.Role == ChatTurnRole.Model ? i : -1);
            ids.AddRange(_newLine);
        }
        if (forAnswer) ids.AddRange([_start, .. _modelHeader]);
        Mark(-1);
        return [.. ids];

        // What has come since the last mark.
        void Mark(int turn)
        {
            while (answers?.Count < ids.Count) answers.Add(turn);
        }
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
