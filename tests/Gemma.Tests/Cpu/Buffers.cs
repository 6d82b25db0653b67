using System.Runtime.InteropServices;

namespace Gemma.Tests.Cpu;

/// <summary>Native memory on a cache line's border with a known pattern behind its end, for kernels that speak in pointers.</summary>
internal sealed unsafe class Buffers : IDisposable
{
    private const int Fence = 128;
    private const byte Pattern = 0xA5;
    private readonly List<(nint Start, int Length)> _all = [];

    public float* Floats(int count) => (float*)Bytes(count * sizeof(float));

    public float* Floats(ReadOnlySpan<float> values)
    {
        float* copy = Floats(values.Length);
        values.CopyTo(new Span<float>(copy, values.Length));
        return copy;
    }

    public byte* Bytes(int count)
    {
        var start = (byte*)NativeMemory.AlignedAlloc((nuint)(count + Fence), 64);
        new Span<byte>(start, count + Fence).Fill(Pattern);
        _all.Add(((nint)start, count));
        return start;
    }

    /// <summary>Frees all, after a look whether anything was written behind an end.</summary>
    public void Dispose()
    {
        bool whole = true;
        foreach ((nint start, int length) in _all)
        {
            whole &= !new ReadOnlySpan<byte>((byte*)start + length, Fence).ContainsAnyExcept(Pattern);
            NativeMemory.AlignedFree((void*)start);
        }
        _all.Clear();
        Assert.True(whole, "a kernel wrote behind the end of a buffer");
    }
}
