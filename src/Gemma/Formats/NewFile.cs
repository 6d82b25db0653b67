using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gemma.Formats;

/// <summary>
/// A file that appears under its name whole or not at all. It is written under a temporary name in the same folder, flushed to the disk, then renamed:
/// a reader, a crash or a full disk never meets half of it, and an older file of that name stays until the moment the new one is complete.
/// </summary>
internal sealed partial class NewFile : IDisposable
{
    private readonly string _path;
    private readonly bool _replace;
    private bool _published;

    private NewFile(string path, string temporary, bool replace, SafeFileHandle handle)
    {
        _path = path;
        _replace = replace;
        TemporaryPath = temporary;
        Handle = handle;
    }

    /// <summary>Open for writing at any offset.</summary>
    public SafeFileHandle Handle { get; }

    public string TemporaryPath { get; }

    /// <param name="path">Where it is to appear.</param>
    /// <param name="length">Its size, so that a disk with too little room is told before the first byte.</param>
    /// <param name="replace">Whether a file that is there may be replaced.</param>
    /// <exception cref="GemmaException">The name is taken, the folder is missing, or the disk says no.</exception>
    public static NewFile Create(string path, long length, bool replace)
    {
        string full = Path.GetFullPath(path), folder = Path.GetDirectoryName(full)!, name = Path.GetFileName(full);
        CheckFree(path, replace);
        if (!Directory.Exists(folder)) throw new UsageException($"{path}: there is no folder {folder}; make it, or choose another place");
        return Guard(path, () =>
        {
            SweepLeftovers(folder, name);
            string temporary = Path.Combine(folder, TemporaryName(name));
            SafeFileHandle handle = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.None, length);
            return new NewFile(full, temporary, replace, handle);
        });
    }

    /// <summary>Throws where <paramref name="path"/> is a folder, or a file that may not be replaced.</summary>
    public static void CheckFree(string path, bool replace)
    {
        if (Directory.Exists(path)) throw new UsageException($"{path}: expected the name of a file, found a folder; choose another name");
        if (File.Exists(path) && !replace) throw new UsageException($"{path}: there is such a file already; choose another name, or add --force to replace it");
    }

    /// <summary>Writes a small file whole.</summary>
    public static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        using SafeFileHandle handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, bytes.Length);
        RandomAccess.Write(handle, bytes, 0);
        RandomAccess.FlushToDisk(handle);
    }

    /// <summary>Gives the file its name. What was written is on the disk before the name points to it.</summary>
    public void Publish() => Guard(_path, () =>
    {
        RandomAccess.FlushToDisk(Handle);
        Handle.Dispose();
        File.Move(TemporaryPath, _path, _replace);
        _published = true;
        FlushFolder(Path.GetDirectoryName(_path)!);
        return true;
    });

    public void Dispose()
    {
        Handle.Dispose();
        if (!_published) File.Delete(TemporaryPath);
    }

    /// <summary>Runs what touches the disk; its refusals become one line.</summary>
    public static T Guard<T>(string path, Func<T> action)
    {
        try
        {
            return action();
        }
        // The last is what the runtime makes of a file that is larger than its file system, or the user's limit, allows (EFBIG).
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" })
        {
            throw new GemmaException($"{path}: cannot be written ({failure.Message}); check the folder, its permissions and the room on the disk", failure);
        }
    }

    /// <summary>A name beside the final one that no other writer has, and that a later one recognises as a leftover.</summary>
    public static string TemporaryName(string name) => FormattableString.Invariant($".{name}.{Guid.NewGuid():N}.tmp");

    /// <summary>All temporary names of <paramref name="name"/>, for a search.</summary>
    public static string TemporaryPattern(string name) => $".{name}.*.tmp";

    /// <summary>
    /// Brings a folder's entries to the disk, so that a name that was given outlives a loss of power. Systems that do not open folders keep their entries in a
    /// journal of their own.
    /// </summary>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        int handle = Open(folder, 0); // O_RDONLY
        if (handle < 0) return; // a folder that may be written but not read: the name is there, only not yet on the disk
        _ = Flush(handle); // some file systems refuse it for folders
        _ = Close(handle);
    }

    /// <summary>Whether some process is at work on a file that will have this name.</summary>
    public static bool IsBeingWritten(string path)
    {
        string full = Path.GetFullPath(path), folder = Path.GetDirectoryName(full)!;
        return Directory.Exists(folder) && Directory.GetFiles(folder, TemporaryPattern(Path.GetFileName(full))).Any(file => File.Exists(file) && !IsAbandoned(file));
    }

    /// <summary>Whether a file that a writer keeps open for itself alone is open no more: its process was killed.</summary>
    public static bool IsAbandoned(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return false; // in use, or gone, or not ours
        }
    }

    /// <summary>A process that was killed leaves its temporary file, perhaps many gigabytes.</summary>
    private static void SweepLeftovers(string folder, string name)
    {
        foreach (string leftover in Directory.GetFiles(folder, TemporaryPattern(name)))
            if (IsAbandoned(leftover)) File.Delete(leftover);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Flush(int handle);

    [LibraryImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int handle);
}
