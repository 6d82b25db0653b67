using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Gemma.Formats;

/// <summary>A GGUF file, version 2 or 3: metadata, then tensors. GGUF lists dimensions innermost first; <see cref="TensorInfo.Shape"/> has them outermost first.</summary>
public sealed class Gguf : ITensorFile
{
    internal const uint Magic = 0x46554747; // "GGUF"

    private const int LargestRank = 4;

    private readonly MappedFile _file;
    private readonly Dictionary<string, TensorInfo> _tensors = new(StringComparer.Ordinal);

    private Gguf(MappedFile file)
    {
        _file = file;
        Metadata = new GgufMetadata(file.Path);
    }

    public GgufMetadata Metadata { get; }

    /// <summary>Version of the format.</summary>
    public int Version { get; private set; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <exception cref="BadFileException">The file is not what it should be; the message names the key or tensor.</exception>
    public static Gguf Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            return Of(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    internal static Gguf Of(MappedFile file)
    {
        var gguf = new Gguf(file);
        gguf.Read(new GgufReader(file));
        return gguf;
    }

    public string PathOf(TensorInfo tensor) => _file.Path;

    public ReadOnlySpan<byte> RowBytes(TensorInfo tensor, long row) => MappedFile.RowBytes(tensor, row);

    public void ReadRow(TensorInfo tensor, long row, Span<float> destination) => RowCodec.Decode(tensor.Type, RowBytes(tensor, row), destination);

    public void Dispose() => _file.Dispose();

    private void Read(GgufReader reader)
    {
        uint magic = reader.UInt32();
        if (magic != Magic) throw reader.Bad("a file that begins with GGUF", FormattableString.Invariant($"0x{magic:X8}"), "this is another format, or damaged: fetch it again");
        uint version = reader.UInt32();
        if (version is not (2 or 3))
        {
            throw reader.Bad("version 2 or 3", BinaryPrimitives.ReverseEndianness(version) is 2 or 3 ? "a big-endian file" : FormattableString.Invariant($"version {version}"),
                "convert the model again with a current program");
        }
        Version = (int)version;
        // The least a tensor's entry takes is a name's length, rank, one dimension, type and offset; a value's is a key's length, type and one byte.
        int tensorCount = reader.Count("tensors", 8 + 4 + 8 + 4 + 8), valueCount = reader.Count("metadata values", 8 + 4 + 1);
        for (int i = 0; i < valueCount; i++)
        {
            reader.Context = FormattableString.Invariant($"metadata {i}");
            string key = reader.String();
            reader.Context = key;
            Metadata.Add(key, reader.Value());
        }
        var entries = new List<Entry>();
        for (int i = 0; i < tensorCount; i++)
        {
            reader.Context = FormattableString.Invariant($"tensor {i}");
            entries.Add(ReadEntry(reader));
        }
        reader.Context = "tensors";
        Place(reader, entries);
    }

    private static Entry ReadEntry(GgufReader reader)
    {
        string name = reader.String();
        reader.Context = name;
        uint rank = reader.UInt32();
        if (rank is 0 or > LargestRank)
            throw reader.Bad(FormattableString.Invariant($"1 … {LargestRank} dimensions"), FormattableString.Invariant($"{rank}"), "the file is damaged: fetch it again");
        var shape = new long[rank];
        for (int i = shape.Length - 1; i >= 0; i--) shape[i] = (long)reader.UInt64();
        uint number = reader.UInt32();
        if (GgufTensorTypes.Find(number) is not TensorType type)
        {
            throw reader.Bad($"one of {GgufTensorTypes.Names}", GgufTensorTypes.NameOf(number),
                "this type is not read: take the model in one of these, such as the Q8_0 or Q4_K_M file");
        }
        ulong offset = reader.UInt64();
        if (!type.TryMeasure(shape, out long bytes) || bytes == 0)
        {
            throw reader.Bad(FormattableString.Invariant($"dimensions from 1, rows of whole blocks of {type.BlockLength()}, and a size that fits a file"),
                TensorInfo.ShapeToText(shape), "the file is damaged: fetch it again");
        }
        return new Entry(name, type, [.. shape], offset, bytes);
    }

    private void Place(GgufReader reader, List<Entry> entries)
    {
        int alignment = Metadata.Alignment();
        long start = (reader.Position + alignment - 1) / alignment * alignment, room = Math.Max(0, _file.Length - start);
        entries.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        ulong end = 0;
        foreach (Entry entry in entries)
        {
            reader.Context = entry.Name;
            if (entry.Offset % (ulong)alignment != 0 || entry.Offset < end)
            {
                throw reader.Bad(FormattableString.Invariant($"an offset from {end} on that {alignment} divides"), FormattableString.Invariant($"{entry.Offset}"),
                    "tensors overlap: fetch the file again");
            }
            if (entry.Offset > (ulong)room || entry.Bytes > room - (long)entry.Offset)
            {
                throw reader.Bad(FormattableString.Invariant($"{entry.Bytes} bytes at offset {entry.Offset}"),
                    FormattableString.Invariant($"a data section of {room} bytes"), "the file is cut short: fetch it again");
            }
            end = entry.Offset + (ulong)entry.Bytes;
            if (!_tensors.TryAdd(entry.Name, new TensorInfo(entry.Name, entry.Type, entry.Shape, _file, start + (long)entry.Offset)))
                throw reader.Bad("each tensor once", "it twice", "the file is damaged: fetch it again");
        }
    }

    private sealed record Entry(string Name, TensorType Type, ImmutableArray<long> Shape, ulong Offset, long Bytes);
}
