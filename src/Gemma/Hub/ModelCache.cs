namespace Gemma.Hub;

/// <summary>
/// Models on this machine, in the layout that huggingface_hub gives its cache, so that every program that uses it shares them:
/// <code>
/// models--org--name/blobs/HASH                      the files, each under the hash of its content
///                   snapshots/COMMIT/config.json    -> ../../blobs/HASH
///                   refs/main                       the commit that the branch stood for
/// .locks/models--org--name/HASH.lock                held by the process that fetches the file
/// </code>
/// </summary>
/// <param name="options">Where the cache is.</param>
public sealed class ModelCache(HubOptions options)
{
    internal const string PartialSuffix = ".incomplete";

    private const string Prefix = "models--";

    // As huggingface_hub writes it, so that backups leave the folder out.
    private const string CacheTag = """
        Signature: 8a477f597d28d172789f06886806bc55
        # This file is a cache directory tag created by huggingface_hub.
        # For information about cache directory tags, see:
        #	https://bford.info/cachedir/

        """;

    public string Folder { get; } = Path.GetFullPath(options.CacheFolder);

    /// <summary>The cache that the environment names.</summary>
    public static ModelCache FromEnvironment() => new(HubOptions.FromEnvironment());

    /// <summary>Every model in the cache, by name.</summary>
    /// <exception cref="GemmaException">A folder cannot be read.</exception>
    public IReadOnlyList<CachedModel> List() => Reading(Folder, () => Directory.Exists(Folder)
        ? Directory.GetDirectories(Folder, Prefix + "*").Select(folder => CachedModel.Scan(folder, RepositoryOf(folder)))
            .OrderBy(model => model.Repository, StringComparer.Ordinal).ToArray()
        : []);

    /// <summary>Turns what a user calls a model into the folder or file to load, without asking the hub.</summary>
    /// <param name="model">A folder, a .gguf or .safetensors file, a hub id, or an alias such as <c>gemma-1.1-2b-it</c>.</param>
    /// <exception cref="UsageException">There is no such file, and it is no model of the hub either; or several files may be meant.</exception>
    /// <exception cref="GemmaException">The model is not in the cache, or only in part; the message says which command fetches it.</exception>
    public string ResolveModel(string model)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        if (Directory.Exists(model) || File.Exists(model)) return model;
        ModelReference? reference = ModelReference.TryParse(model);
        bool named = RemoteName.IsGguf(model) || model.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);
        if (reference is null || (named && reference.File is null))
        {
            throw new UsageException($"{ModelReference.OneLine(model)}: no such file or folder, and no model of the hub; name a folder, a .gguf or "
                + $".safetensors file, a hub id such as google/gemma-1.1-2b-it, or an alias such as gemma-1.1-2b-it{ModelAliases.Suggestion(model)}");
        }
        if (Find(reference, out string? problem) is string path) return path;
        string also = model.Contains('/') ? $", and there is no folder {model}" : "";
        throw new GemmaException($"{reference}: {problem} ({Folder}){also}; fetch it with: gemma pull {reference}");
    }

    /// <summary>The folder or GGUF file of a model, or null where it is not in the cache or not all of it.</summary>
    /// <exception cref="UsageException">Several GGUF files may be meant.</exception>
    public string? Find(ModelReference model) => Find(model, out _);

    /// <summary>
    /// Removes a model, or with <c>org/name@revision</c> one revision of it and those files that no other revision has. Names go first and contents last, so
    /// that nobody finds half a model.
    /// </summary>
    /// <returns>Bytes set free.</returns>
    /// <exception cref="GemmaException">It is not in the cache, another process is fetching it, or a file cannot be deleted.</exception>
    public long Remove(string model)
    {
        var reference = ModelReference.Parse(model);
        string folder = RepositoryFolder(reference.Repository);
        if (!Directory.Exists(folder)) throw new GemmaException($"{reference.Repository}: not in the cache ({Folder}); gemma list shows what is");
        if (reference.File is not null || reference.Variant is not null)
            throw new UsageException($"{reference}: single files of a model are not removed; remove all of it with: gemma rm {reference.Repository}");
        List<IDisposable> locks = [];
        try
        {
            string blobs = Path.Combine(folder, "blobs");
            foreach (string blob in Directory.Exists(blobs) ? Directory.GetFiles(blobs) : [])
            {
                string path = LockPath(reference.Repository, Path.GetFileName(blob).Split('.')[0]);
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                locks.Add(FileLock.TryAcquire(path) ?? throw new GemmaException(
                    $"{reference.Repository}: another process is fetching it; wait for that or stop it, then run: gemma rm {model}"));
            }
            CachedModel cached = CachedModel.Scan(folder, reference.Repository);
            if (!model.Contains('@')) return RemoveAll(cached);
            string? commit = CommitOf(folder, reference.Revision);
            CachedRevision revision = cached.Revisions.FirstOrDefault(revision => revision.Commit == commit) ?? throw new GemmaException(
                $"{reference}: not in the cache, which has {string.Join(", ", cached.Revisions.Select(Describe))}; name one of these");
            return cached.Revisions.Count == 1 ? RemoveAll(cached) : RemoveRevision(cached, revision);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException($"{reference.Repository}: cannot be removed ({failure.Message}); close the programs that use it, check the permissions "
                + $"of {folder}, then run: gemma rm {model}", failure);
        }
        finally
        {
            foreach (IDisposable held in locks) held.Dispose();
        }
    }

    internal string RepositoryFolder(string repository) => Path.Combine(Folder, Prefix + repository.Replace("/", "--", StringComparison.Ordinal));

    internal string BlobPath(string repository, RemoteFile file) => Path.Combine(RepositoryFolder(repository), "blobs", file.Etag);

    internal string LockPath(string repository, string etag) =>
        Path.Combine(Folder, ".locks", Prefix + repository.Replace("/", "--", StringComparison.Ordinal), etag + ".lock");

    internal string PointerPath(RemoteModel model, RemoteFile file) => Path.Combine([SnapshotFolder(model), .. file.Name.Split('/')]);

    /// <summary>Whether a file is here, under its hash or in the snapshot itself.</summary>
    internal bool Holds(RemoteModel model, RemoteFile file) =>
        HasLength(BlobPath(model.Reference.Repository, file), file) || HasLength(PointerPath(model, file), file);

    /// <summary>
    /// Gives the files that were fetched their names: first the weights, config.json after them, and the branch last, so that whoever finds the revision
    /// finds all of it.
    /// </summary>
    /// <param name="model">What is to be seen.</param>
    /// <param name="fetched">Hashes of the blobs that came with this pull: no other revision has them yet.</param>
    /// <param name="notice">Told where links are refused.</param>
    /// <returns>The folder or GGUF file to load.</returns>
    internal string Publish(RemoteModel model, IReadOnlySet<string> fetched, Action<string>? notice)
    {
        string tag = Path.Combine(Folder, "CACHEDIR.TAG");
        if (fetched.Count > 0 && !File.Exists(tag)) WriteWhole(tag, CacheTag);
        var publication = new Publication(this, model, fetched, options.UseSymlinks, notice);
        foreach (RemoteFile file in model.Files.Reverse()) publication.Add(file);
        string revision = model.Reference.Revision;
        if (revision != model.Commit) WriteRef(RepositoryFolder(model.Reference.Repository), revision, model.Commit);
        return Find(model.Reference, out string? problem) ?? throw new GemmaException(
            $"{model.Reference}: {problem}, although the hub lists no more files; check the model at {options.Endpoint}/{model.Reference.Repository}");
    }

    /// <summary>Branches and tags with their commits.</summary>
    internal static IEnumerable<(string Name, string Commit)> Refs(string folder)
    {
        string refs = Path.Combine(folder, "refs");
        return !Directory.Exists(refs) ? [] : CachedModel.Files(new DirectoryInfo(refs)).Where(file => file.Extension != ".tmp")
            .Select(file => (Path.GetRelativePath(refs, file.FullName).Replace(Path.DirectorySeparatorChar, '/'), File.ReadAllText(file.FullName).Trim()));
    }

    /// <summary>Writes a small file so that nobody sees a part of it.</summary>
    internal static void WriteWhole(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string temporary = $"{path}.{Guid.NewGuid().ToString("N")[..8]}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                stream.Write(System.Text.Encoding.UTF8.GetBytes(text));
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private string SnapshotFolder(RemoteModel model) => Path.Combine(RepositoryFolder(model.Reference.Repository), "snapshots", model.Commit);

    private static void WriteRef(string folder, string revision, string commit)
    {
        string path = Path.Combine([folder, "refs", .. revision.Split('/')]);
        if (!File.Exists(path) || File.ReadAllText(path) != commit) WriteWhole(path, commit);
    }

    private static string RepositoryOf(string folder) => Path.GetFileName(folder)[Prefix.Length..].Replace("--", "/", StringComparison.Ordinal);

    private static bool HasLength(string path, RemoteFile file)
    {
        FileInfo content = CachedRevision.Content(new FileInfo(path));
        return content.Exists && content.Length == file.Bytes;
    }

    private static string? CommitOf(string folder, string revision)
    {
        if (ModelReference.IsCommit(revision)) return revision;
        if (Refs(folder).FirstOrDefault(pair => pair.Name == revision).Commit is string commit) return ModelReference.IsCommit(commit) ? commit : null;
        string snapshots = Path.Combine(folder, "snapshots");
        // The first digits of a commit, as git shows them.
        return revision.Length >= 7 && Directory.Exists(snapshots) && Directory.GetDirectories(snapshots).Select(Path.GetFileName)
            .Where(name => name!.StartsWith(revision, StringComparison.Ordinal)).ToArray() is [string only] ? only : null;
    }

    private string? Find(ModelReference model, out string? problem)
    {
        (string? path, problem) = Reading(Folder, () => Look(model));
        return path;
    }

    private (string? Path, string? Problem) Look(ModelReference model)
    {
        string folder = RepositoryFolder(model.Repository);
        if (!Directory.Exists(folder)) return (null, "not in the cache");
        string? commit = CommitOf(folder, model.Revision);
        string snapshot = Path.Combine(folder, "snapshots", commit ?? "");
        if (commit is null || !Directory.Exists(snapshot)) return (null, $"revision {model.Revision} is not in the cache");
        var revision = CachedRevision.Scan(snapshot, Refs(folder).ToLookup(pair => pair.Commit, pair => pair.Name));
        string[] ggufs = RemoteName.Ggufs(revision.Files.Select(file => file.Name)), meant = RemoteName.Meant(model, ggufs);
        bool gguf = model.File is not null || model.Variant is not null;
        if (!gguf && revision.IsFolder && revision.Missing.Count == 0) return (snapshot, null);
        return revision.IsFolder && !gguf ? (null, Incomplete(revision)) : meant switch
        {
            [string one] => (Path.Combine([snapshot, .. one.Split('/')]), null),
            [] when gguf => (null, "this file of it is not in the cache"),
            [] => (null, Incomplete(revision)),
            _ => throw RemoteName.Ambiguous(model, meant),
        };
    }

    private static string Incomplete(CachedRevision revision) =>
        $"only in part in the cache, without {string.Join(", ", revision.Missing.Take(3))}{(revision.Missing.Count > 3 ? ", …" : "")}";

    private static long RemoveAll(CachedModel model)
    {
        long packed = model.Revisions.Sum(RemovePackedElsewhere);
        foreach (string name in (string[])["refs", "snapshots"])
            if (Path.Combine(model.Folder, name) is string folder && Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        Directory.Delete(model.Folder, recursive: true);
        return model.Bytes + packed;
    }

    private static long RemoveRevision(CachedModel model, CachedRevision revision)
    {
        foreach (string name in revision.Refs) File.Delete(Path.Combine([model.Folder, "refs", .. name.Split('/')]));
        string blobs = Path.Combine(model.Folder, "blobs");
        HashSet<string> kept = [.. model.Revisions.Where(other => other.Commit != revision.Commit).SelectMany(BlobsOf)];
        string[] unused = [.. BlobsOf(revision).Where(blob => Path.GetDirectoryName(blob) == blobs && !kept.Contains(blob)).Distinct()];
        long copies = revision.Files.Where(file => new FileInfo(file.Path).LinkTarget is null).Sum(file => file.Bytes);
        long free = copies + unused.Sum(blob => new FileInfo(blob).Length) + RemovePackedElsewhere(revision);
        Directory.Delete(revision.Folder, recursive: true);
        foreach (string blob in unused) File.Delete(blob);
        return free;
    }

    /// <summary>Weights packed from a revision lie in its folder and go with it, or where that could not be written in the user's cache folder.</summary>
    private static long RemovePackedElsewhere(CachedRevision revision) => RemoteName.Ggufs(revision.Files.Select(file => file.Name))
        .Select(name => Path.Combine([revision.Folder, .. name.Split('/')])).Prepend(revision.Folder).Sum(Cpu.WeightCache.RemoveElsewhere);

    private static IEnumerable<string> BlobsOf(CachedRevision revision) =>
        revision.Files.Select(file => File.ResolveLinkTarget(file.Path, returnFinalTarget: true)?.FullName).OfType<string>();

    private static string Describe(CachedRevision revision) =>
        revision.Refs.Count == 0 ? revision.Commit : $"{revision.Commit} ({string.Join(", ", revision.Refs)})";

    private static T Reading<T>(string folder, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException(
                $"{folder}: the cache cannot be read ({failure.Message}); check its permissions, or set HF_HUB_CACHE to another folder", failure);
        }
    }
}
