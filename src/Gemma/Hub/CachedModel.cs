using Gemma.Formats;

namespace Gemma.Hub;

/// <summary>A model in the cache, with every revision of it that is there.</summary>
public sealed record CachedModel
{
    /// <summary>"org/name".</summary>
    public required string Repository { get; init; }

    public required string Folder { get; init; }

    /// <summary>The latest first.</summary>
    public required IReadOnlyList<CachedRevision> Revisions { get; init; }

    /// <summary>What it takes on the disk: files that several revisions share count once; downloads that have not ended count too.</summary>
    public required long Bytes { get; init; }

    /// <summary>Those of <see cref="Bytes"/> that belong to downloads that have not ended.</summary>
    public required long PartialBytes { get; init; }

    public required DateTime LastModifiedUtc { get; init; }

    /// <summary>Reads a folder such as <c>models--org--name</c>. Links are looked at, never gone into.</summary>
    internal static CachedModel Scan(string folder, string repository)
    {
        string snapshots = Path.Combine(folder, "snapshots");
        ILookup<string, string> refs = ModelCache.Refs(folder).ToLookup(pair => pair.Commit, pair => pair.Name);
        string[] commits = Directory.Exists(snapshots) ? Directory.GetDirectories(snapshots) : [];
        FileInfo[] files = [.. Files(new DirectoryInfo(folder)).Where(file => file.LinkTarget is null)];
        CachedRevision[] revisions = [.. commits.Select(commit => CachedRevision.Scan(commit, refs)).OrderByDescending(revision => revision.LastModifiedUtc)];
        return new CachedModel
        {
            Repository = repository,
            Folder = folder,
            Revisions = revisions,
            Bytes = files.Sum(file => file.Length),
            PartialBytes = files.Where(file => file.Name.EndsWith(ModelCache.PartialSuffix, StringComparison.Ordinal)).Sum(file => file.Length),
            LastModifiedUtc = revisions.Length > 0 ? revisions[0].LastModifiedUtc : Directory.GetLastWriteTimeUtc(folder),
        };
    }

    /// <summary>Every file below a folder, links to files among them; links to folders are left alone.</summary>
    internal static IEnumerable<FileInfo> Files(DirectoryInfo folder)
    {
        foreach (FileSystemInfo entry in folder.EnumerateFileSystemInfos())
        {
            if (entry is FileInfo file) yield return file;
            else if (entry is DirectoryInfo { LinkTarget: null } inner)
                foreach (FileInfo below in Files(inner)) yield return below;
        }
    }
}

/// <summary>One revision of a model in the cache.</summary>
public sealed record CachedRevision
{
    public required string Commit { get; init; }

    /// <summary>Branches and tags that stand for this commit, as far as the cache knows.</summary>
    public required IReadOnlyList<string> Refs { get; init; }

    /// <summary>The folder to load the model from.</summary>
    public required string Folder { get; init; }

    public required IReadOnlyList<CachedFile> Files { get; init; }

    /// <summary>Whether the weights are safetensors, so that the folder is the model; else a GGUF file of it is.</summary>
    internal bool IsFolder => Files.Any(file => file.Name is Safetensors.FileName or Safetensors.IndexName);

    /// <summary>Files that the model needs and that are not here; none where it can be loaded.</summary>
    public required IReadOnlyList<string> Missing { get; init; }

    /// <summary>What its files take, with the weights that were packed from them.</summary>
    public long Bytes => Files.Sum(file => file.Bytes);

    /// <summary>Those of <see cref="Bytes"/> that are packed weights, kept for the next start.</summary>
    public long PackedBytes => Files.Where(file => IsPacked(file.Name)).Sum(file => file.Bytes);

    public required DateTime LastModifiedUtc { get; init; }

    internal static CachedRevision Scan(string folder, ILookup<string, string> refs)
    {
        string commit = Path.GetFileName(folder);
        List<CachedFile> files = [];
        List<string> dangling = [];
        DateTime latest = default;
        foreach (FileInfo entry in CachedModel.Files(new DirectoryInfo(folder)))
        {
            string name = Path.GetRelativePath(folder, entry.FullName).Replace(Path.DirectorySeparatorChar, '/');
            FileInfo content = Content(entry);
            if (!content.Exists)
            {
                dangling.Add(name);
                continue;
            }
            files.Add(new CachedFile(name, entry.FullName, content.Length));
            if (content.LastWriteTimeUtc > latest && !IsPacked(name)) latest = content.LastWriteTimeUtc;
        }
        return new CachedRevision
        {
            Commit = commit,
            Refs = [.. refs[commit].Order(StringComparer.Ordinal)],
            Folder = folder,
            Files = [.. files.OrderBy(file => file.Name, StringComparer.Ordinal)],
            Missing = [.. MissingFrom(folder, [.. files.Select(file => file.Name)], dangling).Distinct().Order(StringComparer.Ordinal)],
            LastModifiedUtc = files.Count > 0 ? latest : Directory.GetLastWriteTimeUtc(folder),
        };
    }

    private static bool IsPacked(string name) => name.EndsWith(Cpu.WeightCache.Suffix, StringComparison.Ordinal);

    /// <summary>The file that a name in a snapshot stands for. Of a link that leads nowhere .NET says that it exists; of this it does not.</summary>
    internal static FileInfo Content(FileInfo entry) => entry.LinkTarget is null ? entry : (FileInfo)entry.ResolveLinkTarget(returnFinalTarget: true)!;

    /// <summary>Of the files that the model needs, those that are not here: a pull may have been interrupted, a blob deleted.</summary>
    private static IEnumerable<string> MissingFrom(string folder, HashSet<string> names, List<string> dangling)
    {
        string[] all = [.. names, .. dangling];
        if (RemoteName.Ggufs(all).Length > 0 && !all.Contains(Safetensors.IndexName) && !all.Contains(Safetensors.FileName)) return RemoteName.Ggufs(dangling);
        string[] shards = names.Contains(Safetensors.IndexName) ? Shards(Path.Combine(folder, Safetensors.IndexName)) : [Safetensors.FileName];
        return shards.Prepend("config.json").Where(name => !names.Contains(name)).Concat(dangling.Where(RemoteName.IsCompanion));
    }

    private static string[] Shards(string index) => JsonFields.Load(index, fields =>
        fields.Object("weight_map") is JsonFields map ? map.All.Select(entry => map.String(entry.Name) ?? "").Distinct().ToArray() : []);
}

/// <summary>A file of a model in the cache.</summary>
/// <param name="Name">Its path in the repository, with slashes.</param>
/// <param name="Path">Where it is.</param>
/// <param name="Bytes">Its size.</param>
public sealed record CachedFile(string Name, string Path, long Bytes);
