using System.Runtime.InteropServices;

namespace Gemma.Cpu;

/// <summary>
/// Memory outside the collected heap, and on huge pages where the system grants them: without, a walk over gigabytes of weights misses the TLB for
/// each 4 KiB.
/// </summary>
internal sealed unsafe partial class NativeBuffer : IDisposable
{
    private const nuint HugePage = 2 << 20;
    private readonly nuint _size;
    private byte* _pointer;

    /// <param name="size">Bytes.</param>
    /// <param name="zeroed">False leaves the contents undefined, for memory that is about to be written whole.</param>
    public NativeBuffer(nuint size, bool zeroed = true)
    {
        _size = size;
        nuint alignment = size >= HugePage ? HugePage : 64;
        _pointer = (byte*)NativeMemory.AlignedAlloc(size, alignment);
        if (size >= HugePage && OperatingSystem.IsLinux())
        {
            // Advice only: where it is refused the memory is the same, a little slower, and `gemma doctor` shows it.
            _ = Advise(_pointer, size / HugePage * HugePage, AdviseHugePage);
        }
        if (zeroed) NativeMemory.Clear(_pointer, size);
        GC.AddMemoryPressure((long)Math.Max(size, 1));
    }

    ~NativeBuffer() => Release();

    public byte* Pointer => _pointer;

    public nuint Size => _size;

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        if (_pointer is null) return;
        NativeMemory.AlignedFree(_pointer);
        _pointer = null;
        GC.RemoveMemoryPressure((long)Math.Max(_size, 1));
    }

    private const int AdviseHugePage = 14;

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(void* address, nuint length, int advice);
}
