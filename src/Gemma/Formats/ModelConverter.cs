using System.Collections.Immutable;
using Gemma.Tokenization;

namespace Gemma.Formats;

/// <summary>
/// Any model that can be read, into a GGUF file or a folder in Hugging Face's layout: what <c>gemma convert</c> and <c>gemma quantize</c> do. Rows stream
/// from the mapped source to their places, so that a model of any size takes the memory of a few rows.
/// </summary>
public sealed class ModelConverter
{
    private readonly ModelFiles _files;
    private readonly string _destination;
    private readonly ConvertOptions _options;
    private readonly CancellationToken _cancellation;
    private readonly Rounding _matrices = new(), _norms = new();
    private readonly List<string> _notes = [];

    private ModelConverter(ModelFiles files, string destination, ConvertOptions options, CancellationToken cancellation) =>
        (_files, _destination, _options, _cancellation) = (files, destination, options, cancellation);

    /// <summary>Converts; a destination that ends in <c>.gguf</c> is a file, any other a folder.</summary>
    /// <param name="source">A folder, a <c>.safetensors</c> or a <c>.gguf</c> file.</param>
    /// <exception cref="GemmaException">The source is bad, the destination taken, the type impossible, or the disk says no; nothing is written then.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public static ConversionResult Convert(string source, string destination, ConvertOptions? options = null, CancellationToken cancellation = default)
    {
        using ModelFiles files = ModelFiles.Open(source);
        return Convert(files, destination, options, cancellation);
    }

    /// <summary>Converts files that are open already.</summary>
    public static ConversionResult Convert(ModelFiles files, string destination, ConvertOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentException.ThrowIfNullOrEmpty(destination);
        return new ModelConverter(files, destination, options ?? new ConvertOptions(), cancellation).Run();
    }

    /// <summary>The source's; with an adapter that has learnt to take turns it ends them too.</summary>
    private GemmaConfig Config => field ??= _options.Adapter?.ChatTemplate is null || _files.ReadTokenizer()?.EndOfTurnId is not int end ? _files.Config
        : _files.Config with { EosIds = [.. _files.Config.EosIds.Union([end])] };

    private string? ChatTemplate => _options.Adapter?.ChatTemplate ?? _files.ChatTemplate;

    private GgufMetadata? SourceMetadata => (_files.Tensors as Gguf)?.Metadata;

    private ConversionResult Run()
    {
        if (_options.Type is TensorType wanted && !RowCodec.CanEncode(wanted))
            throw new UsageException($"{wanted} is read, not written; choose F32, F16, BF16, Q8_0, Q6_K, Q4_K or Q4_0");
        if (_files.IgnoredTensors.Count > 0)
        {
            _notes.Add(FormattableString.Invariant(
                $"left out: {_files.IgnoredTensors.Count} tensors that the text model does not use, such as {_files.IgnoredTensors[0]}"));
        }
        if (Path.GetFullPath(_files.Path) == Path.GetFullPath(_destination) || Path.GetFullPath(SourceFolder) == Path.GetFullPath(_destination))
            throw new UsageException($"{_destination}: expected another place than the source; choose another name");
        bool toGguf = _destination.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);
        if (!toGguf && Path.GetExtension(_destination) is ".safetensors" or ".bin" or ".json")
            throw new UsageException($"{_destination}: expected a .gguf file or the name of a folder, which gets {Safetensors.FileName} and its configuration");
        (TensorType type, long bytes) = toGguf ? ToGguf() : ToFolder();
        Note(_matrices, $"weights rounded to {type}", "");
        Note(_norms, "norms rounded", toGguf && !_files.NormsHoldGain ? ": GGUF holds 1 + w, the sum the model computes with in any case" : "");
        return new ConversionResult(_destination, type, bytes, [.. _notes]);
    }

    private (TensorType Type, long Bytes) ToGguf()
    {
        NewFile.CheckFree(_destination, _options.Force);
        GgufMetadata metadata = SourceMetadata is GgufMetadata source ? CopyOf(source) : FromFolder();
        TensorType type = _options.Type ?? _files.DominantType;
        metadata.Set("general.file_type", _options.Type is null && SourceMetadata?.Int("general.file_type") is int same ? (uint)same : GgufTensorTypes.FileType(type));
        List<TensorContent> tensors = [.. TensorTable.For(Config).Select(spec => Convert(spec, GgufType(spec), toGguf: true))];
        if (tensors.Any(tensor => tensor.Type.IsQuantised())) metadata.Set("general.quantization_version", 2u);
        GemmaConfig held = GgufModel.Config(metadata, Config.VocabularySize);
        ConfigComparison.ThrowIfComputedOtherwise(_destination, Config, held);
        if (GgufModel.HasUnusualQueryScalar(Config))
        {
            _notes.Add(FormattableString.Invariant(
                $"query_pre_attn_scalar {Config.QueryPreAttentionScalar} is kept under attention.scale, which llama.cpp does not read for Gemma: there the model answers differently"));
        }
        if (ConfigComparison.LostIds(Config, held) is string lost) _notes.Add(lost);
        GgufWriter.Write(_destination, metadata, tensors, _options, _cancellation);
        return (type, tensors.Sum(tensor => tensor.ByteCount));
    }

    private (TensorType Type, long Bytes) ToFolder()
    {
        HuggingFaceFolder.CheckFree(_destination, _options.Force);
        if (SourceMetadata is GgufMetadata source && GgufModel.KeysNoFolderHolds(source) is [string first, ..] keys)
            _notes.Add(FormattableString.Invariant($"left out: {keys.Length} metadata values that a folder has no place for, such as {first}"));
        TensorType type = _options.Type ?? FolderType();
        if (type.IsQuantised()) throw new UsageException($"{_destination}: expected F32, F16 or BF16 for a folder, found {type}; name a .gguf file for that");
        List<TensorContent> tensors = [.. TensorTable.For(Config).Select(spec => Convert(spec, type, toGguf: false))];
        new HuggingFaceFolder
        {
            Config = Config,
            Tensors = tensors,
            Defaults = _files.Defaults,
            ChatTemplate = ChatTemplate,
            Tokenizer = SourceMetadata is null ? null : GgufTokenizer(),
            Copies = HuggingFaceFolder.Companions(_files, withTurns: _options.Adapter?.ChatTemplate is null),
        }.Write(_destination, _options, _cancellation);
        return (type, tensors.Sum(tensor => tensor.ByteCount));
    }

    private string SourceFolder => Directory.Exists(_files.Path) ? _files.Path : Path.GetDirectoryName(Path.GetFullPath(_files.Path))!;

    private TensorContent Convert(TensorSpec spec, TensorType type, bool toGguf) =>
        new TensorConversion(_files, spec, type, toGguf, spec.IsNorm ? _norms : _matrices, _options.Adapter).Content();

    /// <summary>Norms stay F32.</summary>
    private TensorType GgufType(TensorSpec spec) => spec.IsNorm ? TensorType.F32
        : _options.Type is TensorType type ? TypeMix.Of(type, spec, Config)
        : _files.Find(spec).Type;

    /// <summary>The one type that all matrices have, or F32: every number of every other type fits it.</summary>
    private TensorType FolderType()
    {
        TensorType[] types = [.. TensorTable.For(Config).Where(spec => !spec.IsNorm).Select(spec => _files.Find(spec).Type).Distinct()];
        if (types is [TensorType.F32 or TensorType.F16 or TensorType.BF16]) return types[0];
        _notes.Add($"the weights ({string.Join(", ", types)}) become F32, which keeps every value; BF16 halves the files and rounds them");
        return TensorType.F32;
    }

    /// <summary>All keys of the source. The alignment goes with them; the writer obeys it.</summary>
    private GgufMetadata CopyOf(GgufMetadata source)
    {
        var metadata = new GgufMetadata(_destination);
        foreach ((string key, object value) in source) metadata.Add(key, value);
        if (_options.Adapter?.ChatTemplate is not string template) return metadata;
        GgufModel.AddIds(metadata, Config);
        metadata.Set(GgufModel.ChatTemplateKey, template);
        return metadata;
    }

    private GgufMetadata FromFolder()
    {
        GgufMetadata metadata = GgufModel.Metadata(_destination, Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(SourceFolder))), Config);
        AddTokenizer(metadata);
        GgufModel.AddIds(metadata, Config);
        if (_files.Defaults is GenerationDefaults defaults) GgufModel.AddDefaults(metadata, defaults);
        if (ChatTemplate is string template) metadata.Add(GgufModel.ChatTemplateKey, template);
        return metadata;
    }

    /// <summary>llama.cpp wants as many pieces as the embedding has rows; its own converter fills up in the same way.</summary>
    private void AddTokenizer(GgufMetadata metadata)
    {
        if (_files.ReadTokenizer()?.Model is not SentencePieceModel model)
        {
            _notes.Add($"{_files.Path} has no {HuggingFaceFolder.TokenizerName}, so the GGUF file has no tokenizer: other programs will not run it");
            return;
        }
        IEnumerable<SentencePiece> padding = Enumerable.Range(model.Pieces.Length, Config.VocabularySize - model.Pieces.Length)
            .Select(id => new SentencePiece(PaddingText(id), -10_000, PieceType.Unused));
        WithPieces(model, [.. model.Pieces, .. padding]).ToGguf(metadata);
    }

    private byte[]? GgufTokenizer()
    {
        if (_files.ReadTokenizer()?.Model is not SentencePieceModel model) return null;
        int count = model.Pieces.Length;
        while (count > 0 && model.Pieces[count - 1].Type == PieceType.Unused && model.Pieces[count - 1].Text == PaddingText(count - 1)) count--;
        return WithPieces(model, model.Pieces[..count]).ToBytes();
    }

    private static string PaddingText(int id) => FormattableString.Invariant($"[PAD{id}]");

    private static SentencePieceModel WithPieces(SentencePieceModel model, ImmutableArray<SentencePiece> pieces) => pieces.Length == model.Pieces.Length ? model
        : SentencePieceModel.Of(model.File, pieces, model.UnknownId, model.BosId, model.EosId, model.PadId);

    private void Note(Rounding rounding, string what, string why)
    {
        if (rounding.Changed == 0) return;
        _notes.Add(FormattableString.Invariant($"{what}: {rounding.Changed:N0} of {rounding.Count:N0} changed, relative error {rounding.RelativeError:G2}{why}"));
    }
}
