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

    /// <summary>
    /// GGML's Q4_K, super-blocks of 256: 4 bits with a scale and a minimum of 6 bits for each 32 weights, 4.6 bits a weight. Made from fp32, some matrices and the
    /// tied embedding and head are <see cref="Q6_K"/>, as in files that are called Q4_K_M.
    /// </summary>
    Q4_K,

    /// <summary>GGML's Q6_K, super-blocks of 256: 6 bits with a scale of 8 bits for each 16 weights, 6.6 bits a weight.</summary>
    Q6_K,
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

    /// <summary>The rows after those of <see cref="Packed"/>, where they are of another type; <see cref="Rows"/> counts them too.</summary>
    internal Matrix? Next { get; init; }

    /// <summary>One row of an activation. Valid until the backend's next pass.</summary>
    public ReadOnlySpan<float> Row(int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows);
        return new ReadOnlySpan<float>(RowPointer(row), Columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal float* RowPointer(int row) => Data + (nint)row * Columns;
}
