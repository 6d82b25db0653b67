namespace Gemma.Formats;

/// <summary>How each <see cref="TensorType"/> lays its weights out.</summary>
public static class TensorTypes
{
    /// <summary>Weights of one block; rows are whole blocks.</summary>
    public static int BlockLength(this TensorType type) => type switch
    {
        TensorType.F32 or TensorType.F16 or TensorType.BF16 => 1,
        TensorType.Q8_0 or TensorType.Q4_0 or TensorType.Q5_0 => 32,
        TensorType.Q4_K or TensorType.Q5_K or TensorType.Q6_K => 256,
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    /// <summary>Bytes of one block.</summary>
    public static int BlockBytes(this TensorType type) => type switch
    {
        TensorType.F32 => 4,
        TensorType.F16 or TensorType.BF16 => 2,
        TensorType.Q8_0 => Q8_0.BlockBytes,
        TensorType.Q4_0 => Q4_0.BlockBytes,
        TensorType.Q5_0 => Q5_0.BlockBytes,
        TensorType.Q4_K => Q4_K.BlockBytes,
        TensorType.Q5_K => Q5_K.BlockBytes,
        TensorType.Q6_K => Q6_K.BlockBytes,
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    /// <summary>Bits a weight takes, scales included.</summary>
    public static double BitsPerWeight(this TensorType type) => 8.0 * type.BlockBytes() / type.BlockLength();

    /// <summary>Whether the type is one of GGML's block formats, which safetensors cannot hold.</summary>
    public static bool IsQuantised(this TensorType type) => type.BlockLength() > 1;

    /// <summary>
    /// Size of a tensor in a file; false where a dimension is negative, the last one is no whole number of blocks, or a size passes what a file can have:
    /// also that of the other dimensions where one of them is 0.
    /// </summary>
    internal static bool TryMeasure(this TensorType type, ReadOnlySpan<long> shape, out long bytes)
    {
        bytes = 0;
        long columns = shape.IsEmpty ? 1 : shape[^1];
        if (columns < 0 || columns % type.BlockLength() != 0) return false;
        if (columns / type.BlockLength() > int.MaxValue / type.BlockBytes()) return false;
        bytes = Math.Max(1, columns / type.BlockLength() * type.BlockBytes());
        bool isEmpty = columns == 0;
        foreach (long dimension in shape.IsEmpty ? shape : shape[..^1])
        {
            if (dimension < 0 || (dimension > 0 && bytes > long.MaxValue / dimension)) return false;
            bytes *= Math.Max(1, dimension);
            isEmpty |= dimension == 0;
        }
        if (isEmpty) bytes = 0;
        return true;
    }
}
