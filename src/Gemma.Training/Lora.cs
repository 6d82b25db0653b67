using System.Collections.Immutable;
using Gemma.Formats;
using Gemma.Generation;
using Gemma.Training.Cpu;

namespace Gemma.Training;

/// <summary>
/// An adapter that learns: its A and B matrices as one <see cref="ParameterSet"/>, for an optimizer and a checkpoint, and their places in a model. B begins as zeros,
/// so that training begins with the model as it is.
/// </summary>
public sealed unsafe class Lora : IDisposable
{
    // The matrices that a layer of the model holds as one each, with the roles of their parts.
    private static readonly ImmutableArray<ImmutableArray<TensorRole>> Fused =
        [[TensorRole.Query, TensorRole.Key, TensorRole.Value], [TensorRole.AttentionOutput], [TensorRole.Gate, TensorRole.Up], [TensorRole.Down]];

    private readonly Dictionary<(TensorSpec Spec, bool IsUp), Parameter> _parameters = [];

    /// <param name="config">The model that is adapted.</param>
    /// <param name="settings">Null for the defaults.</param>
    /// <param name="seed">What A begins as: uniform with the bound 1/√inputs, as PEFT has it.</param>
    /// <exception cref="UsageException">A setting is out of its range.</exception>
    public Lora(GemmaConfig config, LoraConfig? settings = null, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(config);
        Settings = settings ?? new LoraConfig();
        Settings.Validate();
        IReadOnlyList<TensorSpec> table = TensorTable.For(config);
        List<(TensorSpec Spec, bool IsUp)> tensors = [];
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            foreach (ImmutableArray<TensorRole> roles in Fused)
            {
                TensorSpec[] adapted = [.. table.Where(spec => spec.Layer == layer && roles.Contains(spec.Role) && Settings.Targets.Contains(spec.Role))];
                tensors.AddRange(adapted.Select(spec => (spec, false)));
                tensors.AddRange(adapted.Select(spec => (spec, true)));
            }
        }
        Parameters = new ParameterSet(config, tensors.Select(tensor => (LoraAdapter.SpecOf(tensor.Spec, Settings.Rank, tensor.IsUp), tensor.IsUp)));
        for (int i = 0; i < tensors.Count; i++) _parameters[tensors[i]] = Parameters.Parameters[i];
        Initialize(seed);
    }

    public LoraConfig Settings { get; }

    /// <summary>What learns. An A is [rank, inputs] in training as it is published, a B is kept as [rank, outputs].</summary>
    public ParameterSet Parameters { get; }

    /// <summary>Takes the matrices of an adapter, to go on with it.</summary>
    /// <exception cref="UsageException">It adapts other matrices, or with another rank.</exception>
    public void Set(LoraAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        if (adapter.Matrices.Count * 2 != _parameters.Count) throw Other(adapter, FormattableString.Invariant($"{adapter.Matrices.Count}"));
        foreach ((TensorSpec spec, LowRankMatrix matrix) in adapter.Matrices)
        {
            if (!_parameters.TryGetValue((spec, false), out Parameter? down) || matrix.Rank != Settings.Rank) throw Other(adapter, FormattableString.Invariant($"{spec.HuggingFaceName} with rank {matrix.Rank}"));
            down.SetPublished(matrix.Down);
            _parameters[(spec, true)].SetPublished(matrix.Up);
        }
    }

    /// <summary>The adapter as it is now.</summary>
    /// <param name="chatTemplate">How a conversation is written for it (Jinja), where it learns to take turns.</param>
    public LoraAdapter ToAdapter(string? chatTemplate = null)
    {
        Dictionary<TensorSpec, LowRankMatrix> matrices = [];
        foreach (((TensorSpec spec, bool isUp), Parameter down) in _parameters)
        {
            if (isUp) continue;
            Parameter up = _parameters[(spec, true)];
            var matrix = new LowRankMatrix(Settings.Rank, new float[down.Count], new float[up.Count], Settings.ScaleOf(Settings.Rank));
            down.CopyPublished(matrix.Down);
            up.CopyPublished(matrix.Up);
            matrices.Add(spec, matrix);
        }
        return new LoraAdapter(Settings, matrices) { ChatTemplate = chatTemplate };
    }

    public void Dispose() => Parameters.Dispose();

    /// <summary>What is added to one of a layer's matrices; null where it is not adapted.</summary>
    internal LowRankUpdate<DenseMatrix>? UpdateOf(int layer, TensorRole first)
    {
        ImmutableArray<TensorRole> roles = Fused.First(roles => roles[0] == first);
        TensorSpec[] parts = [.. TensorTable.For(Parameters.Config).Where(spec => spec.Layer == layer && roles.Contains(spec.Role))];
        TensorSpec[] adapted = [.. parts.Where(spec => _parameters.ContainsKey((spec, false)))];
        if (adapted.Length == 0) return null;
        int rank = Settings.Rank;
        Parameter down = _parameters[(adapted[0], false)];
        return new LowRankUpdate<DenseMatrix>
        {
            Down = Values(down, adapted.Length * rank, adapted[0].Columns),
            DownGradient = Gradients(down, adapted.Length * rank, adapted[0].Columns),
            Parts = [.. adapted.Select((spec, index) =>
            {
                Parameter up = _parameters[(spec, true)];
                int column = parts.TakeWhile(part => part != spec).Sum(part => part.Rows);
                return new LowRankPart<DenseMatrix>(Values(up, rank, spec.Rows), Gradients(up, rank, spec.Rows), index * rank, column);
            })],
            Scale = Settings.ScaleOf(rank),
            Dropout = Settings.Dropout,
            Stream = (ulong)(layer * Fused.Length + Fused.IndexOf(roles)),
        };
    }

    private DenseMatrix Values(Parameter parameter, int rows, int columns) => new(rows, columns, Parameters.Values + parameter.Offset);

    private DenseMatrix Gradients(Parameter parameter, int rows, int columns) => new(rows, columns, Parameters.Gradients + parameter.Offset);

    private void Initialize(ulong seed)
    {
        foreach (((TensorSpec spec, bool isUp), Parameter parameter) in _parameters)
        {
            if (isUp) continue;
            ulong key = CounterRandom.Next(seed, (ulong)parameter.Offset);
            float bound = 1 / MathF.Sqrt(spec.Columns);
            Span<float> values = parameter.Values;
            for (int i = 0; i < values.Length; i++) values[i] = (float)(2 * CounterRandom.Uniform(key, i) - 1) * bound;
        }
        Parameters.MarkChanged();
    }

    private UsageException Other(LoraAdapter adapter, string found) => new(FormattableString.Invariant(
        $"{adapter.Path ?? "the adapter"}: expected {_parameters.Count / 2} matrices with rank {Settings.Rank}, found {found}: it was made with other settings"));
}
