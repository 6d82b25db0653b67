using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Gemma.Formats;

/// <summary>
/// The bytes of a file, mapped: pages are read when they are touched, and shared with every other process that maps the file. Each access is checked
/// against the length, so no arithmetic on a hostile header can reach past the end.
/// </summary>
internal sealed unsafe partial class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private GCHandle _pin;
    private byte* _start;

    private MappedFile(string path, MemoryMappedFile map, FileIdentity identity)
    {
        Path = path;
        Identity = identity;
        Length = identity.Length;
        _map = map;
        _view = map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _start = start + _view.PointerOffset;
    }

    private MappedFile(string path, byte[] bytes)
    {
        Path = path;
        Length = bytes.Length;
        _pin = GCHandle.Alloc(bytes, GCHandleType.Pinned);
        _start = (byte*)_pin.AddrOfPinnedObject();
    }

    /// <summary>For messages.</summary>
    public string Path { get; }

    public long Length { get; }

    /// <summary>What the file system said of the file when it was opened; null of one that lives in memory.</summary>
    public FileIdentity? Identity { get; }

    /// <summary>The first byte, for whoever has checked all that will be read.</summary>
    public byte* Start => _start;

    /// <exception cref="GemmaException">The file is missing, empty or unreadable.</exception>
    public static MappedFile Open(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            // Of the open file: the path may come to name another.
            var identity = FileIdentity.Of(stream.SafeFileHandle);
            if (identity.Length == 0) throw new BadFileException(path, null, "a model file", "0 bytes", "fetch the file again");
            MemoryMappedFile map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            return new MappedFile(path, map, identity);
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new GemmaException($"{path}: no such file; check the path, or fetch the model again", failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException($"{path}: cannot be read ({failure.Message}); check the file and its permissions", failure);
        }
    }

    /// <summary>A file that lives in memory, so that parsers can be tested without a disk.</summary>
    public static MappedFile Of(string name, byte[] bytes) => new(name, bytes);

    /// <summary>All bytes of a file of text or settings. One larger than any of those is refused before memory is taken for it.</summary>
    /// <exception cref="GemmaException">The file is missing, unreadable or too large.</exception>
    public static byte[] ReadSmall(string path)
    {
        const long Largest = 256 << 20;
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            if (stream.Length > Largest)
            {
                throw new BadFileException(path, null, FormattableString.Invariant($"at most {Largest} bytes"), FormattableString.Invariant($"{stream.Length}"),
                    "this is another kind of file: take it from the model's own repository");
            }
            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException($"{path}: cannot be read ({failure.Message}); check the path, or fetch the model again", failure);
        }
    }

    /// <summary>A part of the file; it must lie within it.</summary>
    public ReadOnlySpan<byte> Bytes(long offset, int count)
    {
        ObjectDisposedException.ThrowIf(_start is null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - count);
        return new ReadOnlySpan<byte>(_start + offset, count);
    }

    /// <summary>
    /// Says that these bytes will not be read again soon. On Unix their pages leave this process's memory (they stay readable, from the system's cache or
    /// the disk): whoever reads a model once from end to end does not come to hold all of it.
    /// </summary>
    public void Forget(long offset, long count)
    {
        const int DoNotNeed = 4; // MADV_DONTNEED, the same number on Linux and macOS
        if (_map is null || _start is null || OperatingSystem.IsWindows()) return;
        // Whole pages only: a neighbour's rows may be in use.
        nuint page = (nuint)Environment.SystemPageSize, first = ((nuint)(_start + offset) + page - 1) / page * page, last = (nuint)(_start + offset + count) / page * page;
        if (last > first) _ = Advise(first, last - first, DoNotNeed); // advice: a refusal costs memory, not correctness
    }

    /// <summary>
    /// Asks for large pages. The system grants them for files that its cache holds in large pieces (Linux on ext4 from 6.16 on, on XFS from 5.18 on); elsewhere the
    /// file reads the same, a little slower.
    /// </summary>
    public void AdviseHugePages()
    {
        const int HugePage = 14; // MADV_HUGEPAGE
        if (_map is not null && _start is not null && OperatingSystem.IsLinux()) _ = Advise((nuint)_start, (nuint)Length, HugePage);
    }

    /// <summary>The encoded row of a tensor that lies in this file.</summary>
    public static ReadOnlySpan<byte> RowBytes(TensorInfo tensor, long row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, tensor.Rows);
        return tensor.File.Bytes(tensor.Offset + row * tensor.RowLength, tensor.RowLength);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(nuint address, nuint length, int advice);

    public void Dispose()
    {
        if (_start is null) return;
        _start = null;
        if (_pin.IsAllocated) _pin.Free();
        _view?.SafeMemoryMappedViewHandle.ReleasePointer();
        _view?.Dispose();
        _map?.Dispose();
    }
}
