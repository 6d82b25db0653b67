using System.Text;
using System.Text.Json;

namespace Gemma.Formats;

/// <summary>The chat template of a Hugging Face folder: a file of its own since 2025, a field of tokenizer_config.json before.</summary>
internal static class HuggingFaceChatTemplate
{
    public const string FileName = "chat_template.jinja";

    public static string? Find(string folder)
    {
        string file = Path.Combine(folder, FileName), config = Path.Combine(folder, "tokenizer_config.json");
        if (File.Exists(file)) return Encoding.UTF8.GetString(MappedFile.ReadSmall(file));
        return File.Exists(config) ? JsonFields.Load(config, Read) : null;
    }

    /// <summary>The field is the template itself, or a list of named ones.</summary>
    private static string? Read(JsonFields fields)
    {
        foreach (JsonProperty property in fields.All)
        {
            if (!property.NameEquals("chat_template"u8)) continue;
            return property.Value.ValueKind switch
            {
                JsonValueKind.String => property.Value.GetString(),
                JsonValueKind.Array => property.Value.EnumerateArray().Where(item => Text(item, "name") == "default").Select(item => Text(item, "template")).FirstOrDefault(),
                _ => null,
            };
        }
        return null;
    }

    private static string? Text(JsonElement item, string name) =>
        item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
