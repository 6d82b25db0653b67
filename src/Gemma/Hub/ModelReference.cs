using System.Text.RegularExpressions;

namespace Gemma.Hub;

/// <summary>
/// A model on the hub as a user writes it: <c>org/name</c>, with a revision behind an @ (<c>org/name@v1</c>), and for repositories that hold several GGUF
/// files the one meant, by its path (<c>org/name/file.gguf</c>) or a part of its name (<c>org/name:Q8_0</c>).
/// </summary>
public sealed partial record ModelReference
{
    public const string DefaultRevision = "main";

    private ModelReference(string repository) => Repository = repository;

    /// <summary>"org/name".</summary>
    public string Repository { get; }

    /// <summary>Branch, tag or commit.</summary>
    public string Revision { get; private init; } = DefaultRevision;

    /// <summary>Path of a GGUF file in the repository.</summary>
    public string? File { get; private init; }

    /// <summary>What the name of the GGUF file holds, such as "Q8_0".</summary>
    public string? Variant { get; private init; }

    /// <summary>Reads a hub id or an alias of <see cref="ModelAliases"/>.</summary>
    /// <exception cref="UsageException">It is neither.</exception>
    public static ModelReference Parse(string text)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        return TryParse(text) ?? throw new UsageException(
            $"{OneLine(text)}: expected a model of the hub such as google/gemma-1.1-2b-it, or an alias such as gemma-1.1-2b-it{ModelAliases.Suggestion(text)}");
    }

    /// <summary>Null where the text is neither a hub id nor an alias.</summary>
    public static ModelReference? TryParse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        (text, string? revision) = Cut(text, '@');
        // Neither ids nor git references can hold a colon, so what follows one is the choice of a file.
        (text, string? variant) = Cut(text, ':');
        if (revision is not null && variant is null) (revision, variant) = Cut(revision, ':');
        string[] parts = (ModelAliases.Find(text) ?? text).Split('/', 3);
        if (parts.Length < 2 || !IsRepository($"{parts[0]}/{parts[1]}")) return null;
        if (revision is not null && !IsRevision(revision)) return null;
        if (variant is not null && (parts.Length > 2 || !VariantPattern().IsMatch(variant))) return null;
        if (parts.Length > 2 && !(RemoteName.IsSafe(parts[2]) && RemoteName.IsGguf(parts[2]))) return null;
        return new ModelReference($"{parts[0]}/{parts[1]}")
        {
            Revision = revision ?? DefaultRevision,
            File = parts.Length > 2 ? parts[2] : null,
            Variant = variant,
        };
    }

    /// <summary>As <see cref="Parse"/> reads it.</summary>
    public override string ToString() =>
        $"{Repository}{(File is null ? "" : $"/{File}")}{(Variant is null ? "" : $":{Variant}")}{(Revision == DefaultRevision ? "" : $"@{Revision}")}";

    /// <summary>The rules of the hub; "--" stands for the slash in names of folders.</summary>
    internal static bool IsRepository(string id) =>
        id.Length <= 96 && RepositoryPattern().IsMatch(id) && !id.Contains("--", StringComparison.Ordinal) && !id.Contains("..", StringComparison.Ordinal);

    /// <summary>What git allows as a reference, as far as it is also safe as a path below the refs folder.</summary>
    internal static bool IsRevision(string revision) => revision.Length <= 200 && RevisionPattern().IsMatch(revision)
        && !revision.Contains("..", StringComparison.Ordinal) && !revision.EndsWith(".lock", StringComparison.Ordinal) && !revision.EndsWith('.');

    /// <summary>A whole commit id: 40 hexadecimal digits.</summary>
    internal static bool IsCommit(string revision) => CommitPattern().IsMatch(revision);

    internal static string OneLine(string text) => new([.. text.Take(200).Select(c => char.IsControl(c) ? ' ' : c)]);

    private static (string Head, string? Tail) Cut(string text, char separator)
    {
        int at = text.IndexOf(separator);
        return at < 0 ? (text, null) : (text[..at], text[(at + 1)..]);
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?/[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\z")]
    private static partial Regex RepositoryPattern();

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9._+-]*(/[A-Za-z0-9_][A-Za-z0-9._+-]*)*\z")]
    private static partial Regex RevisionPattern();

    [GeneratedRegex(@"\A[A-Za-z0-9._-]+\z")]
    private static partial Regex VariantPattern();

    [GeneratedRegex(@"\A[0-9a-f]{40}\z")]
    private static partial Regex CommitPattern();
}
