using System.Text.RegularExpressions;
using Gemma.Formats;

namespace Gemma.Hub;

/// <summary>Names of files as a hub lists them: which of them a model needs, and which must never become a path on this machine.</summary>
internal static partial class RemoteName
{
    private static readonly string[] Companions =
        ["config.json", "generation_config.json", "tokenizer.model", "tokenizer_config.json", HuggingFaceChatTemplate.FileName];

    /// <summary>A small file that the model needs beside its weights.</summary>
    public static bool IsCompanion(string name) => Companions.Contains(name);

    public static bool IsGguf(string name) => name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);

    /// <summary>
    /// Whether a name is a relative path that stays below the folder it is put in, on every system: no step up, no root, no drive, no backslash, nothing that
    /// Windows reads as something else.
    /// </summary>
    public static bool IsSafe(string name) => name.Length is > 0 and <= 1024 && name.Split('/').All(IsSafePart);

    private static bool IsSafePart(string part) => part.Length is > 0 and <= 255 && part is not ("." or "..") && part[^1] is not (' ' or '.')
        && !part.Any(c => char.IsControl(c) || char.IsSurrogate(c) || c is '\\' or ':' or '<' or '>' or '"' or '|' or '?' or '*') && !IsDevice(part);

    /// <summary>Windows reads CON, NUL and the like as devices, whatever follows the first dot.</summary>
    private static bool IsDevice(string part)
    {
        string stem = part.Split('.')[0].TrimEnd().ToUpperInvariant();
        return stem is "CON" or "PRN" or "AUX" or "NUL" || (stem.Length == 4 && stem[..3] is "COM" or "LPT" && char.IsDigit(stem[3]));
    }

    /// <summary>
    /// The files of a repository that make up the model: configuration, tokenizer and safetensors, or the one GGUF file that is meant. The weights come last.
    /// </summary>
    /// <exception cref="UsageException">There is no such file, or several might be meant; the message lists them.</exception>
    /// <exception cref="BadFileException">The list holds a name that would be written outside its folder.</exception>
    public static string[] Select(ModelReference model, IReadOnlyCollection<string> names, string source)
    {
        foreach (string name in names.Where(name => IsWanted(name) && !IsSafe(name)))
        {
            throw new BadFileException(source, null, "names of files below one folder", $"\"{ModelReference.OneLine(name)}\"",
                "nothing was fetched: this repository or hub is not to be trusted");
        }
        if (model.File is not null || model.Variant is not null) return [SelectGguf(model, names)];
        string[] weights = SelectSafetensors(names);
        if (weights.Length == 0) return [SelectGguf(model, names)];
        return [.. Companions.Where(names.Contains), .. weights];
    }

    private static bool IsWanted(string name) =>
        IsGguf(name) || name.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)
        || Companions.Append(Safetensors.IndexName).Any(wanted => name.EndsWith(wanted, StringComparison.Ordinal));

    private static string[] SelectSafetensors(IReadOnlyCollection<string> names)
    {
        if (names.Contains(Safetensors.IndexName))
        {
            return [Safetensors.IndexName, .. names.Where(name => name.StartsWith("model-", StringComparison.Ordinal)
                && name.EndsWith(".safetensors", StringComparison.Ordinal) && !name.Contains('/')).Order(StringComparer.Ordinal)];
        }
        return names.Contains(Safetensors.FileName) ? [Safetensors.FileName] : [];
    }

    /// <summary>
    /// The GGUF models among the files, those that can be loaded first. Projectors of vision models lie beside the models and are none; of a model in parts
    /// the first part stands for all.
    /// </summary>
    public static string[] Ggufs(IEnumerable<string> names) =>
        [.. names.Where(name => IsGguf(name) && !name[(name.LastIndexOf('/') + 1)..].StartsWith("mmproj", StringComparison.OrdinalIgnoreCase)
            && (!Part().IsMatch(name) || IsFirstPart(name))).OrderBy(IsFirstPart).ThenBy(name => name, StringComparer.Ordinal)];

    [GeneratedRegex(@"-\d{5}-of-\d{5}\.gguf\z", RegexOptions.IgnoreCase)]
    private static partial Regex Part();

    private static bool IsFirstPart(string name) => Part().IsMatch(name) && name.Contains("-00001-of-", StringComparison.Ordinal);

    /// <summary>Those of the GGUF models that a reference may mean: all of them if it names none.</summary>
    public static string[] Meant(ModelReference model, string[] ggufs) => model.File is string file ? [.. ggufs.Where(name => name == file)]
        : model.Variant is string variant ? [.. ggufs.Where(name => HasPart(name, variant))]
        : ggufs;

    public static UsageException Ambiguous(ModelReference model, string[] ggufs) =>
        new($"{model}: which one? There are {string.Join(", ", ggufs)}; name it, such as {model.Repository}/{ggufs[0]}");

    private static string SelectGguf(ModelReference model, IReadOnlyCollection<string> names)
    {
        string[] all = Ggufs(names);
        return Meant(model, all) switch
        {
            [string one] when IsFirstPart(one) =>
                throw new UsageException($"{model}: {one} is one part of several, which cannot be loaded; choose a model in one file, or join the parts first"),
            [string one] => one,
            [] when all.Length > 0 => throw new UsageException(
                $"{model}: the repository has no such GGUF file; it has {string.Join(", ", all)}; name one, such as {model.Repository}/{all[0]}"),
            [] => throw new UsageException(
                $"{model}: expected {Safetensors.FileName} or a .gguf file, found {Others(names)}; choose a repository that holds weights in these formats"),
            string[] several => throw Ambiguous(model, several),
        };
    }

    private static string Others(IReadOnlyCollection<string> names) =>
        names.Count == 0
            ? "no files"
            : string.Join(", ", names.Order(StringComparer.Ordinal).Take(8).Select(ModelReference.OneLine)) + (names.Count > 8 ? ", …" : "");

    /// <summary>Whether the name holds the part between signs, so that Q4_K does not find Q4_K_M while both are there to be named.</summary>
    private static bool HasPart(string name, string part)
    {
        for (int at = 0; (at = name.IndexOf(part, at, StringComparison.OrdinalIgnoreCase)) >= 0; at++)
        {
            bool starts = at == 0 || name[at - 1] is '-' or '.' or '/', ends = at + part.Length == name.Length || name[at + part.Length] is '-' or '.' or '/';
            if (starts && ends) return true;
        }
        return false;
    }
}
