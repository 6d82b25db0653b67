using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Formats;

namespace Gemma;

/// <summary>
/// A low-rank adapter in memory, ready to compute with the model it was loaded for (<see cref="GemmaModel.LoadAdapter(string)"/>). Requests with different adapters, and
/// with none, share passes and read the model's weights together; each says which it wants in <see cref="Generation.GenerationOptions.Adapter"/>.
/// </summary>
/// <remarks>Dispose it when no new request wants it; those that run end with it.</remarks>
public sealed class GemmaAdapter : IDisposable
{
    private static long _count;

    private readonly List<PackedWeights> _packed = [];
    private readonly Dictionary<Matrix, LowRankWeights> _updates = [];
    private readonly Lock _gate = new();
    private int _users;
    private bool _disposed;

    internal GemmaAdapter(GemmaModel model, LoraAdapter files)
    {
        Model = model;
        Path = files.Path;
        Config = files.Config;
        ChatTemplate = files.ChatTemplate;
        ILookup<int, TensorSpec> specs = TensorTable.For(model.Config).ToLookup(spec => spec.Layer);
        for (int layer = 0; layer < model.Config.LayerCount; layer++)
        {
            LayerWeights<Matrix> weights = model.Weights.Layers[layer];
            Add(weights.QueryKeyValue, false, TensorRole.Query, TensorRole.Key, TensorRole.Value);
            Add(weights.AttentionOutput, false, TensorRole.AttentionOutput);
            // Gate and up are panels in turn where they are one matrix.
            Add(weights.GateUp, weights.GateUp.Next is null, TensorRole.Gate, TensorRole.Up);
            Add(weights.Down, false, TensorRole.Down);

            void Add(Matrix weight, bool areInTurn, params TensorRole[] roles)
            {
                (TensorSpec Spec, LowRankMatrix? Matrix)[] parts = [.. roles.Select(role => specs[layer].First(spec => spec.Role == role)).Select(spec => (spec, files.Matrices.GetValueOrDefault(spec)))];
                if (parts.Any(part => part.Matrix is not null)) _updates[weight] = Pack(parts, areInTurn);
            }
        }
    }

    public GemmaModel Model { get; }

    /// <summary>The folder it was read from.</summary>
    public string? Path { get; }

    public LoraConfig Config { get; }

    /// <summary>How a conversation is written for it, see <see cref="LoraAdapter.ChatTemplate"/>.</summary>
    public string? ChatTemplate { get; }

    /// <summary>Bytes of its matrices in memory.</summary>
    public long WeightBytes => _packed.Sum(packed => packed.ByteCount);

    /// <summary>Tells it from every other that this process has loaded.</summary>
    internal long Id { get; } = Interlocked.Increment(ref _count);

    /// <summary>Lets go of it: its memory is free as soon as no request uses it.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            if (_users == 0) Free();
        }
    }

    /// <summary>What it adds to products with a weight of the model; null for nothing.</summary>
    internal LowRankWeights? Find(Matrix weight) => _updates.GetValueOrDefault(weight);

    /// <summary>Notes that a request uses it.</summary>
    internal void Acquire()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _users++;
        }
    }

    internal void Release()
    {
        lock (_gate)
        {
            if (--_users == 0 && _disposed) Free();
        }
    }

    private void Free()
    {
        foreach (PackedWeights packed in _packed) packed.Dispose();
        _packed.Clear();
    }

    /// <summary>
    /// The A matrices of the parts one behind the other, and their B matrices, times scale, in the rows of the whole: what is of no part's rank is zero. It costs a few
    /// products with zeros, and makes an adapter two products wherever it is.
    /// </summary>
    private LowRankWeights Pack((TensorSpec Spec, LowRankMatrix? Matrix)[] parts, bool areInTurn)
    {
        int ranks = parts.Sum(part => part.Matrix?.Rank ?? 0), columns = parts[0].Spec.Columns, outputs = parts.Sum(part => part.Spec.Rows);
        var kernels = CpuKernels.For(IsaSelection.Current);
        PackedWeights down = PackedWeights.Pack(WeightType.F32, ranks, columns, (row, destination) =>
        {
            foreach ((_, LowRankMatrix? matrix) in parts)
            {
                if (row < (matrix?.Rank ?? 0))
                {
                    matrix!.Down.AsSpan(row * columns, columns).CopyTo(destination);
                    return;
                }
                row -= matrix?.Rank ?? 0;
            }
        }, kernels, Model.Team);
        _packed.Add(down);
        PackedWeights up = PackedWeights.Pack(WeightType.F32, outputs, ranks, (row, destination) =>
        {
            destination.Clear();
            int part = 0, first = 0;
            if (areInTurn)
            {
                int panel = row / PackedWeights.PanelRows;
                (part, row) = (panel % 2, panel / 2 * PackedWeights.PanelRows + row % PackedWeights.PanelRows);
            }
            else
            {
                while (row >= parts[part].Spec.Rows) row -= parts[part++].Spec.Rows;
            }
            for (int before = 0; before < part; before++) first += parts[before].Matrix?.Rank ?? 0;
            if (parts[part].Matrix is not { } matrix) return;
            for (int rank = 0; rank < matrix.Rank; rank++) destination[first + rank] = matrix.Scale * matrix.Up[row * matrix.Rank + rank];
        }, kernels, Model.Team);
        _packed.Add(up);
        return new LowRankWeights(down, up);
    }
}

/// <summary>What an adapter adds to products with one matrix: x · Downᵀ · Upᵀ.</summary>
/// <param name="Down">[ranks, inputs]</param>
/// <param name="Up">[outputs, ranks]</param>
internal sealed record LowRankWeights(PackedWeights Down, PackedWeights Up);
