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
    private double[] _rowLosses = [];
    private float[] _rowWeights = [];

    /// <summary>A model all of whose parameters learn.</summary>
    /// <param name="parameters">The parameters; whoever made them disposes of them, after this.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="UsageException">This processor lacks what the precision needs.</exception>
    public TrainingModel(ParameterSet parameters, TrainingOptions? options = null) : this(parameters, options, backend => backend) { }

    /// <summary>A model that stays as it is, and an adapter that learns.</summary>
    /// <param name="weights">The model; whoever made it disposes of it, after this.</param>
    /// <param name="adapter">The adapter; the same holds for it.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="UsageException">This processor lacks what the precision needs.</exception>
    public TrainingModel(FrozenWeights weights, Lora adapter, TrainingOptions? options = null) : this(weights, adapter, options, backend => backend) { }

    /// <param name="wrap">Puts something between the tape and the backend, to measure.</param>
    internal TrainingModel(ParameterSet parameters, TrainingOptions? options, Func<IGradientBackend<DenseMatrix>, IGradientBackend<DenseMatrix>> wrap)
        : this(parameters ?? throw new ArgumentNullException(nameof(parameters)), WeightsOf(parameters), options, wrap) { }

    /// <inheritdoc cref="TrainingModel(ParameterSet, TrainingOptions, Func{IGradientBackend{DenseMatrix}, IGradientBackend{DenseMatrix}})"/>
    internal TrainingModel(FrozenWeights weights, Lora adapter, TrainingOptions? options, Func<IGradientBackend<DenseMatrix>, IGradientBackend<DenseMatrix>> wrap)
        : this((adapter ?? throw new ArgumentNullException(nameof(adapter))).Parameters, WeightsOf(weights ?? throw new ArgumentNullException(nameof(weights)), adapter), options, wrap) =>
        Adapter = adapter;

    private TrainingModel(ParameterSet trained, Weights<Variable<DenseMatrix>> weights, TrainingOptions? options,
        Func<IGradientBackend<DenseMatrix>, IGradientBackend<DenseMatrix>> wrap)
    {
        Trained = trained;
        Options = options ??= new TrainingOptions();
        _config = trained.Config;
        _backend = new CpuTrainingBackend(trained, options.Precision, options.Threads);
        _tape = new Tape<DenseMatrix>(wrap(_backend), options.RecomputeLayers);
        _weights = weights;
        _transformer = new Transformer<Variable<DenseMatrix>>(_config, _weights, _tape);
    }

    /// <summary>What an optimizer moves and a checkpoint keeps: all parameters, or those of the adapter.</summary>
    public ParameterSet Trained { get; }

    public GemmaConfig Config => _config;

    /// <summary>The adapter that learns; null where the whole model does.</summary>
    public Lora? Adapter { get; }

    public TrainingOptions Options { get; }

    /// <summary>Bytes of activations, their gradients and scratch that are held: the most that any step needed.</summary>
    public long ActivationBytes => _backend.ActivationBytes;

    /// <summary>Threads that compute.</summary>
    public int Threads => _backend.Team.Count;

    internal ThreadTeam Team => _backend.Team;

    /// <summary>Forwards and backwards: adds the gradients of gradientScale · Σ weight · loss to those of the parameters.</summary>
    /// <param name="batch">The documents, or pairs.</param>
    /// <param name="gradientScale">
    /// 1 / (the loss weights of all batches until the optimizer's step), which makes the gradients those of the mean loss however the step is divided into batches;
    /// for a step of one batch 1 / <see cref="TrainingBatch.Weight"/>.
    /// </param>
    /// <returns>The batch's summed loss and weight.</returns>
    public Loss Step(TrainingBatch batch, float gradientScale) => Run(batch, gradientScale, true);

    /// <summary>The loss alone, in the memory of one layer. Nothing is dropped.</summary>
    public Loss Evaluate(TrainingBatch batch) => Run(batch, 0, false);

    /// <summary>For each document of a batch Σ weight · ln p(token); of a pair the chosen comes first.</summary>
    /// <param name="batch">The documents.</param>
    /// <param name="withoutAdapter">Of the model as it is without what the adapter has learnt.</param>
    public double[] LogProbabilities(TrainingBatch batch, bool withoutAdapter = false)
    {
        ArgumentNullException.ThrowIfNull(batch);
        _tape.IsRecording = false;
        _tape.Seed = null;
        _tape.UsesUpdates = !withoutAdapter;
        try
        {
            double[] sums = new double[batch.DocumentEnds.Length];
            if (!batch.Rows.IsEmpty) AddLogProbabilities(_tape.Rows(_transformer.Hidden(batch.Inputs), batch.Rows), batch, sums);
            return sums;
        }
        finally
        {
            _tape.UsesUpdates = true;
            _tape.Clear();
        }
    }

    public void Dispose() => _backend.Dispose();

    private Loss Run(TrainingBatch batch, float gradientScale, bool learns)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Rows.IsEmpty) return default;
        _tape.IsRecording = learns;
        _tape.Seed = learns ? batch.Seed : null;
        try
        {
            Variable<DenseMatrix> hidden = _tape.Rows(_transformer.Hidden(batch.Inputs), batch.Rows);
            Loss loss = batch.Pairs.IsEmpty ? _tape.CrossEntropy(hidden, _weights.Embedding, batch.Targets, batch.Weights, _config.LogitSoftCap, gradientScale)
                : Prefer(hidden, batch, gradientScale, learns);
            _tape.Backward();
            return loss;
        }
        finally
        {
            _tape.Clear();
        }
    }

    /// <summary>
    /// Direct preference optimisation. What the loss does to an answer's log-probability is a factor on the cross-entropy of its tokens: known once the answers'
    /// sums are, it makes the gradients those of a weighted cross-entropy.
    /// </summary>
    private Loss Prefer(Variable<DenseMatrix> hidden, TrainingBatch batch, float gradientScale, bool learns)
    {
        int rows = batch.Rows.Length, first = 0;
        if (_rowWeights.Length < rows) _rowWeights = new float[rows];
        double[] sums = new double[batch.DocumentEnds.Length];
        AddLogProbabilities(hidden, batch, sums);
        double loss = 0, chosenRewards = 0, rejectedRewards = 0, right = 0, beta = batch.PreferenceBeta;
        for (int pair = 0; pair < batch.Pairs.Length; pair++)
        {
            double chosen = beta * (sums[2 * pair] - batch.Pairs[pair].Chosen), rejected = beta * (sums[2 * pair + 1] - batch.Pairs[pair].Rejected), margin = chosen - rejected;
            loss += Math.Max(-margin, 0) + double.LogP1(Math.Exp(-Math.Abs(margin))); // −ln σ(margin)
            chosenRewards += chosen;
            rejectedRewards += rejected;
            right += margin > 0 ? 1 : 0;
            var push = (float)(beta / (1 + Math.Exp(margin))); // β · σ(−margin)
            for (int end = batch.DocumentEnds[2 * pair]; first < end; first++) _rowWeights[first] = push * batch.Weights[first];
            for (int end = batch.DocumentEnds[2 * pair + 1]; first < end; first++) _rowWeights[first] = -push * batch.Weights[first];
        }
        if (learns) _tape.CrossEntropy(hidden, _weights.Embedding, batch.Targets, _rowWeights.AsSpan(0, rows), _config.LogitSoftCap, gradientScale);
        return new Loss(loss, batch.Pairs.Length)
        {
            Metrics = [new("rewards/chosen", chosenRewards), new("rewards/rejected", rejectedRewards), new("rewards/margins", chosenRewards - rejectedRewards), new("rewards/accuracies", right)],
        };
    }

    /// <summary>Adds for each document Σ weight · ln p(token).</summary>
    private void AddLogProbabilities(Variable<DenseMatrix> hidden, TrainingBatch batch, double[] sums)
    {
        int rows = batch.Rows.Length, row = 0;
        if (_rowLosses.Length < rows) _rowLosses = new double[rows];
        _tape.CrossEntropy(hidden, _weights.Embedding, batch.Targets, batch.Weights, _config.LogitSoftCap, 0, _rowLosses.AsSpan(0, rows));
        for (int document = 0; document < sums.Length; document++)
            for (int end = batch.DocumentEnds[document]; row < end; row++) sums[document] -= batch.Weights[row] * _rowLosses[row];
    }

    /// <summary>A frozen model, and for each matrix what the adapter adds to it.</summary>
    private static Weights<Variable<DenseMatrix>> WeightsOf(FrozenWeights weights, Lora adapter)
    {
        if (!TensorTable.For(adapter.Parameters.Config).SequenceEqual(TensorTable.For(weights.Config))) throw new ArgumentException("the adapter was made for a model of another configuration", nameof(adapter));
        return new(Of(weights.Matrices.Embedding), [.. weights.Matrices.Layers.Select((layer, index) => new LayerWeights<Variable<DenseMatrix>>
        {
            AttentionNorm = Of(layer.AttentionNorm),
            QueryKeyValue = Of(layer.QueryKeyValue, index, TensorRole.Query),
            QueryNorm = layer.QueryNorm is null ? null : Of(layer.QueryNorm),
            KeyNorm = layer.KeyNorm is null ? null : Of(layer.KeyNorm),
            AttentionOutput = Of(layer.AttentionOutput, index, TensorRole.AttentionOutput),
            PostAttentionNorm = layer.PostAttentionNorm is null ? null : Of(layer.PostAttentionNorm),
            FeedForwardNorm = Of(layer.FeedForwardNorm),
            GateUp = Of(layer.GateUp, index, TensorRole.Gate),
            Down = Of(layer.Down, index, TensorRole.Down),
            PostFeedForwardNorm = layer.PostFeedForwardNorm is null ? null : Of(layer.PostFeedForwardNorm),
        })], Of(weights.Matrices.FinalNorm));

        Variable<DenseMatrix> Of(DenseMatrix matrix, int layer = -1, TensorRole? adapted = null) =>
            new(matrix, null) { Update = adapted is { } first ? adapter.UpdateOf(layer, first) : null };
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
