using System.Text.Json;

namespace Gemma.Formats;

/// <summary>Tensors of a safetensors file, or of the shards that a <c>model.safetensors.index.json</c> names.</summary>
public sealed class Safetensors : ITensorFile
{
    /// <summary>Name of a model's one file.</summary>
    public const string FileName = "model.safetensors";

    /// <summary>Name of the list of a model's shards.</summary>
    public const string IndexName = "model.safetensors.index.json";

    private readonly List<MappedFile> _files = [];
    private readonly Dictionary<string, TensorInfo> _tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _others = new(StringComparer.Ordinal);

    private Safetensors() { }

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>Tensors of other types than F32, F16 and BF16, with the type's name.</summary>
    internal IReadOnlyDictionary<string, string> Others => _others;

    /// <summary>Opens one file, or all shards of an index when the path ends in <c>.json</c>.</summary>
    /// <exception cref="BadFileException">A file is not what it should be; the message names it and the tensor.</exception>
    public static Safetensors Open(string path)
    {
        var result = new Safetensors();
        try
        {
            if (!path.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            {
                result.Add(MappedFile.Open(path));
                return result;
            }
            string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
            Dictionary<string, string> index = JsonFields.Load(path, ReadIndex);
            foreach (string shard in index.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
                result.Add(MappedFile.Open(Path.Combine(folder, shard)));
            result.CheckIndex(path, index);
            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    /// <summary>A file that lives in memory.</summary>
    internal static Safetensors Of(MappedFile file)
    {
        var result = new Safetensors();
        result.Add(file);
        return result;
    }

    /// <summary>Shards that live in memory, and their index.</summary>
    internal static Safetensors Of(string path, Dictionary<string, string> index, IEnumerable<MappedFile> shards)
    {
        var result = new Safetensors();
        foreach (MappedFile shard in shards) result.Add(shard);
        result.CheckIndex(path, index);
        return result;
    }

    /// <summary>The index's tensors with their shards' file names.</summary>
    internal static Dictionary<string, string> ReadIndex(JsonFields fields)
    {
        JsonFields map = fields.Object("weight_map") ?? throw fields.Missing("weight_map", "the shard of each tensor");
        var index = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (JsonProperty property in map.All)
        {
            string shard = map.String(property.Name) ?? "null";
            // A shard is a file beside the index: a name that leads elsewhere is an attack or a mistake.
            if (shard.Length == 0 || shard is "." or ".." || shard.AsSpan().IndexOfAny("/\\:") >= 0 || shard.Any(char.IsControl))
                throw fields.Wrong($"weight_map.{property.Name}", "the name of a file in the same folder", shard);
            index.Add(property.Name, shard);
        }
        return index;
    }

    public string PathOf(TensorInfo tensor) => tensor.File.Path;

    public ReadOnlySpan<byte> RowBytes(TensorInfo tensor, long row) => MappedFile.RowBytes(tensor, row);

    public void ReadRow(TensorInfo tensor, long row, Span<float> destination) => RowCodec.Decode(tensor.Type, RowBytes(tensor, row), destination);

    public void Dispose()
    {
        foreach (MappedFile file in _files) file.Dispose();
    }

    private void Add(MappedFile file)
    {
        _files.Add(file);
        SafetensorsHeader header = SafetensorsHeader.Read(file);
        foreach (TensorInfo tensor in header.Tensors.Values)
        {
            if (!_tensors.TryAdd(tensor.Name, tensor))
                throw new BadFileException(file.Path, tensor.Name, "each tensor in one shard", $"it in {_tensors[tensor.Name].File.Path} too", "fetch the shards again");
        }
        foreach ((string name, string type) in header.Others) _others.TryAdd(name, type);
    }

    private void CheckIndex(string path, Dictionary<string, string> index)
    {
        foreach ((string name, string shard) in index)
        {
            bool there = _tensors.TryGetValue(name, out TensorInfo? tensor)
                ? Path.GetFileName(tensor.File.Path) == shard
                : _others.ContainsKey(name);
            if (!there) throw new BadFileException(path, name, $"the tensor in {shard}", "none of that name there", "index and shards are of different models: fetch both again");
        }
    }
}
