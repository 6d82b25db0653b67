using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gemma.Formats;

/// <summary>
/// What the file system says of a file that tells whether it has changed. The times of modification alone do not: archives, package managers and copying
/// programs set them. The time of the last change of the inode (ctime) cannot be set by any program, and every write moves it.
/// </summary>
/// <param name="Length">Bytes.</param>
/// <param name="Modified">Last modification, nanoseconds since 1970.</param>
/// <param name="Changed">Last change of content, name or permissions, nanoseconds since 1970; 0 where the system does not say.</param>
/// <param name="Inode">Number of the file in its file system; 0 where the system does not say.</param>
internal readonly record struct FileIdentity(long Length, long Modified, long Changed, ulong Inode)
{
    // The coarsest clock of a file system in use (FAT). Two changes within one tick carry the same time.
    private const long Tick = 2_000_000_000;

    /// <summary>Whether an equal identity means an unchanged file.</summary>
    public bool IsCertain => Changed != 0;

    /// <summary>Whether a change that comes after the given moment is sure to carry another time.</summary>
    public bool HasSettled(DateTime now) => (now - DateTime.UnixEpoch).Ticks * 100 - Changed > Tick;

    public static FileIdentity Of(SafeFileHandle file)
    {
        long length = RandomAccess.GetLength(file), modified = (File.GetLastWriteTimeUtc(file) - DateTime.UnixEpoch).Ticks * 100;
        return OperatingSystem.IsLinux() && LinuxStatus.Of(file) is LinuxStatus status
            ? new(length, status.Modified.Nanoseconds, status.Changed.Nanoseconds, status.Inode) : new(length, modified, 0, 0);
    }

    /// <exception cref="IOException">There is no such file any more, or it cannot be opened.</exception>
    public static FileIdentity Of(string path)
    {
        using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return Of(file);
    }
}

/// <summary>The kernel's <c>struct statx</c>, the same on every architecture; unlike <c>struct stat</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal partial struct LinuxStatus
{
    private const uint Wanted = 0x40 | 0x80 | 0x100; // STATX_MTIME, STATX_CTIME, STATX_INO

    [FieldOffset(0)] private uint _mask;
    [FieldOffset(32)] public ulong Inode;
    [FieldOffset(96)] public LinuxTime Changed;
    [FieldOffset(112)] public LinuxTime Modified;

    /// <summary>Null where the C library, the kernel or the file system does not tell.</summary>
    public static LinuxStatus? Of(SafeFileHandle file)
    {
        const int EmptyPath = 0x1000; // AT_EMPTY_PATH: the file that is open
        try
        {
            return Statx(file, "", EmptyPath, Wanted, out LinuxStatus status) == 0 && (status._mask & Wanted) == Wanted ? status : null;
        }
        catch (EntryPointNotFoundException)
        {
            return null; // a C library older than the call
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Statx(SafeFileHandle file, string path, int flags, uint mask, out LinuxStatus status);
}

/// <summary>The kernel's <c>struct statx_timestamp</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LinuxTime
{
    private long _seconds;
    private uint _nanoseconds;
    private int _reserved;

    public readonly long Nanoseconds => _seconds * 1_000_000_000 + _nanoseconds;
}
