using System.Runtime.CompilerServices;

namespace Gemma.Cpu;

/// <summary>How weights are kept in memory.</summary>
public enum WeightType
{
    /// <summary>fp32, 32 bits a weight.</summary>
    F32,

    /// <summary>bfloat16, 16 bits a weight.</summary>
    BF16,

    /// <summary>8 bits with an fp16 scale for each 32 weights: 8.5 bits a weight.</summary>
    Q8,

    /// <summary>4 bits with an fp16 scale for each 32 weights: 4.5 bits a weight; the tied embedding and head stay <see cref="Q8"/>.</summary>
    Q4,
}

/// <summary>
/// A value on the CPU: an fp32 activation (row-major, in the <see cref="Arena"/>), an fp32 vector of weights, or packed weights.
/// </summary>
public sealed unsafe class Matrix
{
    internal Matrix() { }

    public int Rows { get; internal set; }

    public int Columns { get; internal set; }

    /// <summary>Row-major values of an activation or a norm's gain; null for packed weights.</summary>
    internal float* Data { get; set; }

    /// <summary>The packed form, for weights of linear maps.</summary>
    internal PackedWeights? Packed { get; init; }

    /// <summary>One row of an activation. Valid until the backend's next pass.</summary>
    public ReadOnlySpan<float> Row(int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows);
        return new ReadOnlySpan<float>(RowPointer(row), Columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal float* RowPointer(int row) => Data + (nint)row * Columns;
}
