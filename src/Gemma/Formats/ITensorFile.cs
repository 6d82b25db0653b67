using System.Collections.Immutable;

namespace Gemma.Formats;

/// <summary>Element types of published tensors. The quantised ones are GGML's blocks: 32 weights for the _0 types, 256 for the _K types.</summary>
public enum TensorType
{
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4_K,
    Q5_K,
    Q6_K,
}

/// <summary>One tensor of a file.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Outermost dimension first, whatever order the file uses.</param>
public sealed record TensorInfo(string Name, TensorType Type, ImmutableArray<long> Shape)
{
    /// <summary>Product of all dimensions but the last; 1 for a vector.</summary>
    public long Rows => Shape.Length < 2 ? 1 : Shape[..^1].Aggregate(1L, (product, dimension) => product * dimension);

    /// <summary>Last dimension, contiguous in the file.</summary>
    public long Columns => Shape.Length == 0 ? 1 : Shape[^1];
}

/// <summary>A file (or a set of shards) of named tensors, mapped into memory. Every offset and size was checked when it was opened. Reading is thread-safe.</summary>
public interface ITensorFile : IDisposable
{
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Path of the file that holds the tensor, for messages.</summary>
    string PathOf(TensorInfo tensor);

    /// <summary>The bytes of one row as the file holds them.</summary>
    ReadOnlySpan<byte> RowBytes(TensorInfo tensor, long row);

    /// <summary>One row as fp32; <paramref name="destination"/> is <see cref="TensorInfo.Columns"/> long.</summary>
    void ReadRow(TensorInfo tensor, long row, Span<float> destination);
}
