namespace Gemma.Data;

/// <summary>How the documents of a file are written.</summary>
public enum DocumentFormat
{
    /// <summary>Text in UTF-8.</summary>
    Text,

    /// <summary>A JSON object a line.</summary>
    Jsonl,

    /// <summary>A column of text.</summary>
    Parquet,
}

/// <summary>What ends a document in a file of text.</summary>
public enum TextSplit
{
    /// <summary>The end of the file.</summary>
    File,

    /// <summary>An empty line, or several.</summary>
    BlankLine,

    /// <summary>The end of the line.</summary>
    Line,
}

/// <summary>A file of documents; one whose name ends in .gz or .zst is decompressed on the way.</summary>
public sealed record DocumentSource
{
    /// <summary>Standard input, where it stands for a path.</summary>
    public const string StandardInput = "-";

    private static readonly string[] Compressions = [".gz", ".zst"];

    /// <summary>The file, or <see cref="StandardInput"/>.</summary>
    public required string Path { get; init; }

    public DocumentFormat Format { get; init; }

    /// <summary>The field or column that holds the text.</summary>
    public string Field { get; init; } = "text";

    /// <summary>What ends a document of a text.</summary>
    public TextSplit Split { get; init; }

    /// <summary>The format that a file's name tells: .jsonl and .ndjson, .parquet, else text.</summary>
    public static DocumentFormat FormatOf(string path) => Extension(path) switch
    {
        ".jsonl" or ".ndjson" => DocumentFormat.Jsonl,
        ".parquet" => DocumentFormat.Parquet,
        _ => DocumentFormat.Text,
    };

    /// <summary>The files that a path names: itself, or of a folder all below it that are documents by their name, in the order of their names.</summary>
    /// <exception cref="UsageException">There is no such file, or no document in the folder.</exception>
    public static IReadOnlyList<string> Find(string path)
    {
        if (path == StandardInput || File.Exists(path)) return [path];
        if (!Directory.Exists(path)) throw new UsageException($"{path}: no such file; check the path");
        string[] files = [.. Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(IsDocument).Order(StringComparer.Ordinal)];
        return files.Length > 0 ? files : throw new UsageException($"{path}: expected files that end in .txt, .md, .jsonl, .ndjson or .parquet (or these with .gz or .zst), found none; name the files");
    }

    private static bool IsDocument(string path) => Extension(path) is ".txt" or ".md" or ".jsonl" or ".ndjson" or ".parquet";

    private static string Extension(string path)
    {
        string extension = System.IO.Path.GetExtension(path).ToLowerInvariant();
        return Compressions.Contains(extension) ? System.IO.Path.GetExtension(path[..^extension.Length]).ToLowerInvariant() : extension;
    }
}
