using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Unicode;

namespace Gemma.Formats;

/// <summary>The fields of one JSON object of a file. A field that is null counts as absent, as Python's configuration classes have it.</summary>
internal readonly struct JsonFields
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    private readonly string _prefix;
    private readonly JsonElement _element;

    private JsonFields(string file, string prefix, JsonElement element)
    {
        File = file;
        _prefix = prefix;
        _element = element;
    }

    public string File { get; }

    /// <summary>Parses a file and hands its top object to <paramref name="read"/>.</summary>
    /// <exception cref="BadFileException">It is no JSON object, is not UTF-8, or names a field twice.</exception>
    public static T Parse<T>(string file, byte[] json, Func<JsonFields, T> read)
    {
        if (!Utf8.IsValid(json)) throw new BadFileException(file, null, "JSON in UTF-8", "bytes that are not UTF-8", "fetch the file again");
        ReadOnlyMemory<byte> text = json.AsSpan().StartsWith("\uFEFF"u8) ? json.AsMemory(3) : json;
        try
        {
            using var document = JsonDocument.Parse(text, Strict);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new BadFileException(file, null, "a JSON object", $"a JSON {document.RootElement.ValueKind}", "fetch the file again");
            return read(new JsonFields(file, "", document.RootElement));
        }
        catch (JsonException failure)
        {
            throw new BadFileException(file, null, "JSON", failure.Message, "fetch the file again");
        }
        catch (InvalidOperationException failure)
        {
            // The reader's answer to an escaped half of a surrogate pair.
            throw new BadFileException(file, null, "JSON", failure.Message, "fetch the file again");
        }
    }

    public static T Load<T>(string file, Func<JsonFields, T> read) => Parse(file, MappedFile.ReadSmall(file), read);

    public bool Has(string name) => Find(name) is not null;

    public IEnumerable<JsonProperty> All => _element.EnumerateObject();

    public JsonFields? Object(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } found => new JsonFields(File, $"{_prefix}{name}.", found),
        { } found => throw Wrong(name, "an object", found),
    };

    public int? Int(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } found when AsInt(found) is int value => value,
        { } found => throw Wrong(name, "a whole number", found),
    };

    public float? Float(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } found when found.TryGetSingle(out float value) && float.IsFinite(value) => value,
        { } found => throw Wrong(name, "a number", found),
    };

    public bool? Bool(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } found => throw Wrong(name, "true or false", found),
    };

    public string? String(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } found => found.GetString(),
        { } found => throw Wrong(name, "a string", found),
    };

    public ImmutableArray<string>? Strings(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Array } found when found.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) =>
            [.. found.EnumerateArray().Select(item => item.GetString()!)],
        { } found => throw Wrong(name, "a list of strings", found),
    };

    /// <summary>A whole number or a list of them.</summary>
    public ImmutableArray<int>? Ints(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } found when AsInt(found) is int value => [value],
        { ValueKind: JsonValueKind.Array } found when found.EnumerateArray().All(item => AsInt(item) is not null) =>
            [.. found.EnumerateArray().Select(item => AsInt(item)!.Value)],
        { } found => throw Wrong(name, "a whole number or a list of them", found),
    };

    /// <summary>For a field that must be there.</summary>
    public BadFileException Missing(string name, string expected) =>
        new(File, _prefix + name, expected, "no such field", "take config.json from the model's own repository");

    public BadFileException Wrong(string name, string expected, string actual) =>
        new(File, _prefix + name, expected, actual, "take the file from the model's own repository");

    private BadFileException Wrong(string name, string expected, JsonElement found) => Wrong(name, expected, found.GetRawText());

    private JsonElement? Find(string name) =>
        _element.TryGetProperty(name, out JsonElement found) && found.ValueKind != JsonValueKind.Null ? found : null;

    /// <summary>Python writes some whole numbers as 8.0.</summary>
    private static int? AsInt(JsonElement element) => element.ValueKind != JsonValueKind.Number ? null
        : element.TryGetInt32(out int value) ? value
        : element.TryGetDouble(out double real) && real == Math.Floor(real) && Math.Abs(real) <= int.MaxValue ? (int)real
        : null;
}
