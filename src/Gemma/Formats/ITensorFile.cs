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
    Q5_0,
    Q4_K,
    Q5_K,
    Q6_K,
}

/// <summary>One tensor of a file.</summary>
public sealed record TensorInfo
{
    internal TensorInfo(string name, TensorType type, ImmutableArray<long> shape, MappedFile file, long offset)
    {
        Name = name;
        Type = type;
        Shape = shape;
        Rows = shape.Length < 2 ? 1 : shape[..^1].Aggregate(1L, (product, dimension) => product * dimension);
        Columns = shape.Length == 0 ? 1 : shape[^1];
        RowLength = (int)(Columns / type.BlockLength() * type.BlockBytes());
        File = file;
        Offset = offset;
    }

    /// <summary>Name in the file.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public TensorType Type { get; }

    /// <summary>Outermost dimension first, whatever order the file uses.</summary>
    public ImmutableArray<long> Shape { get; }

    /// <summary>Product of all dimensions but the last; 1 for a vector.</summary>
    public long Rows { get; }

    /// <summary>Last dimension, contiguous in the file.</summary>
    public long Columns { get; }

    /// <summary>Bytes of one row in the file.</summary>
    public int RowLength { get; }

    /// <summary>Bytes of the tensor in the file.</summary>
    public long ByteCount => Rows * RowLength;

    /// <summary>The shape as a person writes it: "256000 × 2048".</summary>
    public string ShapeText => ShapeToText(Shape);

    /// <summary>The file that holds the tensor.</summary>
    internal MappedFile File { get; }

    /// <summary>Where in <see cref="File"/> the first row begins.</summary>
    internal long Offset { get; }

    internal static string ShapeToText(IEnumerable<long> shape) => string.Join(" × ", shape.Select(dimension => FormattableString.Invariant($"{dimension}")));
}

/// <summary>A file (or a set of shards) of named tensors, mapped into memory. Every offset and size was checked when it was opened. Reading is thread-safe.</summary>
public interface ITensorFile : IDisposable
{
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Path of the file that holds the tensor, for messages.</summary>
    string PathOf(TensorInfo tensor);

    /// <summary>The bytes of one row as the file holds them. The span dies with the file: dispose only when no thread reads any more.</summary>
    ReadOnlySpan<byte> RowBytes(TensorInfo tensor, long row);

    /// <summary>One row as fp32; <paramref name="destination"/> is <see cref="TensorInfo.Columns"/> long.</summary>
    void ReadRow(TensorInfo tensor, long row, Span<float> destination);
}
