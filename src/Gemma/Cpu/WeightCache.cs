using Gemma.Formats;

namespace Gemma.Cpu;

/// <summary>
/// Packed weights that are kept in a file from one start to the next: beside the model, or where that folder cannot be written in the user's cache folder.
/// It costs disk, never a load: whatever goes wrong is told, and the weights are packed in memory.
/// </summary>
/// <remarks>
/// What is kept is used only for the very weights it was packed from. A file is known by its length, inode, and times of modification and change (which no program
/// can set) or else by the checksum of all its content. It is packed anew where <see cref="PackedWeights.Version"/> is another.
/// </remarks>
internal sealed unsafe class WeightCache(ModelFiles files, WeightType type, WeightType? head, Action<string>? notice) : IDisposable
{
    /// <summary>Smaller weights are packed in less time than it takes to look for a file.</summary>
    public const long Smallest = 64 << 20;

    // What a disk must have left for whatever else it is there for.
    private const long Reserve = 2L << 30;

    /// <summary>How the names of such files end.</summary>
    public const string Suffix = ".packed";

    private readonly IReadOnlyList<MappedFile> _sources = files.WeightFiles;
    private PackedWeightsWriter? _writer;
    private UInt128[]? _before;
    private string _path = "";
    private long _bytes;

    /// <summary>Where packed weights of a model may be, best place first.</summary>
    /// <param name="model">Folder or file.</param>
    /// <param name="type">How they are packed.</param>
    /// <param name="head">How the embedding is, where that was asked for by itself.</param>
    /// <param name="elsewhere">The folder for those that cannot lie beside it.</param>
    public static string[] Places(string model, WeightType type, WeightType? head, string elsewhere)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(model)), kind = head is null ? $"{type}" : $"{type}-{head}", suffix = $".{kind.ToLowerInvariant()}{Suffix}";
        string mark = Checksum.Of(System.Text.Encoding.UTF8.GetBytes(full)).ToString("x32", null);
        return [Directory.Exists(full) ? Path.Combine(full, "model" + suffix) : full + suffix, Path.Combine(elsewhere, $"{Path.GetFileName(full)}-{mark}{suffix}")];
    }

    /// <summary>The files there are for a model, of all types.</summary>
    public static IReadOnlyList<FileInfo> Of(string model) =>
        [.. from type in Enum.GetValues<WeightType>()
            from head in Enum.GetValues<WeightType>().Select(head => (WeightType?)head).Prepend(null)
            from path in Places(model, type, head, UserFolder)
            where File.Exists(path)
            select new FileInfo(path)];

    /// <summary>Removes what was packed from a model, of all types.</summary>
    /// <returns>Bytes set free.</returns>
    public static long Remove(string model) => Remove(Of(model));

    /// <summary>Removes what was packed from a model and does not lie beside it.</summary>
    /// <returns>Bytes set free.</returns>
    public static long RemoveElsewhere(string model) => Remove(Of(model).Where(file => file.DirectoryName == UserFolder));

    /// <summary>Where packed weights of models go whose own folder cannot be written.</summary>
    public static string UserFolder
    {
        get
        {
            // The specification of XDG: a path that is not absolute is to be ignored.
            string caches = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg && Path.IsPathRooted(xdg) ? xdg
                : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
            return Path.Combine(caches, "gemma", "packed");
        }
    }

    /// <summary>Where packed weights go that cannot lie beside their model.</summary>
    public string Elsewhere { get; init; } = UserFolder;

    /// <summary>Tells how much room a folder's disk has.</summary>
    public Func<string, long> FreeBytes { get; init; } = folder => new DriveInfo(folder).AvailableFreeSpace;

    /// <summary>What was kept of these weights, or null.</summary>
    public PackedWeightsFile? Open(ThreadTeam team)
    {
        foreach (string path in Places(files.Path, type, head, Elsewhere))
        {
            (PackedWeightsFile? file, string? problem) = PackedWeightsFile.Open(path, _sources, team);
            if (file is not null) return file;
            if (problem is not null) notice?.Invoke($"{path}: not used, because {problem}; the weights are packed again");
        }
        return null;
    }

    /// <summary>Tells whoever listens.</summary>
    public void Tell(string note) => notice?.Invoke(note);

    /// <summary>Says that weights are about to be packed which are worth keeping.</summary>
    /// <param name="sections">Matrices and gains.</param>
    /// <param name="bytes">Their bytes.</param>
    /// <param name="team">Threads that check the model's files.</param>
    public void Begin(int sections, long bytes, ThreadTeam team)
    {
        _bytes = PackedWeightsWriter.Room(sections, bytes);
        List<string> refusals = [];
        foreach (string path in Places(files.Path, type, head, Elsewhere))
        {
            string? refusal = Try(path);
            if (_writer is not null)
            {
                // Where the time of a change during packing could be that of the one before, the content is to be compared.
                if (_sources.Any(file => !file.Identity!.Value.IsCertain || !file.Identity.Value.HasSettled(DateTime.UtcNow))) _before = Sums(team);
                return;
            }
            refusals.Add(refusal!);
        }
        notice?.Invoke($"packed weights are not kept: {string.Join("; ", refusals.Distinct())}");
    }

    public void Add(WeightType? type, int rows, int columns, byte* bytes, ThreadTeam team) => Guard(() => _writer!.Add(type, rows, columns, bytes, team));

    /// <summary>All has been added.</summary>
    public void Complete(ThreadTeam team) => Guard(() =>
    {
        UInt128[] sums = Sums(team);
        if (_sources.Any(file => FileIdentity.Of(file.Path) != file.Identity) || (_before is not null && !_before.SequenceEqual(sums)))
            throw new IOException("the model's files change meanwhile");
        PackedSource[] sources = [.. _sources.Zip(sums, (file, sum) => new PackedSource(PackedWeightsWriter.Trusted(file.Identity!.Value), sum))];
        _writer!.Publish([.. sources]);
        notice?.Invoke(FormattableString.Invariant($"{_path}: packed weights are kept here, {_bytes / 1e9:0.00} GB, for the next start"));
    });

    public void Dispose() => _writer?.Dispose();

    private static long Remove(IEnumerable<FileInfo> files)
    {
        long bytes = 0;
        foreach (FileInfo file in files)
        {
            bytes += file.Length;
            file.Delete();
        }
        return bytes;
    }

    private UInt128[] Sums(ThreadTeam team) => [.. _sources.Select(file => PackedWeightsFile.Sum(file, team))];

    private string? Try(string path)
    {
        try
        {
            string folder = Path.GetDirectoryName(path)!;
            if (folder == Elsewhere) Directory.CreateDirectory(folder);
            if (NewFile.IsBeingWritten(path)) return $"{path}: another process is at it";
            long free = FreeBytes(folder);
            if (free - _bytes < Reserve)
                return FormattableString.Invariant($"{folder}: {_bytes / 1e9:0.00} GB of {free / 1e9:0.00} GB free would leave less than {Reserve / 1e9:0.00} GB");
            _writer = PackedWeightsWriter.Create(path, _bytes);
            _path = path;
            return null;
        }
        catch (Exception failure) when (failure is GemmaException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return failure.Message;
        }
    }

    /// <summary>A disk that says no in the midst of it ends the keeping, not the load.</summary>
    private void Guard(Action action)
    {
        if (_writer is null) return;
        try
        {
            action();
        }
        catch (Exception failure) when (failure is GemmaException or IOException or UnauthorizedAccessException)
        {
            _writer.Dispose();
            _writer = null;
            notice?.Invoke($"{_path}: packed weights are not kept ({failure.Message})");
        }
    }
}
