using System.Collections.Immutable;
using Gemma.Cpu.Kernels;

namespace Gemma.Cpu;

/// <summary>Reads one row of a tensor of <see cref="TensorTable"/> as fp32; norms come as the gain 1 + w. Called from several threads at once.</summary>
internal delegate void TensorRowReader(TensorSpec spec, int row, Span<float> destination);

/// <summary>Brings a model's tensors into the form the CPU's kernels read.</summary>
internal sealed class CpuWeights : IDisposable
{
    private readonly List<IDisposable> _buffers = [];
    private readonly GemmaConfig _config;
    private readonly WeightType _type;
    private readonly TensorRowReader _reader;
    private readonly CpuKernels _kernels;
    private readonly ThreadTeam _team;
    private readonly IProgress<double>? _progress;
    private readonly ILookup<int, TensorSpec> _specs;
    private long _packed;

    private CpuWeights(GemmaConfig config, WeightType type, TensorRowReader reader, CpuKernels kernels, ThreadTeam team, IProgress<double>? progress)
    {
        _config = config;
        _type = type;
        _reader = reader;
        _kernels = kernels;
        _team = team;
        _progress = progress;
        _specs = TensorTable.For(config).ToLookup(spec => spec.Layer);
        try
        {
            Matrix embedding = Pack(EmbeddingType(type), Find(-1, TensorRole.Embedding));
            ImmutableArray<LayerWeights<Matrix>> layers = [.. Enumerable.Range(0, config.LayerCount).Select(Layer)];
            Weights = new(embedding, layers, Gain(-1, TensorRole.FinalNorm));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Weights<Matrix> Weights { get; }

    /// <summary>Bytes of all weights.</summary>
    public long ByteCount { get; private set; }

    /// <summary>Bytes that one token's pass reads: everything; the tied embedding once, as the head.</summary>
    public long BytesPerToken => ByteCount;

    public static CpuWeights Load(GemmaConfig config, WeightType type, TensorRowReader reader, CpuKernels kernels, ThreadTeam team, IProgress<double>? progress) =>
        new(config, type, reader, kernels, team, progress);

    public void Dispose()
    {
        foreach (IDisposable buffer in _buffers) buffer.Dispose();
    }

    /// <summary>4 bits cost the tied embedding, which is also the head, too much: it keeps 8.</summary>
    private static WeightType EmbeddingType(WeightType type) => type == WeightType.Q4 ? WeightType.Q8 : type;

    private LayerWeights<Matrix> Layer(int layer) => new()
    {
        AttentionNorm = Gain(layer, TensorRole.AttentionNorm),
        QueryKeyValue = Pack(_type, Find(layer, TensorRole.Query), Find(layer, TensorRole.Key), Find(layer, TensorRole.Value)),
        QueryNorm = _config.HasQueryKeyNorm ? Gain(layer, TensorRole.QueryNorm) : null,
        KeyNorm = _config.HasQueryKeyNorm ? Gain(layer, TensorRole.KeyNorm) : null,
        AttentionOutput = Pack(_type, Find(layer, TensorRole.AttentionOutput)),
        PostAttentionNorm = _config.HasPostNorms ? Gain(layer, TensorRole.PostAttentionNorm) : null,
        FeedForwardNorm = Gain(layer, TensorRole.FeedForwardNorm),
        GateUp = PackGateUp(Find(layer, TensorRole.Gate), Find(layer, TensorRole.Up)),
        Down = Pack(_type, Find(layer, TensorRole.Down)),
        PostFeedForwardNorm = _config.HasPostNorms ? Gain(layer, TensorRole.PostFeedForwardNorm) : null,
    };

    private TensorSpec Find(int layer, TensorRole role) => _specs[layer].First(spec => spec.Role == role);

    /// <summary>The rows of one tensor after those of the one before.</summary>
    private Matrix Pack(WeightType type, params TensorSpec[] parts) => Pack(type, parts.Sum(part => part.Rows), parts[0].Columns, (row, destination) =>
    {
        int part = 0;
        while (row >= parts[part].Rows) row -= parts[part++].Rows;
        _reader(parts[part], row, destination);
    });

    /// <summary>Panels of gate and up in turn: one product of two panels has what the gate needs.</summary>
    private Matrix PackGateUp(TensorSpec gate, TensorSpec up) => Pack(_type, gate.Rows + up.Rows, gate.Columns, (row, destination) =>
    {
        int panel = row / PackedWeights.PanelRows, lane = row % PackedWeights.PanelRows;
        _reader(panel % 2 == 0 ? gate : up, panel / 2 * PackedWeights.PanelRows + lane, destination);
    });

    private Matrix Pack(WeightType type, int rows, int columns, RowReader reader)
    {
        PackedWeights packed = PackedWeights.Pack(type, rows, columns, reader, _kernels, _team);
        _buffers.Add(packed);
        ByteCount += packed.ByteCount;
        _packed += (long)rows * columns;
        _progress?.Report((double)_packed / _config.ParameterCount);
        return new Matrix { Rows = rows, Columns = columns, Packed = packed };
    }

    private unsafe Matrix Gain(int layer, TensorRole role)
    {
        TensorSpec spec = Find(layer, role);
        var buffer = new NativeBuffer((nuint)spec.Columns * sizeof(float));
        _buffers.Add(buffer);
        ByteCount += spec.Columns * sizeof(float);
        _reader(spec, 0, new Span<float>(buffer.Pointer, spec.Columns));
        return new Matrix { Rows = 1, Columns = spec.Columns, Data = (float*)buffer.Pointer };
    }
}
