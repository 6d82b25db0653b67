using System.Text.Json;

namespace Gemma.Cli;

/// <summary>What the settings file and the environment say. A flag goes over the environment, the environment over the file.</summary>
internal sealed class Settings
{
    public const string FileName = "settings.json";

    private static readonly JsonDocumentOptions Lenient = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, AllowDuplicateProperties = false, MaxDepth = 8 };

    private readonly Dictionary<Setting, string> _file = [];
    private readonly Func<string, string?> _variable;

    private Settings(string path, Func<string, string?> variable)
    {
        Path = path;
        _variable = variable;
    }

    /// <summary>Where the file is, or would be.</summary>
    public string Path { get; }

    public bool FileExists { get; private init; }

    /// <summary>Reads the file where there is one. Each value is checked when it is read, also one that a flag will go over.</summary>
    /// <param name="variable">Looks up an environment variable; that of the process if null.</param>
    /// <exception cref="UsageException">The file cannot be read, names an unknown field, or holds a value that is none.</exception>
    public static Settings Load(Func<string, string?>? variable = null)
    {
        variable ??= Environment.GetEnvironmentVariable;
        string path = FindPath(variable);
        byte[] json;
        try
        {
            json = File.ReadAllBytes(path);
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            return new Settings(path, variable);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{path}: the settings cannot be read ({failure.Message}); correct its permissions, or remove it");
        }
        var settings = new Settings(path, variable) { FileExists = true };
        settings.Read(json);
        return settings;
    }

    /// <summary>What the flag says, else the environment, else the file, as it was written, and where; null where none says anything.</summary>
    public (string Text, string Source)? Locate(Setting setting, string? flag)
    {
        if (flag is not null) return (flag, setting.Flag.Name);
        // A variable that is empty counts as not set.
        if (_variable(setting.Variable) is { Length: > 0 } variable) return (variable, setting.Variable);
        return _file.TryGetValue(setting, out string? text) ? (text, $"{Path}: \"{setting.Name}\"") : null;
    }

    private void Read(byte[] json)
    {
        try
        {
            using var document = JsonDocument.Parse(json.AsSpan().StartsWith("\uFEFF"u8) ? json.AsMemory(3) : json, Lenient);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new UsageException($"{Path}: expected a JSON object such as {{\"temperature\": 0.7}}, found a JSON {document.RootElement.ValueKind}; correct or remove it");
            foreach (JsonProperty field in document.RootElement.EnumerateObject()) Add(field);
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            throw new UsageException($"{Path}: expected JSON, found a mistake ({failure.Message}); correct or remove it");
        }
    }

    private void Add(JsonProperty field)
    {
        Setting setting = Setting.All.FirstOrDefault(setting => setting.Name == field.Name)
            ?? throw new UsageException($"{Path}: there is no setting \"{field.Name}\"{Spelling.Suggest(field.Name, Setting.All.Select(setting => setting.Name))}; the settings are "
                + string.Join(", ", Setting.All.Select(setting => setting.Name)));
        if (field.Value.ValueKind != (setting.IsNumber ? JsonValueKind.Number : JsonValueKind.String))
            throw new UsageException($"{Path}: \"{field.Name}\": expected a {(setting.IsNumber ? "number" : "string")}, found {field.Value.GetRawText()}");
        string text = setting.IsNumber ? field.Value.GetRawText() : field.Value.GetString()!;
        setting.Check(text, $"{Path}: \"{field.Name}\"");
        _file.Add(setting, text);
    }

    /// <summary>The XDG base directories, which other systems' users set too; on Windows the roaming folder.</summary>
    private static string FindPath(Func<string, string?> variable)
    {
        // The specification: a path that is not absolute is to be ignored.
        string folder = variable("XDG_CONFIG_HOME") is { Length: > 0 } xdg && System.IO.Path.IsPathRooted(xdg) ? xdg
            : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData)
            : System.IO.Path.Combine(variable("HOME") is { Length: > 0 } home ? home : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".config");
        return System.IO.Path.Combine(folder, "gemma", FileName);
    }
}
