using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Formats;
using Gemma.Training.Cpu;

namespace Gemma.Training;

/// <summary>
/// A model's weights that stay as they are while an adapter learns: one copy of each, in fp32, bf16 or 8 bits, without gradients or moments. Products forwards and
/// backwards read the same copy.
/// </summary>
public sealed unsafe class FrozenWeights : IDisposable
{
    private readonly List<IDisposable> _buffers = [];

    private FrozenWeights(GemmaConfig config, WeightType? type, WeightSource source, int threads)
    {
        Config = config;
        Type = type ?? source.TypeOf(TensorTable.For(config)[0]);
        using var team = new ThreadTeam(threads);
        var kernels = CpuKernels.For(IsaSelection.Current);
        ILookup<int, TensorSpec> specs = TensorTable.For(config).ToLookup(spec => spec.Layer);
        long packed = 0;
        try
        {
            Matrices = new(Pack(-1, TensorRole.Embedding), [.. Enumerable.Range(0, config.LayerCount).Select(layer => new LayerWeights<DenseMatrix>
            {
                AttentionNorm = Gain(layer, TensorRole.AttentionNorm),
                QueryKeyValue = Pack(layer, TensorRole.Query, TensorRole.Key, TensorRole.Value),
                QueryNorm = config.HasQueryKeyNorm ? Gain(layer, TensorRole.QueryNorm) : null,
                KeyNorm = config.HasQueryKeyNorm ? Gain(layer, TensorRole.KeyNorm) : null,
                AttentionOutput = Pack(layer, TensorRole.AttentionOutput),
                PostAttentionNorm = config.HasPostNorms ? Gain(layer, TensorRole.PostAttentionNorm) : null,
                FeedForwardNorm = Gain(layer, TensorRole.FeedForwardNorm),
                GateUp = Pack(layer, TensorRole.Gate, TensorRole.Up),
                Down = Pack(layer, TensorRole.Down),
                PostFeedForwardNorm = config.HasPostNorms ? Gain(layer, TensorRole.PostFeedForwardNorm) : null,
            })], Gain(-1, TensorRole.FinalNorm));
        }
        catch
        {
            Dispose();
            throw;
        }

        TensorSpec Find(int layer, TensorRole role) => specs[layer].First(spec => spec.Role == role);

        DenseMatrix Pack(int layer, params TensorRole[] roles)
        {
            TensorSpec[] parts = [.. roles.Select(role => Find(layer, role))];
            // Parts that a file holds in different types become the one of most bits.
            WeightType kept = parts.Select(source.TypeOf).Min();
            int rows = parts.Sum(part => part.Rows), columns = parts[0].Columns;
            PackedWeights weights = parts.All(part => source.TypeOf(part) == kept && source.HasBlocks(part))
                ? PackedWeights.Pack(kept, rows, columns, row =>
                {
                    (TensorSpec spec, int own) = Place(parts, row);
                    return source.Blocks!(spec, own);
                }, team)
                : PackedWeights.Pack(kept, rows, columns, (row, destination) =>
                {
                    (TensorSpec spec, int own) = Place(parts, row);
                    source.Rows(spec, own, destination);
                }, kernels, team);
            _buffers.Add(weights);
            ByteCount += weights.ByteCount;
            foreach (TensorSpec part in parts) source.Done?.Invoke(part);
            packed += (long)rows * columns;
            source.Progress?.Report((double)packed / config.ParameterCount);
            return new DenseMatrix(rows, columns, null) { Frozen = weights };
        }

        DenseMatrix Gain(int layer, TensorRole role)
        {
            TensorSpec spec = Find(layer, role);
            var buffer = new NativeBuffer((nuint)spec.Columns * sizeof(float));
            _buffers.Add(buffer);
            ByteCount += spec.Columns * sizeof(float);
            source.Rows(spec, 0, new Span<float>(buffer.Pointer, spec.Columns));
            return new DenseMatrix(1, spec.Columns, (float*)buffer.Pointer);
        }
    }

    public GemmaConfig Config { get; }

    /// <summary>What the matrices are kept in; where nobody asked for a type and the file has several, the embedding's.</summary>
    public WeightType Type { get; }

    /// <summary>Bytes of all weights.</summary>
    public long ByteCount { get; private set; }

    internal Weights<DenseMatrix> Matrices { get; }

    /// <summary>Reads a model's weights.</summary>
    /// <param name="files">The model.</param>
    /// <param name="type">F32, BF16 or Q8; null keeps F32 and BF16 as the files have them, and everything quantised in 8 bits.</param>
    /// <param name="threads">Threads that pack; 0 is one for each processor.</param>
    /// <param name="progress">Hears the share of the weights that is in memory, 0 … 1.</param>
    /// <exception cref="UsageException">The type is none of the three.</exception>
    /// <exception cref="BadFileException">The weights are damaged.</exception>
    public static FrozenWeights Load(ModelFiles files, WeightType? type = null, int threads = 0, IProgress<double>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        CheckType(type);
        var source = WeightSource.Of(files, type, null);
        return new FrozenWeights(files.Config, type, source with
        {
            TypeOf = spec => FrozenPanels.Reads(source.TypeOf(spec)) ? source.TypeOf(spec) : WeightType.Q8,
            HasBlocks = spec => source.HasBlocks(spec) && source.TypeOf(spec) == WeightType.Q8,
            Done = files.Forget,
            Progress = progress,
        }, threads);
    }

    /// <summary>Random weights of this shape, for measurements.</summary>
    public static FrozenWeights Synthetic(GemmaConfig config, WeightType type, ulong seed = 1, int threads = 0)
    {
        ArgumentNullException.ThrowIfNull(config);
        CheckType(type);
        return new FrozenWeights(config, type, WeightSource.Of(new SyntheticWeights(seed), config, type, null), threads);
    }

    /// <summary>Weights from anywhere.</summary>
    internal static FrozenWeights Of(GemmaConfig config, WeightSource source, int threads = 0) => new(config, null, source, threads);

    public void Dispose()
    {
        foreach (IDisposable buffer in _buffers) buffer.Dispose();
    }

    private static void CheckType(WeightType? type)
    {
        if (type is { } asked && !FrozenPanels.Reads(asked))
            throw new UsageException($"expected f32, bf16 or q8 for weights that an adapter is trained over, found {asked.Name()}");
    }

    private static (TensorSpec Spec, int Row) Place(TensorSpec[] parts, int row)
    {
        int part = 0;
        while (row >= parts[part].Rows) row -= parts[part++].Rows;
        return (parts[part], row);
    }
}
