namespace Gemma.Formats;

/// <summary>Finds the tensors of <see cref="TensorTable"/> in a file, whatever prefix its maker put before the names, and checks type and shape.</summary>
internal sealed class TensorMap
{
    private const string Root = "model.";

    // Multimodal models nest the text model in one of two ways; a bare base model has no prefix at all.
    private static readonly string[] Prefixes = [Root, "language_model.model.", "model.language_model.", ""];

    private readonly ITensorFile _file;
    private readonly string _path;
    private readonly string _prefix;

    private TensorMap(ITensorFile file, string path, string prefix)
    {
        _file = file;
        _path = path;
        _prefix = prefix;
    }

    /// <summary>Names of tensors in types that cannot be read.</summary>
    public IEnumerable<string> Others => _file is Safetensors safetensors ? safetensors.Others.Keys : [];

    public static TensorMap For(ITensorFile file, string path) =>
        new(file, path, Prefixes.FirstOrDefault(prefix => file.Tensors.ContainsKey(prefix + "embed_tokens.weight"), Root));

    public TensorInfo Find(TensorSpec spec)
    {
        string name = NameOf(spec), expected = spec.IsNorm ? FormattableString.Invariant($"{spec.Columns}") : FormattableString.Invariant($"{spec.Rows} × {spec.Columns}");
        if (!_file.Tensors.TryGetValue(name, out TensorInfo? tensor))
        {
            if (_file is Safetensors safetensors && safetensors.Others.TryGetValue(name, out string? type))
                throw new BadFileException(_path, name, "F32, F16 or BF16", type, "convert the weights to one of these, or take another copy of the model");
            throw new BadFileException(_path, name, $"a tensor of {expected}", "none of that name", "the weights are of another model than the configuration, or incomplete");
        }
        bool fits = spec.IsNorm
            ? tensor.Rows == 1 && tensor.Columns == spec.Columns
            : tensor.Shape.Length == 2 && tensor.Rows == spec.Rows && tensor.Columns == spec.Columns;
        return fits ? tensor
            : throw new BadFileException(_file.PathOf(tensor), name, $"a shape of {expected}", tensor.ShapeText, "the weights are of another model than the configuration");
    }

    /// <summary>The names that something of the table may have, whatever prefix its maker put before them.</summary>
    public static IEnumerable<string> NamesOf(string name) => Prefixes.Select(prefix => prefix + name[Root.Length..]);

    private string NameOf(TensorSpec spec) => _file is Safetensors ? _prefix + spec.HuggingFaceName[Root.Length..] : spec.GgufName;
}
