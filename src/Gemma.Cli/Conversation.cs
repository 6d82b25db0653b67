using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Gemma.Chat;
using Gemma.Formats;

namespace Gemma.Cli;

/// <summary>What was said, and the instructions before it. The user begins, then both take turns.</summary>
internal sealed class Conversation
{
    private static readonly JsonWriterOptions Readable = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly List<ChatTurn> _turns = [];

    public string? System { get; set; }

    /// <summary>With the instructions where there are any.</summary>
    public IReadOnlyList<ChatTurn> Turns => System is string system ? [ChatTurn.System(system), .. _turns] : [.. _turns];

    public bool IsEmpty => _turns.Count == 0;

    /// <summary>Whether the model has the word.</summary>
    public bool WaitsForModel => _turns.Count > 0 && _turns[^1].Role == ChatTurnRole.User;

    public void Add(ChatTurn turn) => _turns.Add(turn);

    public void Clear() => _turns.Clear();

    /// <summary>Takes back the last turn; false where there is none.</summary>
    public bool RemoveLast()
    {
        if (_turns.Count == 0) return false;
        _turns.RemoveAt(_turns.Count - 1);
        return true;
    }

    /// <summary>Writes the messages as chat programs exchange them.</summary>
    /// <exception cref="GemmaException">The name is taken, or the disk says no.</exception>
    public void Save(string path, string model, bool replace)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Readable))
        {
            json.WriteStartObject();
            json.WriteString("model", model);
            json.WriteStartArray("messages");
            foreach (ChatTurn turn in Turns)
            {
                json.WriteStartObject();
                json.WriteString("role", RoleName(turn.Role));
                json.WriteString("content", turn.Text);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        buffer.Write("\n"u8);
        using var file = NewFile.Create(path, buffer.WrittenCount, replace);
        RandomAccess.Write(file.Handle, buffer.WrittenSpan, 0);
        file.Publish();
    }

    /// <summary>Reads what <see cref="Save"/> wrote, or any list of messages of that form.</summary>
    /// <exception cref="GemmaException">It cannot be read or is no conversation; this one is as it was then.</exception>
    public void Load(string path)
    {
        (string? system, List<ChatTurn> turns) = Parse(path);
        System = system;
        _turns.Clear();
        _turns.AddRange(turns);
    }

    private static (string? System, List<ChatTurn> Turns) Parse(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(TextInput.Read(path)!);
            JsonElement root = document.RootElement;
            JsonElement messages = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("messages", out JsonElement found) ? found : root;
            if (messages.ValueKind != JsonValueKind.Array) throw Bad(path, "no list of messages");
            string? system = null;
            List<ChatTurn> turns = [];
            foreach (JsonElement message in messages.EnumerateArray())
            {
                (string role, string text) = (Field(path, message, "role"), Field(path, message, "content"));
                if (role == "system" && system is null && turns.Count == 0) system = text;
                else if (role == (turns.Count % 2 == 0 ? "user" : "assistant")) turns.Add(turns.Count % 2 == 0 ? ChatTurn.User(text) : ChatTurn.Model(text));
                else throw Bad(path, $"a message of \"{role}\" as number {turns.Count + 1}");
            }
            return (system, turns);
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            throw Bad(path, "no JSON");
        }
    }

    private static string Field(string path, JsonElement message, string name) =>
        message.ValueKind == JsonValueKind.Object && message.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()! : throw Bad(path, $"a message without \"{name}\"");

    private static GemmaException Bad(string path, string found) =>
        new($"{path}: expected messages of user and assistant in turn, perhaps one of system before them, found {found}; choose a file that /save wrote");

    private static string RoleName(ChatTurnRole role) => role switch
    {
        ChatTurnRole.System => "system",
        ChatTurnRole.User => "user",
        _ => "assistant",
    };
}
