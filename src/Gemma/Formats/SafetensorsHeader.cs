using System.Buffers.Binary;
using System.Text.Json;

namespace Gemma.Formats;

/// <summary>
/// The head of a safetensors file: eight bytes of length, then that much JSON that gives each tensor's type, shape and place in the rest of the file.
/// As the format demands, the tensors must cover the rest exactly: no gap, no overlap, nothing behind the last.
/// </summary>
internal sealed class SafetensorsHeader
{
    private const int LengthBytes = 8;

    // The format's own limit; no published header has come to a hundredth of it.
    private const long LargestHeader = 100_000_000;

    private const int LargestRank = 8;

    private readonly Dictionary<string, TensorInfo> _tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _others = new(StringComparer.Ordinal);
    private readonly List<(string Name, long Begin, long End)> _ranges = [];
    private readonly MappedFile _file;
    private readonly long _dataStart;

    private SafetensorsHeader(MappedFile file, long dataStart)
    {
        _file = file;
        _dataStart = dataStart;
    }

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>Tensors of types this library does not compute with, with the name of the type: a checkpoint may carry integer buffers.</summary>
    public IReadOnlyDictionary<string, string> Others => _others;

    /// <exception cref="BadFileException">The header or the placement of a tensor is wrong.</exception>
    public static SafetensorsHeader Read(MappedFile file)
    {
        if (file.Length < LengthBytes)
            throw Bad(file, null, "8 bytes of header length", FormattableString.Invariant($"a file of {file.Length} bytes"), "fetch the file again");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(file.Bytes(0, LengthBytes));
        long rest = file.Length - LengthBytes;
        if (length > LargestHeader || length > (ulong)rest)
        {
            throw Bad(file, null, FormattableString.Invariant($"a header of at most {Math.Min(rest, LargestHeader)} bytes"),
                FormattableString.Invariant($"a header length of {length}"), "the file is cut short or no safetensors file: fetch it again");
        }
        byte[] json = file.Bytes(LengthBytes, (int)length).ToArray();
        return JsonFields.Parse(file.Path, json, fields =>
        {
            var header = new SafetensorsHeader(file, LengthBytes + (long)length);
            foreach (JsonProperty property in fields.All)
                if (!property.NameEquals("__metadata__"u8)) header.Add(property.Name, property.Value);
            header.CheckCover();
            return header;
        });
    }

    private void Add(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty("dtype", out JsonElement dtype) || dtype.ValueKind != JsonValueKind.String
            || !value.TryGetProperty("shape", out JsonElement shapeField) || !value.TryGetProperty("data_offsets", out JsonElement offsetsField))
        {
            throw Bad(_file, name, "dtype, shape and data_offsets", value.ValueKind == JsonValueKind.Object ? "an incomplete entry" : $"a JSON {value.ValueKind}",
                "fetch the file again");
        }
        long[] shape = Numbers(name, "shape", shapeField, LargestRank), offsets = Numbers(name, "data_offsets", offsetsField, 2);
        if (offsets.Length != 2) throw Bad(_file, name, "two data_offsets", FormattableString.Invariant($"{offsets.Length}"), "fetch the file again");
        (long begin, long end, long room) = (offsets[0], offsets[1], _file.Length - _dataStart);
        if (begin > end || end > room)
        {
            throw Bad(_file, name, FormattableString.Invariant($"data within the {room} bytes behind the header"),
                FormattableString.Invariant($"bytes {begin} … {end}"), "the file is cut short: fetch it again");
        }
        string type = dtype.GetString()!;
        if (!TryMeasure(type, shape, out long bytes))
            throw Bad(_file, name, "a known dtype and a shape that fits a file", $"{type} of {TensorInfo.ShapeToText(shape)}", "fetch the file again");
        if (bytes != end - begin)
        {
            throw Bad(_file, name, FormattableString.Invariant($"{bytes} bytes for {type} of {TensorInfo.ShapeToText(shape)}"),
                FormattableString.Invariant($"{end - begin} bytes"), "fetch the file again");
        }
        _ranges.Add((name, begin, end));
        if (TypeOf(type) is TensorType known)
            _tensors.Add(name, new TensorInfo(name, known, [.. shape], _file, _dataStart + begin));
        else
            _others.Add(name, type);
    }

    private long[] Numbers(string tensor, string field, JsonElement element, int most)
    {
        if (element.ValueKind != JsonValueKind.Array || element.GetArrayLength() > most)
            throw Bad(_file, tensor, FormattableString.Invariant($"a list of up to {most} numbers as {field}"), $"a JSON {element.ValueKind}", "fetch the file again");
        var numbers = new long[element.GetArrayLength()];
        int count = 0;
        foreach (JsonElement item in element.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out numbers[count]) || numbers[count] < 0)
                throw Bad(_file, tensor, $"whole numbers from 0 as {field}", item.GetRawText(), "fetch the file again");
            count++;
        }
        return numbers;
    }

    private void CheckCover()
    {
        _ranges.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        long covered = 0;
        foreach ((string name, long begin, long end) in _ranges)
        {
            if (begin != covered)
            {
                throw Bad(_file, name, FormattableString.Invariant($"data from byte {covered} on, where the tensor before it ends"),
                    FormattableString.Invariant($"byte {begin}"), "tensors overlap or leave gaps: fetch the file again");
            }
            covered = end;
        }
        long room = _file.Length - _dataStart;
        if (covered != room)
        {
            throw Bad(_file, null, FormattableString.Invariant($"{covered} bytes of tensors"), FormattableString.Invariant($"{room} bytes behind the header"),
                "the file was not written to its end: fetch it again");
        }
    }

    private static TensorType? TypeOf(string dtype) => dtype switch
    {
        "F32" => TensorType.F32,
        "F16" => TensorType.F16,
        "BF16" => TensorType.BF16,
        _ => null,
    };

    private static bool TryMeasure(string dtype, long[] shape, out long bytes)
    {
        if (TypeOf(dtype) is TensorType type) return type.TryMeasure(shape, out bytes);
        int factor = dtype switch
        {
            "BOOL" or "U8" or "I8" or "F8_E4M3" or "F8_E5M2" or "F8_E8M0" => 1,
            "U16" or "I16" => 2,
            "U32" or "I32" => 4,
            "U64" or "I64" or "F64" or "C64" => 8,
            _ => 0,
        };
        bytes = factor;
        foreach (long dimension in shape)
        {
            if (dimension > 0 && bytes > long.MaxValue / dimension) return false;
            bytes *= dimension;
        }
        return factor > 0;
    }

    private static BadFileException Bad(MappedFile file, string? tensor, string expected, string actual, string remedy) =>
        new(file.Path, tensor, expected, actual, remedy);
}
