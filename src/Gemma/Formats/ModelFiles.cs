using System.Diagnostics.CodeAnalysis;
using Gemma.Tokenization;

namespace Gemma.Formats;

/// <summary>
/// A model on disk, whichever format it is in: its configuration, and every tensor of <see cref="TensorTable"/> under the table's own names.
/// What opens has been checked: each tensor is there, in the right shape, in a type that can be read.
/// </summary>
public sealed class ModelFiles : IDisposable
{
    private readonly Dictionary<TensorSpec, TensorInfo> _found = [];

    private ModelFiles(string path, GemmaConfig config, ITensorFile tensors)
    {
        Path = path;
        Config = config;
        Tensors = tensors;
    }

    /// <summary>What was opened: a folder or a file.</summary>
    public string Path { get; }

    public GemmaConfig Config { get; }

    public ITensorFile Tensors { get; }

    /// <summary>How the makers would have it sampled, where they say.</summary>
    public GenerationDefaults? Defaults { get; private init; }

    /// <summary>The makers' chat template (Jinja), where the files hold one.</summary>
    public string? ChatTemplate { get; private init; }

    /// <summary>The bytes of a small file beside the weights, such as tokenizer.model; null where there is none, and always beside a GGUF file.</summary>
    internal Func<string, byte[]?> Companion { get; private init; } = _ => null;

    /// <summary>Tensors of the files that the text model does not use, such as a vision tower.</summary>
    public IReadOnlyList<string> IgnoredTensors { get; private set; } = [];

    /// <summary>The type that holds most of the matrices' bytes.</summary>
    public TensorType DominantType => _found.Where(pair => !pair.Key.IsNorm).GroupBy(pair => pair.Value.Type, pair => pair.Value.ByteCount)
        .MaxBy(group => group.Sum())!.Key;

    /// <summary>The files that the weights are read from, in the order of the table.</summary>
    internal IReadOnlyList<MappedFile> WeightFiles => [.. TensorTable.For(Config).Select(spec => _found[spec].File).Distinct()];

    /// <summary>Average bits of a weight, norms included.</summary>
    public double WeightBits => 8.0 * _found.Values.Sum(tensor => tensor.ByteCount) / Config.ParameterCount;

    /// <summary>Opens a folder in Hugging Face's layout, a <c>.safetensors</c> file in such a folder, or a <c>.gguf</c> file.</summary>
    /// <exception cref="GemmaException">Something is missing or wrong; the message says what, where, and what to do.</exception>
    public static ModelFiles Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Directory.Exists(path) ? OpenFolder(path, path, FindWeights(path))
            : path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase) ? OpenSafetensors(path)
            : path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) || File.Exists(path) ? OpenGguf(path)
            : throw new UsageException($"{path}: no model there; name a folder with config.json and model.safetensors, or a .gguf or .safetensors file");
    }

    /// <summary>Opens a model whose files are in memory, such as one that ships inside a program.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="files">The files of a Hugging Face folder by name, the weights in one <c>model.safetensors</c>. They must not change any more.</param>
    public static ModelFiles FromMemory(string name, IReadOnlyDictionary<string, byte[]> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        byte[] Require(string file) => files.TryGetValue(file, out byte[]? bytes) ? bytes : throw new GemmaException($"{name}: expected {file}, found none");
        string InModel(string file) => $"{name}/{file}";
        GemmaConfig config = JsonFields.Parse(InModel("config.json"), Require("config.json"), HuggingFaceConfig.Read);
        GenerationDefaults? defaults = files.TryGetValue("generation_config.json", out byte[]? json)
            ? JsonFields.Parse(InModel("generation_config.json"), json, GenerationDefaults.Read) : null;
        var weights = Safetensors.Of(MappedFile.Of(InModel(Safetensors.FileName), Require(Safetensors.FileName)));
        return Check(new ModelFiles(name, WithEos(config, defaults, InModel("generation_config.json")), weights)
        {
            Defaults = defaults,
            Companion = files.GetValueOrDefault,
        });
    }

    /// <summary>The tensor in the file.</summary>
    public TensorInfo Find(TensorSpec spec) => _found[spec];

    /// <summary>
    /// One row as fp32, <see cref="TensorSpec.Columns"/> values. Norms come out as the gain 1 + w whatever the file holds. Thread-safe.
    /// </summary>
    /// <exception cref="BadFileException">The row holds a NaN or an infinity.</exception>
    public void ReadRow(TensorSpec spec, long row, Span<float> destination)
    {
        ReadPublishedRow(spec, row, destination);
        if (!spec.IsNorm || NormsHoldGain) return;
        foreach (ref float weight in destination) weight += 1;
    }

    /// <summary>Whether the file's norms are 1 + w (GGUF) rather than w (safetensors).</summary>
    internal bool NormsHoldGain => Tensors is Gguf;

    /// <summary>One row as fp32, norms as the file holds them.</summary>
    /// <exception cref="BadFileException">The row holds a NaN or an infinity.</exception>
    internal void ReadPublishedRow(TensorSpec spec, long row, Span<float> destination)
    {
        TensorInfo tensor = _found[spec];
        Tensors.ReadRow(tensor, row, destination);
        if (!RowCodec.AllFinite(destination)) ThrowDamaged(tensor, row);
    }

    /// <summary>One row of a quantised tensor as the file has it.</summary>
    /// <exception cref="BadFileException">A scale is a NaN or infinite.</exception>
    internal ReadOnlySpan<byte> ReadBlocks(TensorSpec spec, long row)
    {
        TensorInfo tensor = _found[spec];
        ReadOnlySpan<byte> blocks = Tensors.RowBytes(tensor, row);
        if (!RowCodec.HasFiniteScales(tensor.Type, blocks)) ThrowDamaged(tensor, row);
        return blocks;
    }

    [DoesNotReturn]
    private void ThrowDamaged(TensorInfo tensor, long row) => throw new BadFileException(Tensors.PathOf(tensor),
        FormattableString.Invariant($"{tensor.Name} row {row}"), "numbers", "NaN or infinity", "the weights are damaged: fetch the model again");

    /// <summary>Says that a tensor has been read: its pages may leave this process's memory, so that loading does not hold the model twice.</summary>
    internal void Forget(TensorSpec spec)
    {
        TensorInfo tensor = _found[spec];
        tensor.File.Forget(tensor.Offset, tensor.ByteCount);
    }

    /// <summary>The tokenizer that came with the weights, or null where none did.</summary>
    /// <exception cref="BadFileException">It is damaged, or another model's.</exception>
    public SentencePieceTokenizer? ReadTokenizer()
    {
        SentencePieceModel? model = Tensors is Gguf gguf ? GgufTokenizer.IsIn(gguf.Metadata) ? GgufTokenizer.Read(gguf.Metadata) : null
            : Companion(SentencePieceTokenizer.FileName) is byte[] pieces ? SentencePieceModel.Parse($"{SentencePieceTokenizer.FileName} of {Path}", pieces) : null;
        if (model is null) return null;
        CheckTokenizer(model.Pieces.Length, model.File);
        return new SentencePieceTokenizer(model);
    }

    /// <summary>Throws where a tokenizer's pieces are not this model's: more of them than rows, or fewer than padding of the table explains.</summary>
    /// <param name="pieces">Pieces of the tokenizer.</param>
    /// <param name="tokenizerFile">Where they come from, for the message.</param>
    /// <exception cref="BadFileException">They are another model's.</exception>
    public void CheckTokenizer(int pieces, string tokenizerFile)
    {
        // Gemma 3 has 262,144 pieces, and from 4B on 262,208 rows: tables are padded for the makers' machines.
        const int MostPadding = 256;
        if (pieces > Config.VocabularySize || pieces <= Config.VocabularySize - MostPadding)
        {
            throw new BadFileException(tokenizerFile, null, FormattableString.Invariant($"a piece for each of the {Config.VocabularySize} rows of the model's embedding"),
                FormattableString.Invariant($"{pieces} pieces"), "this is the tokenizer of another model: take the one that came with the weights");
        }
    }

    public void Dispose() => Tensors.Dispose();

    /// <summary>A GGUF file that is open already; disposed with the result.</summary>
    internal static ModelFiles Of(string path, Gguf gguf) => Check(new ModelFiles(path, GgufModel.Config(gguf), gguf)
    {
        Defaults = GgufModel.Defaults(gguf.Metadata),
        ChatTemplate = gguf.Metadata.String(GgufModel.ChatTemplateKey),
    });

    /// <summary>Safetensors that are open already; disposed with the result.</summary>
    internal static ModelFiles Of(string path, GemmaConfig config, Safetensors tensors) => Check(new ModelFiles(path, config, tensors));

    private static ModelFiles OpenSafetensors(string path)
    {
        if (!File.Exists(path)) throw new GemmaException($"{path}: no such file; check the path, or fetch the model again");
        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!, index = System.IO.Path.Combine(folder, Safetensors.IndexName);
        bool shard = System.IO.Path.GetFileName(path).Contains("-of-", StringComparison.Ordinal) && File.Exists(index);
        return OpenFolder(path, folder, shard ? index : path);
    }

    private static ModelFiles OpenGguf(string path)
    {
        var gguf = Gguf.Open(path);
        try
        {
            return Of(path, gguf);
        }
        catch
        {
            gguf.Dispose();
            throw;
        }
    }

    private static string FindWeights(string folder)
    {
        foreach (string name in (string[])[Safetensors.IndexName, Safetensors.FileName])
        {
            string candidate = System.IO.Path.Combine(folder, name);
            if (File.Exists(candidate)) return candidate;
        }
        string[] gguf = Directory.GetFiles(folder, "*.gguf");
        throw new GemmaException(gguf.Length > 0
            ? $"{folder}: expected {Safetensors.FileName}, found GGUF; name the file itself: {gguf[0]}"
            : $"{folder}: expected config.json and {Safetensors.FileName} or {Safetensors.IndexName}, found no weights; fetch the model again");
    }

    private static ModelFiles OpenFolder(string path, string folder, string weights)
    {
        string InFolder(string name) => System.IO.Path.Combine(folder, name);
        if (!File.Exists(InFolder("config.json")))
            throw new GemmaException($"{folder}: expected config.json beside the weights, found none; fetch the whole model");
        GemmaConfig config = HuggingFaceConfig.Load(InFolder("config.json"));
        GenerationDefaults? defaults = File.Exists(InFolder("generation_config.json")) ? JsonFields.Load(InFolder("generation_config.json"), GenerationDefaults.Read) : null;
        return Check(new ModelFiles(path, WithEos(config, defaults, InFolder("generation_config.json")), Safetensors.Open(weights))
        {
            Defaults = defaults,
            ChatTemplate = HuggingFaceChatTemplate.Find(folder),
            Companion = name => File.Exists(InFolder(name)) ? MappedFile.ReadSmall(InFolder(name)) : null,
        });
    }

    private static GemmaConfig WithEos(GemmaConfig config, GenerationDefaults? defaults, string file)
    {
        if (defaults is null) return config;
        config = config with { EosIds = [.. config.EosIds.Union(defaults.EosIds)] };
        config.Validate(file);
        return config;
    }

    /// <summary>Fills the map from table to file; disposes the files where they do not hold the model.</summary>
    private static ModelFiles Check(ModelFiles files)
    {
        try
        {
            TensorMap map = TensorMap.For(files.Tensors, files.Path);
            foreach (TensorSpec spec in TensorTable.For(files.Config)) files._found.Add(spec, map.Find(spec));
            HashSet<TensorInfo> used = [.. files._found.Values];
            files.IgnoredTensors = [.. files.Tensors.Tensors.Values.Where(tensor => !used.Contains(tensor)).Select(tensor => tensor.Name), .. map.Others];
            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }
}
