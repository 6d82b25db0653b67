using System.Runtime.InteropServices;

namespace Gemma.Cpu;

/// <summary>
/// Memory for the activations of one pass: handed out front to back, taken back all at once or down to a mark. Buffers and their <see cref="Matrix"/> objects
/// are kept from pass to pass, so that a steady state allocates nothing.
/// </summary>
internal sealed unsafe class Arena : IDisposable
{
    private const nuint Alignment = 64;
    private const nint SmallestBlock = 1 << 20;

    private readonly List<(nint Start, nint Size)> _blocks = [];
    private readonly List<Matrix> _matrices = [];
    private int _block;
    private nint _used;
    private int _matrix;

    /// <summary>Bytes this arena holds.</summary>
    public long Bytes => _blocks.Sum(block => (long)block.Size);

    /// <summary>An activation of undefined contents, valid until a release to an earlier mark.</summary>
    public Matrix Allocate(int rows, int columns)
    {
        float* data = Allocate((nint)rows * columns);
        if (_matrix == _matrices.Count) _matrices.Add(new Matrix());
        Matrix matrix = _matrices[_matrix++];
        matrix.Rows = rows;
        matrix.Columns = columns;
        matrix.Data = data;
        return matrix;
    }

    /// <summary>Scratch of undefined contents, on a cache line's border.</summary>
    public float* Allocate(nint count) => (float*)AllocateBytes(count * sizeof(float));

    public byte* AllocateBytes(nint count)
    {
        nint bytes = (count + (nint)Alignment - 1) & ~((nint)Alignment - 1);
        while (_block < _blocks.Count && _blocks[_block].Size - _used < bytes)
        {
            _block++;
            _used = 0;
        }
        if (_block == _blocks.Count)
        {
            // Never grown in place: earlier pointers stay good.
            nint size = Math.Max(bytes, Math.Max(SmallestBlock, _blocks.Count == 0 ? 0 : _blocks[^1].Size));
            _blocks.Add(((nint)NativeMemory.AlignedAlloc((nuint)size, Alignment), size));
        }
        byte* start = (byte*)_blocks[_block].Start + _used;
        _used += bytes;
        return start;
    }

    public Mark Save() => new(_block, _used, _matrix);

    /// <summary>Takes back everything allocated since the mark.</summary>
    public void Release(Mark mark) => (_block, _used, _matrix) = (mark.Block, mark.Used, mark.Matrix);

    public void Dispose()
    {
        foreach ((nint Start, nint Size) block in _blocks) NativeMemory.AlignedFree((void*)block.Start);
        _blocks.Clear();
    }

    /// <summary>A place in the arena.</summary>
    internal readonly record struct Mark(int Block, nint Used, int Matrix);
}
