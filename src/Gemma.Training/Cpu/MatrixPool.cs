using Gemma.Cpu;

namespace Gemma.Training.Cpu;

/// <summary>
/// Memory of matrices: pieces of a few large blocks, the smallest that fits first, joined again with their neighbours when they are given back. So batches of ever
/// different sizes take what the largest of them needs, and steps of one size allocate nothing.
/// </summary>
internal sealed unsafe class MatrixPool : IDisposable
{
    private const long Line = 64, SmallestBlock = 1 << 20, LargestBlock = 64 << 20;

    // A few lines more than are asked for: matrices of the same size would else begin at the same place of each page, and a sum of two of them would wait for itself.
    private const long Apart = 5 * Line;

    private readonly List<NativeBuffer> _blocks = [];
    private readonly List<Piece> _free = []; // by address
    private readonly Stack<DenseMatrix> _spare = new();

    /// <summary>Bytes held, in use or not.</summary>
    public long Bytes { get; private set; }

    /// <summary>A matrix of undefined contents.</summary>
    public DenseMatrix Rent(int rows, int columns)
    {
        long bytes = ((long)rows * columns * sizeof(float) + Line - 1) / Line * Line + Apart;
        int best = -1;
        for (int i = 0; i < _free.Count; i++)
            if (_free[i].Size >= bytes && (best < 0 || _free[i].Size < _free[best].Size)) best = i;
        if (best < 0) best = Grow(bytes);
        Piece piece = _free[best];
        if (piece.Size == bytes) _free.RemoveAt(best);
        else _free[best] = new Piece(piece.Start + (nint)bytes, piece.Size - bytes);
        if (!_spare.TryPop(out DenseMatrix? matrix)) matrix = new DenseMatrix(0, 0, null);
        matrix.Rows = rows;
        matrix.Columns = columns;
        matrix.Data = (float*)piece.Start;
        matrix.PieceBytes = bytes;
        return matrix;
    }

    public void Return(DenseMatrix matrix)
    {
        Insert(new Piece((nint)matrix.Data, matrix.PieceBytes));
        matrix.Data = null;
        _spare.Push(matrix);
    }

    public void Dispose()
    {
        foreach (NativeBuffer block in _blocks) block.Dispose();
    }

    /// <summary>Adds a block; the index of a piece that fits.</summary>
    private int Grow(long bytes)
    {
        long size = Math.Max(bytes, Math.Clamp(Bytes / 4, SmallestBlock, LargestBlock));
        var block = new NativeBuffer((nuint)size, zeroed: false);
        _blocks.Add(block);
        Bytes += size;
        return Insert(new Piece((nint)block.Pointer, size));
    }

    /// <summary>Puts a free piece in its place, joined with what it touches; its index.</summary>
    private int Insert(Piece piece)
    {
        int index = 0;
        while (index < _free.Count && _free[index].Start < piece.Start) index++;
        if (index < _free.Count && piece.Start + (nint)piece.Size == _free[index].Start)
        {
            piece = piece with { Size = piece.Size + _free[index].Size };
            _free.RemoveAt(index);
        }
        if (index > 0 && _free[index - 1].Start + (nint)_free[index - 1].Size == piece.Start)
        {
            _free[index - 1] = new Piece(_free[index - 1].Start, _free[index - 1].Size + piece.Size);
            return index - 1;
        }
        _free.Insert(index, piece);
        return index;
    }

    private readonly record struct Piece(nint Start, long Size);
}
