using System.Globalization;
using System.Text;
using System.Text.Json;
using Gemma.Chat;

namespace Gemma.Training.Tuning;

/// <summary>
/// Conversations as the files of the field have them. Whole: <c>messages</c> (OpenAI; also <c>conversations</c> with <c>from</c> and <c>value</c>). A prompt and its
/// answer: <c>prompt</c> and <c>completion</c>, or <c>instruction</c>, <c>input</c> and <c>output</c>, or what else the two are called. Two answers to choose from:
/// <c>chosen</c> and <c>rejected</c>, with the <c>prompt</c> or with it in both (TRL).
/// </summary>
internal static class ConversationJson
{
    private const string Shapes = "\"messages\", or a prompt (\"prompt\", \"instruction\" or \"question\") and its answer (\"completion\", \"response\", \"output\" or \"answer\")";

    private static readonly string[] Whole = ["messages", "conversations"], Prompts = ["prompt", "instruction", "question"],
        Answers = ["completion", "response", "output", "answer"];

    public static Conversation Read(JsonElement row)
    {
        var conversation = new Conversation();
        if (Find(row, Whole) is { } messages)
        {
            if (Find(row, Prompts) is not null) throw new BadSampleException(Shapes, "both");
            AddTurns(conversation, messages, isAnswer: true);
        }
        else
        {
            AddPrompt(conversation, row, Find(row, Prompts) ?? throw new BadSampleException(Shapes, Fields(row)));
            AddAnswer(conversation, Find(row, Answers) ?? throw new BadSampleException("an answer to the prompt (\"completion\", \"response\", \"output\" or \"answer\")", Fields(row)));
        }
        return Check(conversation);
    }

    public static (Conversation Chosen, Conversation Rejected) ReadPair(JsonElement row)
    {
        Field chosen = Find(row, ["chosen"]) ?? throw new BadSampleException("a \"chosen\" and a \"rejected\" answer", Fields(row));
        Field rejected = Find(row, ["rejected"]) ?? throw new BadSampleException("a \"rejected\" answer beside the chosen", Fields(row));
        Conversation first = new(), second = new();
        if (Find(row, Prompts) is { } prompt)
        {
            AddPrompt(first, row, prompt);
            AddPrompt(second, row, prompt);
            AddAnswer(first, chosen);
            AddAnswer(second, rejected);
        }
        else
        {
            if (chosen.Value.ValueKind == JsonValueKind.String) throw new BadSampleException("a \"prompt\" that the chosen and the rejected text answer", Fields(row));
            AddTurns(first, chosen, isAnswer: true);
            AddTurns(second, rejected, isAnswer: true);
            if (first.Turns.Count == 0 || second.Turns.Count == 0 || !first.Turns.SkipLast(1).SequenceEqual(second.Turns.SkipLast(1)))
                throw new BadSampleException("\"chosen\" and \"rejected\" that differ in the last answer only", "other turns before it");
            // Only the answers that are compared are learnt.
            for (int i = 0; i < first.Turns.Count - 1; i++) first.Weights[i] = second.Weights[i] = 0;
        }
        if (first.Turns.SequenceEqual(second.Turns)) throw new BadSampleException("two different answers", "the same twice");
        return (Check(first), Check(second));
    }

    private static void AddPrompt(Conversation conversation, JsonElement row, Field prompt)
    {
        if (Find(row, ["system"]) is { } system) conversation.Add(ChatTurn.System(Text(system)), 0);
        if (prompt.Value.ValueKind == JsonValueKind.Array)
        {
            AddTurns(conversation, prompt, isAnswer: false);
            return;
        }
        string text = Text(prompt);
        if (Find(row, ["input"]) is { } input && Text(input) is { Length: > 0 } more) text += "\n\n" + more;
        conversation.Add(ChatTurn.User(text), 0);
    }

    private static void AddAnswer(Conversation conversation, Field answer)
    {
        if (answer.Value.ValueKind == JsonValueKind.Array) AddTurns(conversation, answer, isAnswer: true);
        else conversation.Add(ChatTurn.Model(Text(answer)), 1);
    }

    private static void AddTurns(Conversation conversation, Field messages, bool isAnswer)
    {
        if (messages.Value.ValueKind != JsonValueKind.Array) throw new BadSampleException($"a list in \"{messages.Name}\"", Kind(messages.Value));
        int number = 0;
        foreach (JsonElement message in messages.Value.EnumerateArray())
        {
            string place = string.Create(CultureInfo.InvariantCulture, $"\"{messages.Name}\"[{number++}]");
            if (message.ValueKind != JsonValueKind.Object) throw new BadSampleException($"an object with \"role\" and \"content\" in {place}", Kind(message));
            Field role = Find(message, ["role", "from"]) ?? throw new BadSampleException($"a \"role\" in {place}", Fields(message));
            Field content = Find(message, ["content", "value"]) ?? throw new BadSampleException($"a \"content\" in {place}", Fields(message));
            conversation.Add(new ChatTurn(Role(Text(role), place), Text(content)), isAnswer ? Weight(message, place) : 0);
        }
    }

    private static ChatTurnRole Role(string role, string place) => role switch
    {
        "system" or "developer" => ChatTurnRole.System,
        "user" or "human" => ChatTurnRole.User,
        "assistant" or "model" or "gpt" => ChatTurnRole.Model,
        _ => throw new BadSampleException($"the role system, user or assistant in {place}", $"'{Printable(role)}'"),
    };

    /// <summary>OpenAI's files may say of an answer that it is not to be learnt.</summary>
    private static float Weight(JsonElement message, string place) => Find(message, ["weight"]) is not { } weight ? 1
        : weight.Value.ValueKind == JsonValueKind.Number && weight.Value.TryGetSingle(out float value) && value is >= 0 and <= 1 ? value
        : throw new BadSampleException($"a \"weight\" from 0 to 1 in {place}", Kind(weight.Value));

    private static Conversation Check(Conversation conversation)
    {
        if (conversation.Turns.Count == 0) throw new BadSampleException("turns of user and assistant", "none");
        if (conversation.Turns[^1].Role != ChatTurnRole.Model) throw new BadSampleException("a conversation that ends with an answer", $"a last turn of the {conversation.Turns[^1].Role.ToString().ToLowerInvariant()}");
        if (conversation.Weights.TrueForAll(weight => weight == 0)) throw new BadSampleException("an answer to learn", "the weight 0 for all");
        for (int i = 0; i < conversation.Turns.Count; i++)
        {
            if (conversation.Turns[i].Role == ChatTurnRole.Model && string.IsNullOrWhiteSpace(conversation.Turns[i].Text))
                throw new BadSampleException("a text in each answer", string.Create(CultureInfo.InvariantCulture, $"turn {i + 1} to be empty"));
        }
        return conversation;
    }

    /// <summary>A string, or a list of text parts.</summary>
    private static string Text(Field field)
    {
        if (field.Value.ValueKind == JsonValueKind.String) return String(field.Value);
        if (field.Value.ValueKind != JsonValueKind.Array) throw new BadSampleException($"a text in \"{field.Name}\"", Kind(field.Value));
        var text = new StringBuilder();
        foreach (JsonElement part in field.Value.EnumerateArray())
        {
            if (part.ValueKind == JsonValueKind.String) text.Append(String(part));
            else if (part.ValueKind == JsonValueKind.Object && Find(part, ["text"]) is { Value.ValueKind: JsonValueKind.String } inner) text.Append(String(inner.Value));
            else throw new BadSampleException($"text parts in \"{field.Name}\"", part.ValueKind == JsonValueKind.Object ? Fields(part) : Kind(part));
        }
        return text.ToString();
    }

    private static string String(JsonElement element)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new BadSampleException("text", "half of a surrogate pair");
        }
    }

    /// <summary>The one of these fields that is there; a field that is null counts as absent.</summary>
    private static Field? Find(JsonElement row, string[] names)
    {
        Field? found = null;
        foreach (string name in names)
        {
            if (!row.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null) continue;
            if (found is { } other) throw new BadSampleException($"one of \"{other.Name}\" and \"{name}\"", "both");
            found = new Field(name, value);
        }
        return found;
    }

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => Printable(value.GetRawText()),
        _ => value.GetRawText(),
    };

    private static string Fields(JsonElement row) => row.EnumerateObject().Select(field => $"\"{Printable(field.Name)}\"").Take(8).ToArray() is { Length: > 0 } names
        ? "the fields " + string.Join(", ", names) : "no fields";

    private static string Printable(string text)
    {
        string cut = text.Length > 40 ? text[..40] + "…" : text;
        return string.Concat(cut.Select(letter => char.IsControl(letter) || char.IsSurrogate(letter) ? '\uFFFD' : letter));
    }

    private readonly record struct Field(string Name, JsonElement Value);
}
