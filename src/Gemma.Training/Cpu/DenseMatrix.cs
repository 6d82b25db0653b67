using Gemma.Cpu;

namespace Gemma.Training.Cpu;

/// <summary>A row-major fp32 matrix in native memory: an activation, a gradient, or a view of a parameter; or weights that stay as they are.</summary>
public sealed unsafe class DenseMatrix
{
    internal DenseMatrix(int rows, int columns, float* data)
    {
        Rows = rows;
        Columns = columns;
        Data = data;
    }

    public int Rows { get; internal set; }

    public int Columns { get; internal set; }

    internal float* Data { get; set; }

    /// <summary>Bytes of the pool that it has; 0 for a view.</summary>
    internal long PieceBytes { get; set; }

    /// <summary>A parameter's values as products read them; null until they are first needed.</summary>
    internal PackedParameter? Packed { get; set; }

    /// <summary>Weights that are not trained, in the form of inference; then there are no <see cref="Data"/>.</summary>
    internal PackedWeights? Frozen { get; init; }

    internal long Count => (long)Rows * Columns;

    /// <summary>One row. Valid until the matrix goes back to the backend.</summary>
    public ReadOnlySpan<float> Row(int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows);
        return new(RowPointer(row), Columns);
    }

    internal float* RowPointer(int row) => Data + (nint)row * Columns;
}
