using System.Collections.Immutable;
using Gemma.Cpu.Kernels;

namespace Gemma.Cpu;

/// <summary>Brings a model's tensors into the form the CPU's kernels read.</summary>
internal sealed class CpuWeights : IDisposable
{
    private readonly List<IDisposable> _buffers = [];
    private readonly GemmaConfig _config;
    private readonly WeightSource _source;
    private readonly CpuKernels _kernels;
    private readonly ThreadTeam _team;
    private readonly PackedWeightsFile? _kept;
    private readonly ILookup<int, TensorSpec> _specs;
    private readonly Dictionary<WeightType, long> _bytesOf = [];
    private long _packed;

    private CpuWeights(GemmaConfig config, WeightSource source, CpuKernels kernels, ThreadTeam team, PackedWeightsFile? kept)
    {
        _config = config;
        _source = source;
        _kernels = kernels;
        _team = team;
        _kept = kept;
        _specs = TensorTable.For(config).ToLookup(spec => spec.Layer);
        try
        {
            Matrix embedding = Pack(Find(-1, TensorRole.Embedding));
            ImmutableArray<LayerWeights<Matrix>> layers = [.. Enumerable.Range(0, config.LayerCount).Select(Layer)];
            Weights = new(embedding, layers, Gain(-1, TensorRole.FinalNorm));
            kept?.End();
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

    /// <summary>Types of the matrices, the one of most bytes first.</summary>
    public ImmutableArray<WeightType> Types => [.. _bytesOf.OrderByDescending(pair => pair.Value).Select(pair => pair.Key)];

    /// <summary>Maps what a former start has packed, or packs the weights and keeps them where the source says so.</summary>
    public static CpuWeights Load(GemmaConfig config, WeightSource source, CpuKernels kernels, ThreadTeam team)
    {
        if (source.Cache?.Open(team) is PackedWeightsFile kept)
        {
            try
            {
                return new CpuWeights(config, source, kernels, team, kept);
            }
            catch (BadFileException failure)
            {
                source.Cache.Tell(failure.Message);
            }
        }
        source.BeforePacking?.Invoke();
        source.Cache?.Begin(TensorTable.For(config).Count, BytesOf(config, source.TypeOf), team);
        var weights = new CpuWeights(config, source, kernels, team, kept: null);
        source.Cache?.Complete(team);
        return weights;
    }

    /// <summary>Most bytes that weights of these types take when they are packed.</summary>
    public static long BytesOf(GemmaConfig config, Func<TensorSpec, WeightType> typeOf) => TensorTable.For(config).Sum(spec =>
        spec.IsNorm ? spec.Columns * sizeof(float) : PackedWeights.Bytes(typeOf(spec), spec.Rows, spec.Columns));

    public void Dispose()
    {
        foreach (IDisposable buffer in _buffers) buffer.Dispose();
        _kept?.Dispose();
    }

    private LayerWeights<Matrix> Layer(int layer) => new()
    {
        AttentionNorm = Gain(layer, TensorRole.AttentionNorm),
        QueryKeyValue = Pack(Find(layer, TensorRole.Query), Find(layer, TensorRole.Key), Find(layer, TensorRole.Value)),
        QueryNorm = _config.HasQueryKeyNorm ? Gain(layer, TensorRole.QueryNorm) : null,
        KeyNorm = _config.HasQueryKeyNorm ? Gain(layer, TensorRole.KeyNorm) : null,
        AttentionOutput = Pack(Find(layer, TensorRole.AttentionOutput)),
        PostAttentionNorm = _config.HasPostNorms ? Gain(layer, TensorRole.PostAttentionNorm) : null,
        FeedForwardNorm = Gain(layer, TensorRole.FeedForwardNorm),
        GateUp = PackGateUp(Find(layer, TensorRole.Gate), Find(layer, TensorRole.Up)),
        Down = Pack(Find(layer, TensorRole.Down)),
        PostFeedForwardNorm = _config.HasPostNorms ? Gain(layer, TensorRole.PostFeedForwardNorm) : null,
    };

    private TensorSpec Find(int layer, TensorRole role) => _specs[layer].First(spec => spec.Role == role);

    /// <summary>The rows of one tensor after those of the one before. Where their types differ, each run of one type is a matrix of its own.</summary>
    private Matrix Pack(params TensorSpec[] parts)
    {
        int count = parts.TakeWhile(part => AreAlike(part, parts[0])).Count();
        TensorSpec[] alike = parts[..count];
        PackedWeights packed = Pack(alike, row =>
        {
            int part = 0;
            while (row >= alike[part].Rows) row -= alike[part++].Rows;
            return (alike[part], row);
        });
        Matrix? next = count < parts.Length ? Pack(parts[count..]) : null;
        return new Matrix { Rows = packed.Rows + (next?.Rows ?? 0), Columns = packed.Columns, Packed = packed, Next = next };
    }

    /// <summary>Panels of gate and up in turn: one product of two panels has what the gate needs. Where their types differ, they are two matrices.</summary>
    private Matrix PackGateUp(TensorSpec gate, TensorSpec up)
    {
        if (!AreAlike(gate, up)) return Pack(gate, up);
        PackedWeights packed = Pack([gate, up], row =>
        {
            int panel = row / PackedWeights.PanelRows, lane = row % PackedWeights.PanelRows;
            return (panel % 2 == 0 ? gate : up, panel / 2 * PackedWeights.PanelRows + lane);
        });
        return new Matrix { Rows = packed.Rows, Columns = packed.Columns, Packed = packed };
    }

    /// <summary>Whether two tensors can be one matrix: they are kept in one type, and both or neither come in its blocks.</summary>
    private bool AreAlike(TensorSpec x, TensorSpec y) => _source.TypeOf(x) == _source.TypeOf(y) && _source.HasBlocks(x) == _source.HasBlocks(y);

    /// <param name="parts">The tensors.</param>
    /// <param name="place">Which row of which tensor a row of the matrix is.</param>
    private unsafe PackedWeights Pack(TensorSpec[] parts, Func<int, (TensorSpec Spec, int Row)> place)
    {
        WeightType type = _source.TypeOf(parts[0]);
        int rows = parts.Sum(part => part.Rows), columns = parts[0].Columns;
        PackedWeights packed = _kept is not null ? PackedWeights.At(type, rows, columns, _kept.Take(type, rows, columns))
            : _source.HasBlocks(parts[0]) ? PackedWeights.Pack(type, rows, columns, row =>
            {
                (TensorSpec spec, int own) = place(row);
                return _source.Blocks!(spec, own);
            }, _team)
            : PackedWeights.Pack(type, rows, columns, (row, destination) =>
            {
                (TensorSpec spec, int own) = place(row);
                _source.Rows(spec, own, destination);
            }, _kernels, _team);
        _buffers.Add(packed);
        ByteCount += packed.ByteCount;
        _bytesOf[type] = _bytesOf.GetValueOrDefault(type) + packed.ByteCount;
        if (_kept is not null) return packed;
        foreach (TensorSpec part in parts) _source.Done?.Invoke(part);
        _source.Cache?.Add(type, rows, columns, packed.Panel(0), _team);
        _packed += (long)rows * columns;
        _source.Progress?.Report((double)_packed / _config.ParameterCount);
        return packed;
    }

    private unsafe Matrix Gain(int layer, TensorRole role)
    {
        TensorSpec spec = Find(layer, role);
        ByteCount += spec.Columns * sizeof(float);
        float* gain;
        if (_kept is null)
        {
            var buffer = new NativeBuffer((nuint)spec.Columns * sizeof(float));
            _buffers.Add(buffer);
            gain = (float*)buffer.Pointer;
            _source.Rows(spec, 0, new Span<float>(gain, spec.Columns));
            _source.Cache?.Add(null, 1, spec.Columns, buffer.Pointer, _team);
        }
        else
        {
            gain = (float*)_kept.Take(null, 1, spec.Columns);
        }
        return new Matrix { Rows = 1, Columns = spec.Columns, Data = gain };
    }
}
