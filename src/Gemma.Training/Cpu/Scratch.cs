using Gemma.Cpu;

namespace Gemma.Training.Cpu;

/// <summary>Memory that an operation works in and leaves: one piece for all threads, or one for each. It only grows.</summary>
internal sealed unsafe class Scratch : IDisposable
{
    private NativeBuffer? _buffer;

    public long Bytes => (long)(_buffer?.Size ?? 0);

    /// <summary>At least this many bytes of undefined contents, valid until the next call.</summary>
    public byte* Reserve(nint bytes)
    {
        if (_buffer is null || (nint)_buffer.Size < bytes)
        {
            _buffer?.Dispose();
            _buffer = new NativeBuffer((nuint)bytes, zeroed: false);
        }
        return _buffer.Pointer;
    }

    public void Dispose() => _buffer?.Dispose();
}
