using Gemma.Cpu;

namespace Gemma.Training.Cpu;

/// <summary>Memory of matrices, kept when they are given back: the steps of a run ask for the same sizes again and again.</summary>
internal sealed unsafe class MatrixPool : IDisposable
{
    private const long Unit = 1 << 12;

    private readonly List<DenseMatrix> _free = [];
    private readonly List<NativeBuffer> _all = [];

    /// <summary>Bytes held, in use or not.</summary>
    public long Bytes { get; private set; }

    /// <summary>A matrix of undefined contents.</summary>
    public DenseMatrix Rent(int rows, int columns)
    {
        long bytes = Math.Max(1, ((long)rows * columns * sizeof(float) + Unit - 1) / Unit) * Unit;
        int best = -1;
        for (int i = _free.Count - 1; i >= 0; i--)
        {
            long size = (long)_free[i].Buffer!.Size;
            // A matrix much too large would be missed where it fits.
            if (size < bytes || size > bytes + bytes / 4 || (best >= 0 && size >= (long)_free[best].Buffer!.Size)) continue;
            best = i;
            if (size == bytes) break;
        }
        DenseMatrix matrix;
        if (best >= 0)
        {
            matrix = _free[best];
            _free.RemoveAt(best);
        }
        else
        {
            var buffer = new NativeBuffer((nuint)bytes, zeroed: false);
            _all.Add(buffer);
            Bytes += bytes;
            matrix = new DenseMatrix(buffer);
        }
        matrix.Rows = rows;
        matrix.Columns = columns;
        matrix.Data = (float*)matrix.Buffer!.Pointer;
        return matrix;
    }

    public void Return(DenseMatrix matrix) => _free.Add(matrix);

    public void Dispose()
    {
        foreach (NativeBuffer buffer in _all) buffer.Dispose();
    }
}
