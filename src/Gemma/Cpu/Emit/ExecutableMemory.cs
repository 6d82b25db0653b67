using System.Runtime.InteropServices;

namespace Gemma.Cpu.Emit;

/// <summary>
/// Machine code in pages of its own: written while they are writable, executable only afterwards, never both at once.
/// </summary>
internal sealed unsafe partial class ExecutableMemory : IDisposable
{
    private const int Read = 1, Write = 2, Execute = 4;
    private const int Private = 2;
    private const nint Failed = -1;

    private readonly nuint _size;
    private byte* _pointer;

    private ExecutableMemory(byte* pointer, nuint size)
    {
        _pointer = pointer;
        _size = size;
    }

    ~ExecutableMemory() => Release();

    public byte* Pointer => _pointer;

    /// <summary>Whether this operating system's calls are known here.</summary>
    public static bool IsKnown => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();

    // MAP_ANONYMOUS has another value on each system.
    private static int Anonymous => OperatingSystem.IsMacOS() ? 0x1000 : 0x20;

    /// <summary>Makes code executable, or says why the operating system would not have it (SELinux's execmem, seccomp, a hardened process).</summary>
    public static ExecutableMemory? Create(ReadOnlySpan<byte> code, out string refusal)
    {
        refusal = "";
        if (!IsKnown)
        {
            refusal = "emitted code follows the calling convention of Linux and macOS";
            return null;
        }
        nuint size = (nuint)(code.Length + Environment.SystemPageSize - 1) / (nuint)Environment.SystemPageSize * (nuint)Environment.SystemPageSize;
        nint pages = Map(null, size, Read | Write, Private | Anonymous, -1, 0);
        if (pages == Failed)
        {
            refusal = $"the operating system gives no memory for code: {Marshal.GetLastPInvokeErrorMessage()}";
            return null;
        }
        code.CopyTo(new Span<byte>((void*)pages, (int)size));
        if (Protect((void*)pages, size, Read | Execute) != 0)
        {
            refusal = $"the operating system does not let this process execute what it wrote: {Marshal.GetLastPInvokeErrorMessage()}";
            _ = Unmap((void*)pages, size);
            return null;
        }
        return new ExecutableMemory((byte*)pages, size);
    }

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        if (_pointer is null) return;
        _ = Unmap(_pointer, _size);
        _pointer = null;
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Protect(void* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Unmap(void* address, nuint length);
}
