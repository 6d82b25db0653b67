using System.Text;

namespace Gemma.Formats;

/// <summary>
/// Writes GGUF version 3. Dimensions go innermost first, tensors to aligned places in the order given, each padded to the alignment (also the last: that
/// is what llama.cpp expects).
/// </summary>
public static class GgufWriter
{
    private const uint Version = 3;

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <param name="path">Where it is to appear.</param>
    /// <param name="metadata">All keys, in the order of the file; <c>general.alignment</c> is obeyed.</param>
    /// <param name="tensors">All tensors, norms as the gain 1 + w.</param>
    /// <param name="options">Null: nothing is replaced, all cores work.</param>
    /// <exception cref="GemmaException">The name is taken, or the disk says no.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; no file is left.</exception>
    public static void Write(string path, GgufMetadata metadata, IReadOnlyList<TensorContent> tensors, WriteOptions? options = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        ArgumentNullException.ThrowIfNull(tensors);
        options ??= new WriteOptions();
        int alignment = metadata.Alignment();
        byte[] head = Head(metadata, tensors, alignment);
        long length = head.Length + tensors.Sum(tensor => Padded(tensor.ByteCount, alignment));
        using NewFile file = NewFile.Create(path, length, options.Force);
        NewFile.Guard(path, () =>
        {
            RandomAccess.SetLength(file.Handle, length); // padding reads as zeros
            RandomAccess.Write(file.Handle, head, 0);
            var writing = new TensorWriting(tensors.Sum(tensor => tensor.ByteCount), options, cancellation);
            long offset = head.Length;
            foreach (TensorContent tensor in tensors)
            {
                writing.Write(file.Handle, tensor, offset);
                offset += Padded(tensor.ByteCount, alignment);
            }
            return offset;
        });
        file.Publish();
    }

    /// <summary>All that comes before the tensors' bytes, padded to the alignment.</summary>
    private static byte[] Head(GgufMetadata metadata, IReadOnlyList<TensorContent> tensors, int alignment)
    {
        if (tensors.Select(tensor => tensor.Name).Distinct(StringComparer.Ordinal).Count() != tensors.Count) throw new ArgumentException("two tensors have one name", nameof(tensors));
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Gguf.Magic);
        writer.Write(Version);
        writer.Write((ulong)tensors.Count);
        writer.Write((ulong)metadata.Count);
        foreach ((string key, object value) in metadata)
        {
            WriteString(writer, key);
            writer.Write((uint)TypeOf(value.GetType()));
            WriteValue(writer, value);
        }
        long offset = 0;
        foreach (TensorContent tensor in tensors)
        {
            WriteString(writer, tensor.Name);
            writer.Write((uint)tensor.Shape.Length);
            foreach (long dimension in tensor.Shape.Reverse()) writer.Write((ulong)dimension);
            writer.Write(GgufTensorTypes.NumberOf(tensor.Type));
            writer.Write((ulong)offset);
            offset += Padded(tensor.ByteCount, alignment);
        }
        stream.SetLength(Padded(stream.Position, alignment));
        return stream.ToArray();
    }

    private static long Padded(long length, int alignment) => (length + alignment - 1) / alignment * alignment;

    private static GgufType TypeOf(Type type) =>
        type == typeof(byte) ? GgufType.UInt8
        : type == typeof(sbyte) ? GgufType.Int8
        : type == typeof(ushort) ? GgufType.UInt16
        : type == typeof(short) ? GgufType.Int16
        : type == typeof(uint) ? GgufType.UInt32
        : type == typeof(int) ? GgufType.Int32
        : type == typeof(float) ? GgufType.Float32
        : type == typeof(bool) ? GgufType.Bool
        : type == typeof(string) ? GgufType.String
        : type.IsArray ? GgufType.Array
        : type == typeof(ulong) ? GgufType.UInt64
        : type == typeof(long) ? GgufType.Int64
        : type == typeof(double) ? GgufType.Float64
        : throw new ArgumentException($"GGUF metadata holds no {type.Name}");

    private static void WriteValue(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case byte number: writer.Write(number); break;
            case sbyte number: writer.Write(number); break;
            case ushort number: writer.Write(number); break;
            case short number: writer.Write(number); break;
            case uint number: writer.Write(number); break;
            case int number: writer.Write(number); break;
            case float number: writer.Write(number); break;
            case bool flag: writer.Write(flag); break;
            case string text: WriteString(writer, text); break;
            case Array array: WriteArray(writer, array); break;
            case ulong number: writer.Write(number); break;
            case long number: writer.Write(number); break;
            case double number: writer.Write(number); break;
            default: throw new ArgumentException($"GGUF metadata holds no {value.GetType().Name}");
        }
    }

    private static void WriteArray(BinaryWriter writer, Array array)
    {
        // An array of arrays is an object[]: each of its elements brings its own type and length.
        writer.Write((uint)(array is object[] and not string[]? GgufType.Array : TypeOf(array.GetType().GetElementType()!)));
        writer.Write((ulong)array.Length);
        foreach (object item in array) WriteValue(writer, item);
    }

    private static void WriteString(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
