using System.Globalization;
using System.Text.Json;

namespace Gemma.Cli;

/// <summary>
/// The settings of a run: the fields of a JSON file, with flags over them. Whoever reads says what a field may be; a field that nobody has asked for is refused by
/// name, so a misspelt one does not train something else in silence.
/// </summary>
internal sealed class RunFields
{
    private static readonly JsonDocumentOptions Lenient = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, AllowDuplicateProperties = false, MaxDepth = 16 };

    private readonly string _file, _prefix;
    private readonly JsonElement? _element;
    private readonly IReadOnlyDictionary<string, Override> _overrides;
    private readonly List<string> _known = [];

    private RunFields(string file, string prefix, JsonElement? element, IReadOnlyDictionary<string, Override> overrides)
    {
        _file = file;
        _prefix = prefix;
        _element = element;
        _overrides = overrides;
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">A JSON object; comments and trailing commas are no mistakes.</param>
    /// <param name="overrides">Texts by the name of a field, such as <c>learning_rate.peak</c>, and the flag that says so; null texts count as not said.</param>
    /// <exception cref="UsageException">It cannot be read or is no JSON object.</exception>
    public static RunFields Load(string path, IEnumerable<(string Field, string? Text, string Flag)> overrides)
    {
        string full = Path.GetFullPath(path);
        byte[] json;
        try
        {
            json = File.ReadAllBytes(full);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{path}: the settings cannot be read ({failure.Message}); check the path");
        }
        try
        {
            using var document = JsonDocument.Parse(json.AsSpan().StartsWith("\uFEFF"u8) ? json.AsMemory(3) : json, Lenient);
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new UsageException($"{path}: expected a JSON object, found a JSON {document.RootElement.ValueKind}");
            return new RunFields(path, "", document.RootElement.Clone(), Said(overrides)) { Folder = Path.GetDirectoryName(full)! };
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            throw new UsageException($"{path}: expected JSON, found a mistake ({failure.Message})");
        }
    }

    /// <summary>Flags alone; paths are meant from the working folder.</summary>
    /// <param name="name">What messages call it where a field is missing.</param>
    /// <param name="overrides">As of <see cref="Load"/>.</param>
    public static RunFields Of(string name, IEnumerable<(string Field, string? Text, string Flag)> overrides) => new(name, "", null, Said(overrides)) { Folder = Directory.GetCurrentDirectory() };

    /// <summary>Splits <c>learning_rate.peak=0.001</c>.</summary>
    /// <exception cref="UsageException">It is no name and value.</exception>
    public static (string Field, string? Text, string Flag) ReadOverride(string text)
    {
        int equals = text.IndexOf('=');
        return equals > 0 ? (text[..equals], text[(equals + 1)..], $"--set {text[..equals]}") : throw new UsageException($"--set: expected a field and its value, such as steps=1000, found '{text}'");
    }

    /// <summary>The folder of the file: paths in it are meant from there.</summary>
    public string Folder { get; private init; } = "";

    /// <summary>A path that is meant from the file's folder.</summary>
    public string FullPath(string path) => Path.GetFullPath(path, Folder);

    /// <summary>The same from the working folder, where that is above it: shorter to read.</summary>
    public string ShortPath(string path)
    {
        string full = FullPath(path), relative = Path.GetRelativePath(Directory.GetCurrentDirectory(), full);
        return relative.StartsWith("..", StringComparison.Ordinal) ? full : relative;
    }

    public bool Has(string name) => Find(name) is not null;

    public string? Text(string name) => Find(name) is not JsonElement found ? null : found.ValueKind == JsonValueKind.String && found.GetString() is { Length: > 0 } text ? text
        : throw Wrong(name, "a text that is not empty", found);

    public string RequireText(string name, string what) => Text(name) ?? throw Missing(name, what);

    public int? Int(string name, int least, int most = int.MaxValue)
    {
        if (Find(name) is not JsonElement found) return null;
        return found.ValueKind == JsonValueKind.Number && found.TryGetInt32(out int value) && value >= least && value <= most ? value
            : throw Wrong(name, string.Create(CultureInfo.InvariantCulture, $"a whole number from {least}{(most == int.MaxValue ? "" : $" to {most}")}"), found);
    }

    public ulong? Seed(string name) => Find(name) is not JsonElement found ? null : found.ValueKind == JsonValueKind.Number && found.TryGetUInt64(out ulong value) ? value
        : throw Wrong(name, "a whole number from 0", found);

    public double? Number(string name) => Find(name) is not JsonElement found ? null : found.ValueKind == JsonValueKind.Number && found.TryGetDouble(out double value) && double.IsFinite(value) ? value
        : throw Wrong(name, "a number", found);

    public bool? Flag(string name) => Find(name) is not JsonElement found ? null : found.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(name, "true or false", found),
    };

    /// <summary>One of a few words.</summary>
    public T? Choice<T>(string name, IReadOnlyDictionary<string, T> words) where T : struct
    {
        if (Find(name) is not JsonElement found) return null;
        return found.ValueKind == JsonValueKind.String && words.TryGetValue(found.GetString()!, out T value) ? value : throw Wrong(name, string.Join(", ", words.Keys), found);
    }

    /// <summary>The field as it is, for a reader of its own.</summary>
    public JsonElement? Element(string name) => Find(name);

    /// <summary>The fields of an object.</summary>
    public RunFields? Object(string name)
    {
        string prefix = $"{_prefix}{name}.";
        if (Find(name) is not JsonElement found) return _overrides.Keys.Any(field => field.StartsWith(prefix, StringComparison.Ordinal)) ? new RunFields(_file, prefix, null, _overrides) { Folder = Folder } : null;
        return found.ValueKind == JsonValueKind.Object ? new RunFields(_file, prefix, found, _overrides) { Folder = Folder } : throw Wrong(name, "an object", found);
    }

    /// <summary>A list of things, each a text or an object.</summary>
    public IReadOnlyList<(string? Text, RunFields? Fields)> List(string name)
    {
        if (Find(name) is not JsonElement found) return [];
        if (found.ValueKind == JsonValueKind.String) return [(found.GetString(), null)];
        if (found.ValueKind != JsonValueKind.Array) throw Wrong(name, "a list", found);
        List<(string?, RunFields?)> items = [];
        int number = 0;
        foreach (JsonElement item in found.EnumerateArray())
        {
            string prefix = string.Create(CultureInfo.InvariantCulture, $"{_prefix}{name}[{number++}]");
            items.Add(item.ValueKind switch
            {
                JsonValueKind.String => (item.GetString(), null),
                JsonValueKind.Object => (null, new RunFields(_file, prefix + ".", item, _overrides) { Folder = Folder }),
                _ => throw new UsageException($"{_file}: \"{prefix}\": expected a text or an object, found {item.GetRawText()}"),
            });
        }
        return items;
    }

    /// <summary>Says that all has been read.</summary>
    /// <exception cref="UsageException">There are fields that nobody asked for.</exception>
    public void Finish()
    {
        IEnumerable<(string Name, string Source)> there = (_element is JsonElement element ? element.EnumerateObject().Select(field => (field.Name, $"{_file}: \"{_prefix}{field.Name}\"")) : [])
            .Concat(_overrides.Where(said => said.Key.StartsWith(_prefix, StringComparison.Ordinal)).Select(said => (said.Key[_prefix.Length..].Split('.')[0], said.Value.Flag)));
        foreach ((string name, string source) in there)
        {
            if (_known.Contains(name)) continue;
            throw new UsageException($"{source}: there is no such setting{Spelling.Suggest(name, _known)}; {(_prefix.Length == 0 ? "the settings" : $"those of {_prefix.TrimEnd('.')}")} are {string.Join(", ", _known)}");
        }
    }

    public UsageException Missing(string name, string what) => new($"{_file}: \"{_prefix}{name}\": expected {what}, found no such field");

    public UsageException Wrong(string name, string expected, JsonElement found) => new($"{Source(name)}: expected {expected}, found {found.GetRawText()}");

    /// <summary>Where a field's value was said.</summary>
    public string Source(string name) => _overrides.TryGetValue(_prefix + name, out Override? said) ? said.Flag : $"{_file}: \"{_prefix}{name}\"";

    private JsonElement? Find(string name)
    {
        if (!_known.Contains(name)) _known.Add(name);
        if (_overrides.TryGetValue(_prefix + name, out Override? said)) return said.Value;
        return _element is JsonElement element && element.TryGetProperty(name, out JsonElement found) && found.ValueKind != JsonValueKind.Null ? found : null;
    }

    private static Dictionary<string, Override> Said(IEnumerable<(string Field, string? Text, string Flag)> overrides)
    {
        var said = new Dictionary<string, Override>(StringComparer.Ordinal);
        foreach ((string field, string? text, string flag) in overrides)
            if (text is not null) said[field] = new Override(Parse(text), flag);
        return said;
    }

    /// <summary>What is JSON counts as that, anything else as a text.</summary>
    private static JsonElement Parse(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            using var document = JsonDocument.Parse($"\"{JsonEncodedText.Encode(text)}\"");
            return document.RootElement.Clone();
        }
    }

    private sealed record Override(JsonElement Value, string Flag);
}
