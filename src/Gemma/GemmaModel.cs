using System.Collections.Immutable;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Formats;
using Gemma.Generation;
using Gemma.Tokenization;

namespace Gemma;

/// <summary>How a model is brought into memory.</summary>
public sealed record LoadOptions
{
    /// <summary>
    /// How weights are kept. Null: each tensor as the file has it, number by number for F32, BF16, Q8_0, Q5_0, Q4_0, Q4_K and Q6_K, and where there are no products with
    /// its type (F16, Q5_K), in the nearest one.
    /// </summary>
    public WeightType? Type { get; init; }

    /// <summary>
    /// How the tied embedding is kept, which is also the head. Null: as <see cref="Type"/> says, and with it <see cref="WeightType.Q8"/> for <see cref="WeightType.Q4"/>
    /// and <see cref="WeightType.Q6_K"/> for <see cref="WeightType.Q4_K"/>, since every token's probabilities come from it.
    /// </summary>
    public WeightType? HeadType { get; init; }

    /// <summary>Threads that compute; 0 is one for each processor that the process may use, and more than these are not started.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// With bf16 weights, rounds activations to bf16 as well where the processor multiplies such numbers (AVX512-BF16), as the official code does when it
    /// computes in bf16: prefill is faster, and logits are off by up to 2 % of their size. Without, activations are fp32 whatever the weights are.
    /// </summary>
    public bool RoundActivations { get; init; }

    /// <summary>
    /// Keeps the packed weights in a file, so that the next load maps them instead of packing anew: beside the model (<c>model.q8.packed</c> in a folder,
    /// <c>NAME.q8.packed</c> beside a file), or in the user's cache folder where the model's cannot be written. The file takes as much disk as the weights take
    /// memory. It is used only while the model's files are unchanged, and never for weights under 64 MB.
    /// </summary>
    public bool WeightCache { get; init; }

    /// <summary>Hears, in one line each, what happens to packed weights that are kept: that they were, or why they cannot be or are not used.</summary>
    public Action<string>? Notice { get; init; }

    /// <summary>Bytes from which on packed weights are kept.</summary>
    internal long WeightCacheFrom { get; init; } = Cpu.WeightCache.Smallest;

    /// <summary>Where packed weights go that cannot lie beside their model.</summary>
    internal string WeightCacheElsewhere { get; init; } = Cpu.WeightCache.UserFolder;

    /// <summary>Hears the share of the weights that is in memory, 0 … 1.</summary>
    public IProgress<double>? Progress { get; init; }
}

/// <summary>
/// A model in memory, ready to compute: configuration, weights and the backend they are on. One pass at a time; for many requests at once put an
/// <c>Engine</c> before it.
/// </summary>
public sealed class GemmaModel : IDisposable
{
    private readonly ThreadTeam _team;
    private readonly CpuWeights _weights;
    private readonly CpuBackend _backend;
    private readonly Transformer<Matrix> _transformer;
    private bool _disposed;

    private GemmaModel(GemmaConfig config, WeightType type, WeightSource source, int threads, bool roundActivations)
    {
        Config = config;
        WeightType = type;
        HeadType = source.TypeOf(TensorTable.For(config).First(spec => spec.Role == TensorRole.Embedding));
        var kernels = CpuKernels.For(IsaSelection.Current, roundActivations);
        _team = new ThreadTeam(threads);
        try
        {
            _weights = CpuWeights.Load(config, source, kernels, _team);
            _backend = new CpuBackend(config, kernels, _team);
        }
        catch
        {
            _team.Dispose();
            throw;
        }
        RoundsActivations = WeightTypes.Any(kept => PackedWeights.IsQuantised(kept) || (roundActivations && kept == WeightType.BF16));
        _transformer = new Transformer<Matrix>(config, _weights.Weights, _backend);
    }

    public GemmaConfig Config { get; }

    /// <summary>The type that was asked for, or that most of the file's weights are nearest to.</summary>
    public WeightType WeightType { get; }

    /// <summary>The type of the tied embedding, which is also the head.</summary>
    public WeightType HeadType { get; }

    /// <summary>All types that matrices are kept in, the one of most bytes first.</summary>
    public ImmutableArray<WeightType> WeightTypes => _weights.Types;

    /// <summary>Whether activations are rounded to 8 bits or to bf16 for the products; otherwise all computing is in fp32.</summary>
    public bool RoundsActivations { get; }

    /// <summary>The tokenizer that came with the weights, or null where none did.</summary>
    public SentencePieceTokenizer? Tokenizer { get; private set; }

    /// <summary>How the makers would have it sampled, where they say.</summary>
    public GenerationDefaults? Defaults { get; private init; }

    /// <summary>The makers' chat template (Jinja), where the files hold one.</summary>
    public string? ChatTemplate { get; private init; }

    /// <summary>Bytes of the weights in memory.</summary>
    public long WeightBytes => _weights.ByteCount;

    /// <summary>Bytes of weights that a pass of one token reads.</summary>
    public long WeightBytesPerToken => _weights.BytesPerToken;

    /// <summary>Bytes of activations held for the largest pass so far.</summary>
    public long ActivationBytes => _backend.ActivationBytes;

    /// <summary>Threads that compute.</summary>
    public int Threads => _team.Count;

    /// <summary>The kernels in use.</summary>
    public Isa Isa => _backend.Kernels.Isa;

    /// <summary>The kernels in use by name: the tier, and what of the processor they use beyond it.</summary>
    public string Kernels => _backend.Kernels.Name;

    internal ThreadTeam Team => _team;

    internal CpuBackend Backend => _backend;

    internal Weights<Matrix> Weights => _weights.Weights;

    /// <summary>Held by whoever computes, until the result has been read; disposal waits for it.</summary>
    internal Lock Turn { get; } = new();

    /// <summary>Loads a folder in Hugging Face's layout, or a <c>.gguf</c> or <c>.safetensors</c> file.</summary>
    /// <exception cref="GemmaException">Something is missing or wrong; the message says what, where, and what to do.</exception>
    public static GemmaModel Load(string path, LoadOptions? options = null)
    {
        using ModelFiles files = ModelFiles.Open(path);
        return Load(files, options);
    }

    /// <summary>Loads from files that are open already; they may be closed afterwards.</summary>
    public static GemmaModel Load(ModelFiles files, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        options ??= new LoadOptions();
        WeightType type = options.Type ?? Cpu.WeightTypes.Nearest(files.DominantType);
        var source = WeightSource.Of(files, options.Type, options.HeadType);
        using WeightCache? cache = options.WeightCache && files.WeightFiles.All(file => file.Identity is not null) && CpuWeights.BytesOf(files.Config, source.TypeOf) >= options.WeightCacheFrom
            ? new WeightCache(files, type, options.HeadType, options.Notice) { Elsewhere = options.WeightCacheElsewhere } : null;
        // While weights that were kept are checked. Before any are packed it must have gone well: a wrong tokenizer is known before gigabytes are.
        Task<SentencePieceTokenizer?> tokenizer = Task.Run(files.ReadTokenizer);
        source = source with
        {
            Done = files.Forget,
            Cache = cache,
            BeforePacking = () => tokenizer.GetAwaiter().GetResult(),
            Progress = options.Progress,
        };
        GemmaModel? model = null;
        try
        {
            model = new GemmaModel(files.Config, type, source, options.Threads, options.RoundActivations) { Defaults = files.Defaults, ChatTemplate = files.ChatTemplate };
            model.Tokenizer = tokenizer.GetAwaiter().GetResult();
            return model;
        }
        catch
        {
            model?.Dispose();
            // The files may be closed by now, but not while they are read.
            ((IAsyncResult)tokenizer).AsyncWaitHandle.WaitOne();
            throw;
        }
    }

    /// <summary>A model of this shape with random weights, for measurements; bf16 unless the options say otherwise.</summary>
    public static GemmaModel Synthetic(GemmaConfig config, LoadOptions options, ulong seed = 1)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        WeightType type = options.Type ?? WeightType.BF16;
        return new GemmaModel(config, type, WeightSource.Of(new SyntheticWeights(seed), config, type, options.HeadType) with { Progress = options.Progress }, options.Threads,
            options.RoundActivations);
    }

    /// <summary>Tokens to logits: [batch.LogitRows, vocabulary]. Valid until the next pass.</summary>
    public Matrix Forward(Batch batch)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _backend.BeginPass(Checked(batch));
        return _transformer.Forward(batch);
    }

    /// <summary>Tokens to the normalised output of the last layer: [tokens, width]. Valid until the next pass.</summary>
    public Matrix Hidden(Batch batch)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _backend.BeginPass(Checked(batch));
        return _transformer.Hidden(batch);
    }

    /// <summary>
    /// Loads an adapter for this model: a folder in PEFT's layout. Any number may be loaded; a request says which it wants
    /// (<see cref="GenerationOptions.Adapter"/>), and one without computes what it computed before.
    /// </summary>
    /// <exception cref="GemmaException">Something is missing, damaged, of another model, or not supported; the message says what.</exception>
    public GemmaAdapter LoadAdapter(string folder) => LoadAdapter(LoraAdapter.Load(folder, Config));

    /// <summary>The same of an adapter that is in memory already.</summary>
    public GemmaAdapter LoadAdapter(LoraAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        // Packing takes the threads of passes.
        lock (Turn)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return new GemmaAdapter(this, adapter);
        }
    }

    /// <summary>Room for the keys and values of this many positions, all sequences together.</summary>
    public KvCache CreateCache(int positions, KvType type = KvType.BFloat16) => new(Config, type, positions);

    /// <exception cref="UsageException">A sequence has an adapter of another model.</exception>
    internal void Check(GemmaAdapter? adapter)
    {
        if (adapter is not null && adapter.Model != this) throw new UsageException("the adapter was loaded for another model; load it with this model's LoadAdapter");
    }

    private Batch Checked(Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        foreach (Segment segment in batch.Segments) Check(segment.Adapter);
        return batch;
    }

    public void Dispose()
    {
        lock (Turn)
        {
            if (_disposed) return;
            _disposed = true;
            _weights.Dispose();
            _backend.Dispose();
            _team.Dispose();
        }
    }
}
