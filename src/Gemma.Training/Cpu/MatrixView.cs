namespace Gemma.Training.Cpu;

/// <summary>Some rows, or some columns, of a row-major fp32 matrix.</summary>
internal readonly unsafe struct MatrixView(float* data, nint stride, int rows, int columns)
{
    public float* Data => data;

    /// <summary>Floats from a row to the next.</summary>
    public nint Stride => stride;

    public int Rows => rows;

    public int Columns => columns;

    public static implicit operator MatrixView(DenseMatrix matrix) => new(matrix.Data, matrix.Columns, matrix.Rows, matrix.Columns);

    public static MatrixView OfRows(DenseMatrix matrix, int first, int count) => new(matrix.RowPointer(first), matrix.Columns, count, matrix.Columns);

    public static MatrixView OfColumns(DenseMatrix matrix, int first, int count) => new(matrix.Data + first, matrix.Columns, matrix.Rows, count);

    public float* RowPointer(int row) => data + row * stride;
}
