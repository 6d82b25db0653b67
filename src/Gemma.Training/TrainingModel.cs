using Gemma.Cpu;
using Gemma.Training.Cpu;

namespace Gemma.Training;

/// <summary>
/// A model whose parameters learn: <see cref="Step"/> reads a batch, returns its loss and adds its gradients to those of the <see cref="ParameterSet"/>;
/// an optimizer such as <see cref="AdamW"/> then moves the parameters. One thread uses it at a time.
/// </summary>
public sealed class TrainingModel : IDisposable
{
    private readonly CpuTrainingBackend _backend;
    private readonly Tape<DenseMatrix> _tape;
    private readonly Transformer<Variable<DenseMatrix>> _transformer;
    private readonly Weights<Variable<DenseMatrix>> _weights;
    private readonly GemmaConfig _config;

    /// <param name="parameters">The parameters; whoever made them disposes of them, after this.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="UsageException">This processor lacks what the precision needs.</exception>
    public TrainingModel(ParameterSet parameters, TrainingOptions? options = null) : this(parameters, options, backend => backend) { }

    /// <param name="wrap">Puts something between the tape and the backend, to measure.</param>
    internal TrainingModel(ParameterSet parameters, TrainingOptions? options, Func<IGradientBackend<DenseMatrix>, IGradientBackend<DenseMatrix>> wrap)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        options ??= new TrainingOptions();
        Parameters = parameters;
        Options = options;
        _config = parameters.Config;
        _backend = new CpuTrainingBackend(parameters, options.Precision, options.Threads);
        _tape = new Tape<DenseMatrix>(wrap(_backend), options.RecomputeLayers);
        _weights = WeightsOf(parameters);
        _transformer = new Transformer<Variable<DenseMatrix>>(_config, _weights, _tape);
    }

    public ParameterSet Parameters { get; }

    /// <summary>What an optimizer moves and a checkpoint keeps: all parameters here.</summary>
    public ParameterSet Trained => Parameters;

    public TrainingOptions Options { get; }

    /// <summary>Bytes of activations, their gradients and scratch that are held: the most that any step needed.</summary>
    public long ActivationBytes => _backend.ActivationBytes;

    /// <summary>Threads that compute.</summary>
    public int Threads => _backend.Team.Count;

    internal ThreadTeam Team => _backend.Team;

    /// <summary>Forwards and backwards: adds the gradients of gradientScale · Σ weight · loss to those of the parameters.</summary>
    /// <param name="batch">The documents.</param>
    /// <param name="gradientScale">
    /// 1 / (the loss weights of all batches until the optimizer's step), which makes the gradients those of the mean loss however the step is divided into batches;
    /// for a step of one batch 1 / <see cref="TrainingBatch.Weight"/>.
    /// </param>
    /// <returns>The batch's summed loss and weight.</returns>
    public Loss Step(TrainingBatch batch, float gradientScale) => Run(batch, gradientScale, true);

    /// <summary>The loss alone, in the memory of one layer.</summary>
    public Loss Evaluate(TrainingBatch batch) => Run(batch, 0, false);

    public void Dispose() => _backend.Dispose();

    private Loss Run(TrainingBatch batch, float gradientScale, bool learns)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Rows.IsEmpty) return default;
        _tape.IsRecording = learns;
        try
        {
            Variable<DenseMatrix> hidden = _tape.Rows(_transformer.Hidden(batch.Inputs), batch.Rows);
            Loss loss = _tape.CrossEntropy(hidden, _weights.Embedding, batch.Targets, batch.Weights, _config.LogitSoftCap, gradientScale);
            _tape.Backward();
            return loss;
        }
        finally
        {
            _tape.Clear();
        }
    }

    internal static Weights<Variable<DenseMatrix>> WeightsOf(ParameterSet parameters)
    {
        return new(Of(TensorRole.Embedding, -1)!, [.. Enumerable.Range(0, parameters.Config.LayerCount).Select(layer => new LayerWeights<Variable<DenseMatrix>>
        {
            AttentionNorm = Of(TensorRole.AttentionNorm, layer)!,
            QueryKeyValue = Of(TensorRole.Query, layer, TensorRole.Value)!,
            QueryNorm = Of(TensorRole.QueryNorm, layer),
            KeyNorm = Of(TensorRole.KeyNorm, layer),
            AttentionOutput = Of(TensorRole.AttentionOutput, layer)!,
            PostAttentionNorm = Of(TensorRole.PostAttentionNorm, layer),
            FeedForwardNorm = Of(TensorRole.FeedForwardNorm, layer)!,
            GateUp = Of(TensorRole.Gate, layer, TensorRole.Up)!,
            Down = Of(TensorRole.Down, layer)!,
            PostFeedForwardNorm = Of(TensorRole.PostFeedForwardNorm, layer),
        })], Of(TensorRole.FinalNorm, -1)!);

        // One matrix of the parameters from the first to the last, which stand one behind the other.
        unsafe Variable<DenseMatrix>? Of(TensorRole role, int layer, TensorRole? last = null)
        {
            if (parameters.Find(role, layer) is not { } first) return null;
            Parameter end = last is { } other ? parameters[other, layer] : first;
            int rows = (int)((end.Offset + end.Count - first.Offset) / first.Spec.Columns);
            return new(new DenseMatrix(rows, first.Spec.Columns, parameters.Values + first.Offset), new DenseMatrix(rows, first.Spec.Columns, parameters.Gradients + first.Offset));
        }
    }
}
