using System.Runtime.InteropServices;

namespace Gemma.Formats;

/// <summary>
/// A folder that appears under its name whole or not at all, as <see cref="NewFile"/> does. Replacing a folder swaps the two names in one step where the
/// system can (Linux); elsewhere there is a moment in which only the temporary names exist, and nothing is deleted before the new folder has its name.
/// </summary>
internal sealed partial class NewFolder : IDisposable
{
    // A file beside the folder, there before it and held open until it is gone or has its name: how another process tells work from a leftover.
    private const string LockSuffix = ".lock";

    private readonly string _path;
    private readonly FileStream _lock;
    private bool _published;

    private NewFolder(string path, string temporary)
    {
        _path = path;
        TemporaryPath = temporary;
        _lock = new FileStream(temporary + LockSuffix, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose);
        Directory.CreateDirectory(temporary);
    }

    /// <summary>Where the files are written.</summary>
    public string TemporaryPath { get; }

    /// <param name="path">Where it is to appear.</param>
    /// <param name="replace">Whether a folder that is there may be replaced.</param>
    /// <param name="isOurs">Which files a folder may hold to be replaced: nothing that this program would not write is ever deleted.</param>
    /// <exception cref="GemmaException">The name is taken, the folder above is missing, or the disk says no.</exception>
    public static NewFolder Create(string path, bool replace, Func<string, bool> isOurs)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)), name = Path.GetFileName(full);
        if (Path.GetDirectoryName(full) is not string parent) throw new UsageException($"{path}: expected the name of a new folder, found the root; choose another name");
        CheckFree(path, replace, isOurs);
        if (!Directory.Exists(parent)) throw new UsageException($"{path}: there is no folder {parent}; make it, or choose another place");
        return NewFile.Guard(path, () =>
        {
            SweepLeftovers(parent, name);
            return new NewFolder(full, Path.Combine(parent, NewFile.TemporaryName(name)));
        });
    }

    /// <summary>Throws where <paramref name="path"/> is a file, or a folder that may not be replaced.</summary>
    public static void CheckFree(string path, bool replace, Func<string, bool> isOurs)
    {
        if (File.Exists(path)) throw new UsageException($"{path}: expected the name of a new folder, found a file; choose another name");
        if (!Directory.Exists(path)) return;
        string[] entries = Directory.GetFileSystemEntries(path);
        if (entries.Length > 0 && !replace) throw new UsageException($"{path}: there is such a folder already; choose another name, or add --force to replace it");
        if (entries.FirstOrDefault(entry => Directory.Exists(entry) || !isOurs(Path.GetFileName(entry))) is string foreign)
        {
            throw new UsageException(
                $"{path}: expected a folder that holds a model and nothing else, found {Path.GetFileName(foreign)}; choose another name, or remove the folder yourself");
        }
    }

    /// <summary>Gives the folder its name. Its files must be flushed to the disk by whoever wrote them.</summary>
    public void Publish() => NewFile.Guard(_path, () =>
    {
        if (Directory.Exists(_path) && Directory.EnumerateFileSystemEntries(_path).Any()) Replace();
        else
        {
            if (Directory.Exists(_path)) Directory.Delete(_path);
            Directory.Move(TemporaryPath, _path);
        }
        _published = true;
        NewFile.FlushFolder(Path.GetDirectoryName(_path)!);
        return true;
    });

    public void Dispose()
    {
        if (!_published) Directory.Delete(TemporaryPath, recursive: true);
        _lock.Dispose();
    }

    private void Replace()
    {
        if (!TryExchange(TemporaryPath, _path))
        {
            string old = TemporaryPath + ".old";
            Directory.Move(_path, old);
            Directory.Move(TemporaryPath, _path);
            Directory.Delete(old, recursive: true);
            return;
        }
        Directory.Delete(TemporaryPath, recursive: true); // now the old one
    }

    private static void SweepLeftovers(string parent, string name)
    {
        foreach (string held in Directory.GetFiles(parent, NewFile.TemporaryPattern(name) + LockSuffix))
        {
            if (!NewFile.IsAbandoned(held)) continue;
            string leftover = held[..^LockSuffix.Length];
            if (Directory.Exists(leftover)) Directory.Delete(leftover, recursive: true);
            File.Delete(held);
        }
    }

    private static bool TryExchange(string left, string right)
    {
        const int CurrentFolder = -100; // AT_FDCWD
        const uint Exchange = 2;        // RENAME_EXCHANGE
        if (!OperatingSystem.IsLinux()) return false;
        try
        {
            return RenameAt2(CurrentFolder, left, CurrentFolder, right, Exchange) == 0;
        }
        catch (EntryPointNotFoundException)
        {
            return false; // a C library older than the call
        }
    }

    [LibraryImport("libc", EntryPoint = "renameat2", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int RenameAt2(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);
}
