using System.Text.Json;

namespace Gemma.Formats;

/// <summary>Writes safetensors: one file, or shards with the index that names each tensor's.</summary>
public static class SafetensorsWriter
{
    /// <summary>Writes one file, whole or not at all; norms as w, without the 1.</summary>
    /// <param name="options">Null: nothing is replaced, all cores work.</param>
    /// <exception cref="GemmaException">The name is taken, or the disk says no.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; no file is left.</exception>
    public static void Write(string path, IReadOnlyList<TensorContent> tensors, WriteOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        options ??= new WriteOptions();
        Write(path, tensors, options.Force, new TensorWriting(tensors.Sum(tensor => tensor.ByteCount), options, cancellation));
    }

    /// <summary>Writes <c>model.safetensors</c> into a folder, or shards of at most <paramref name="shardBytes"/> (a larger tensor has its own) and their index.</summary>
    internal static void WriteModel(string folder, IReadOnlyList<TensorContent> tensors, long shardBytes, WriteOptions options, CancellationToken cancellation)
    {
        List<List<TensorContent>> shards = [[]];
        long filled = 0;
        foreach (TensorContent tensor in tensors)
        {
            if (filled > 0 && filled + tensor.ByteCount > shardBytes)
            {
                shards.Add([]);
                filled = 0;
            }
            shards[^1].Add(tensor);
            filled += tensor.ByteCount;
        }
        long total = tensors.Sum(tensor => tensor.ByteCount);
        var writing = new TensorWriting(total, options, cancellation);
        if (shards.Count == 1)
        {
            Write(Path.Combine(folder, Safetensors.FileName), tensors, replace: false, writing);
            return;
        }
        string NameOf(int shard) => FormattableString.Invariant($"model-{shard + 1:D5}-of-{shards.Count:D5}.safetensors");
        for (int i = 0; i < shards.Count; i++) Write(Path.Combine(folder, NameOf(i)), shards[i], replace: false, writing);
        NewFile.Write(Path.Combine(folder, Safetensors.IndexName), JsonText.Of(json =>
        {
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", total);
            json.WriteEndObject();
            json.WriteStartObject("weight_map");
            for (int i = 0; i < shards.Count; i++)
                foreach (TensorContent tensor in shards[i]) json.WriteString(tensor.Name, NameOf(i));
            json.WriteEndObject();
        }));
    }

    private static void Write(string path, IReadOnlyList<TensorContent> tensors, bool replace, TensorWriting writing)
    {
        byte[] head = Head(tensors);
        using NewFile file = NewFile.Create(path, head.Length + tensors.Sum(tensor => tensor.ByteCount), replace);
        NewFile.Guard(path, () =>
        {
            RandomAccess.Write(file.Handle, head, 0);
            long offset = head.Length;
            foreach (TensorContent tensor in tensors)
            {
                writing.Write(file.Handle, tensor, offset);
                offset += tensor.ByteCount;
            }
            return offset;
        });
        file.Publish();
    }

    /// <summary>The length and the JSON, with blanks at its end so that the data begin at a multiple of 8 as the format's own writer has it.</summary>
    private static byte[] Head(IReadOnlyList<TensorContent> tensors)
    {
        if (tensors.Select(tensor => tensor.Name).Distinct(StringComparer.Ordinal).Count() != tensors.Count) throw new ArgumentException("two tensors have one name", nameof(tensors));
        using var stream = new MemoryStream();
        stream.Write(stackalloc byte[sizeof(ulong)]);
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            json.WriteString("format", "pt"); // transformers refuses files that do not say whose layout they have
            json.WriteEndObject();
            long offset = 0;
            foreach (TensorContent tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", TypeName(tensor));
                json.WriteStartArray("shape");
                foreach (long dimension in tensor.Shape) json.WriteNumberValue(dimension);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += tensor.ByteCount);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (stream.Position % sizeof(ulong) != 0) stream.WriteByte((byte)' ');
        byte[] head = stream.ToArray();
        BitConverter.TryWriteBytes(head, head.LongLength - sizeof(ulong));
        return head;
    }

    private static string TypeName(TensorContent tensor) => tensor.Type switch
    {
        TensorType.F32 => "F32",
        TensorType.F16 => "F16",
        TensorType.BF16 => "BF16",
        _ => throw new UsageException($"{tensor.Name}: expected F32, F16 or BF16 for a safetensors file, found {tensor.Type}; write a .gguf file for that"),
    };
}
