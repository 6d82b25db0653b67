using System.Buffers;
using System.Collections.Immutable;

namespace Gemma.Formats;

/// <summary>Puts one row, encoded, where it is asked to. Called from many threads, in any order, once for each row.</summary>
public delegate void RowEncoder(long row, Span<byte> destination);

/// <summary>Puts one row of numbers where it is asked to. Called from many threads, in any order, once for each row.</summary>
public delegate void RowSource(long row, Span<float> destination);

/// <summary>A tensor to be written. Its rows come when the writer asks for them, so that no model has to fit in memory.</summary>
public sealed class TensorContent
{
    private readonly RowEncoder _encode;

    /// <param name="name">Name in the file.</param>
    /// <param name="type">Type in the file.</param>
    /// <param name="shape">Outermost dimension first.</param>
    /// <param name="encode">Gives <see cref="RowLength"/> bytes for each row.</param>
    /// <exception cref="UsageException">The rows are no whole number of the type's blocks.</exception>
    public TensorContent(string name, TensorType type, ImmutableArray<long> shape, RowEncoder encode)
    {
        (Name, Type, Shape, _encode) = (name, type, shape, encode);
        Columns = shape.IsEmpty ? 1 : shape[^1];
        if (Columns % type.BlockLength() != 0)
        {
            throw new UsageException(FormattableString.Invariant(
                $"{name}: expected rows of whole blocks of {type.BlockLength()} weights for {type}, found rows of {Columns}; write F32, F16 or BF16 instead"));
        }
        if (!type.TryMeasure(shape.AsSpan(), out long bytes) || bytes == 0) throw new ArgumentException($"{name}: {TensorInfo.ShapeToText(shape)} is no shape of a tensor");
        ByteCount = bytes;
        RowLength = (int)(Columns / type.BlockLength() * type.BlockBytes());
        Rows = bytes / RowLength;
    }

    public string Name { get; }

    public TensorType Type { get; }

    public ImmutableArray<long> Shape { get; }

    public long Rows { get; }

    public long Columns { get; }

    /// <summary>Bytes of one row.</summary>
    public int RowLength { get; }

    public long ByteCount { get; }

    /// <summary>Called when rows from the first on, that many, have been asked for and will not be again.</summary>
    internal Action<long, long>? Done { get; init; }

    /// <summary>
    /// A tensor of the table under its GGUF name. Matrices get <paramref name="type"/>, norms F32 as llama.cpp wants them.
    /// <paramref name="rows"/> gives norms as the gain 1 + w, which is what GGUF holds.
    /// </summary>
    public static TensorContent Gguf(TensorSpec spec, TensorType type, RowSource rows) => Of(spec.GgufName, spec.IsNorm ? TensorType.F32 : type, spec, rows);

    /// <summary>A tensor of the table under its Hugging Face name; <paramref name="rows"/> gives norms as w, without the 1.</summary>
    public static TensorContent HuggingFace(TensorSpec spec, TensorType type, RowSource rows) => Of(spec.HuggingFaceName, type, spec, rows);

    internal static ImmutableArray<long> ShapeOf(TensorSpec spec) => spec.IsNorm ? [spec.Columns] : [spec.Rows, spec.Columns];

    internal void Encode(long row, Span<byte> destination) => _encode(row, destination);

    private static TensorContent Of(string name, TensorType type, TensorSpec spec, RowSource rows) => new(name, type, ShapeOf(spec), (row, destination) =>
    {
        float[] values = ArrayPool<float>.Shared.Rent(spec.Columns);
        rows(row, values.AsSpan(0, spec.Columns));
        RowCodec.Encode(type, values.AsSpan(0, spec.Columns), destination);
        ArrayPool<float>.Shared.Return(values);
    });
}
