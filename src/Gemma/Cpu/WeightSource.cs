using Gemma.Formats;

namespace Gemma.Cpu;

/// <summary>Where weights come from, and how each matrix is kept.</summary>
/// <param name="Rows">Reads rows as fp32.</param>
/// <param name="TypeOf">The type of a matrix in memory.</param>
internal sealed record WeightSource(TensorRowReader Rows, Func<TensorSpec, WeightType> TypeOf)
{
    /// <summary>Gives rows in the blocks of the type that is kept; for the tensors of <see cref="HasBlocks"/>.</summary>
    public TensorBlockReader? Blocks { get; init; }

    /// <summary>The tensors whose blocks in the file hold the very numbers that are kept, so that packing is reordering.</summary>
    public Func<TensorSpec, bool> HasBlocks { get; init; } = _ => false;

    /// <summary>Called when a tensor has been read and will not be again.</summary>
    public Action<TensorSpec>? Done { get; init; }

    /// <summary>Packed weights of a former start, or a place to keep these for the next.</summary>
    public WeightCache? Cache { get; init; }

    /// <summary>What must have gone well before the work of packing is begun; it throws where it has not.</summary>
    public Action? BeforePacking { get; init; }

    /// <summary>Hears the share of the weights that is in memory, 0 … 1.</summary>
    public IProgress<double>? Progress { get; init; }

    /// <summary>A model's files.</summary>
    /// <param name="files">The files.</param>
    /// <param name="type">One type for the model; null keeps what each tensor is, or is nearest to.</param>
    /// <param name="headType">The type of the embedding, which is also the head; null is what goes with <paramref name="type"/>.</param>
    public static WeightSource Of(ModelFiles files, WeightType? type, WeightType? headType)
    {
        WeightType TypeOf(TensorSpec spec) => headType is WeightType head && spec.Role == TensorRole.Embedding ? head
            : type is WeightType asked ? WeightTypes.Of(asked, spec, files.Config)
            : WeightTypes.Nearest(files.Find(spec).Type);
        return new WeightSource((spec, row, destination) => files.ReadRow(spec, row, destination), TypeOf)
        {
            Blocks = (spec, row) => files.Find(spec).Type == TensorType.Q5_0 ? Q5_0.ToQ8(files.ReadBlocks(spec, row)) : files.ReadBlocks(spec, row),
            HasBlocks = spec => HoldsNumbersOf(files.Find(spec).Type, TypeOf(spec)),
        };
    }

    /// <summary>Whether the blocks of a file are those of the weights, or as Q5_0 among those that they can be.</summary>
    private static bool HoldsNumbersOf(TensorType held, WeightType kept) =>
        held.IsQuantised() && (held == WeightTypes.InFiles(kept) || (held == TensorType.Q5_0 && kept == WeightType.Q8));

    /// <summary>Random weights.</summary>
    public static WeightSource Of(SyntheticWeights weights, GemmaConfig config, WeightType type, WeightType? headType) =>
        new((spec, row, destination) => weights.ReadRow(spec, row, destination),
            spec => headType is WeightType head && spec.Role == TensorRole.Embedding ? head : WeightTypes.Of(type, spec, config));
}

/// <summary>Reads one row of a tensor of <see cref="TensorTable"/> as fp32; norms come as the gain 1 + w. Called from several threads at once.</summary>
internal delegate void TensorRowReader(TensorSpec spec, int row, Span<float> destination);

/// <summary>Gives one row of a tensor in blocks. Called from several threads at once.</summary>
internal delegate ReadOnlySpan<byte> TensorBlockReader(TensorSpec spec, int row);
