using System.Runtime.InteropServices;

namespace Gemma.Training;

/// <summary>
/// Documents packed one behind the other, and what of them is to be predicted. Tokens attend within their own document only and positions begin at 0 in each, so
/// the loss is that of the same documents one at a time. Reused from step to step: <see cref="Clear"/>, then <see cref="Add(ReadOnlySpan{int})"/> or
/// <see cref="AddPair"/>: what a batch holds decides what its loss is.
/// </summary>
public sealed class TrainingBatch
{
    private readonly List<int> _targets = [];
    private readonly List<float> _weights = [];
    private readonly List<int> _rows = [];
    private readonly List<int> _documentEnds = [];
    private readonly List<PreferencePair> _pairs = [];

    /// <summary>Tokens the model reads.</summary>
    public int TokenCount => Inputs.Count;

    /// <summary>Σ of the loss weights, or the number of pairs: what a mean over the batch divides by.</summary>
    public double Weight { get; private set; }

    /// <summary>What chance in this batch's pass, the dropout, is drawn from: the same seed gives the same. Whoever fills batches gives each its own.</summary>
    public ulong Seed { get; set; }

    /// <summary>How far the loss of pairs lets answers move away from the reference, β of arXiv 2305.18290: the smaller, the farther.</summary>
    public float PreferenceBeta { get; set; } = 0.1f;

    internal Batch Inputs { get; } = new();

    /// <summary>Rows of the inputs whose prediction has a weight, ascending.</summary>
    internal ReadOnlySpan<int> Rows => CollectionsMarshal.AsSpan(_rows);

    /// <summary>For each of <see cref="Rows"/> the token that comes next.</summary>
    internal ReadOnlySpan<int> Targets => CollectionsMarshal.AsSpan(_targets);

    /// <summary>For each of <see cref="Rows"/> the factor on its loss.</summary>
    internal ReadOnlySpan<float> Weights => CollectionsMarshal.AsSpan(_weights);

    /// <summary>For each document how many of <see cref="Rows"/> it and those before it have.</summary>
    internal ReadOnlySpan<int> DocumentEnds => CollectionsMarshal.AsSpan(_documentEnds);

    /// <summary>Documents two by two: the chosen, then the rejected. Empty where documents are learnt by themselves.</summary>
    internal ReadOnlySpan<PreferencePair> Pairs => CollectionsMarshal.AsSpan(_pairs);

    public void Clear()
    {
        Inputs.Clear();
        _targets.Clear();
        _weights.Clear();
        _rows.Clear();
        _documentEnds.Clear();
        _pairs.Clear();
        Weight = 0;
        Seed = 0;
    }

    /// <summary>Adds a document of n tokens, each but the first predicted from those before it with the weight 1: n − 1 tokens are read.</summary>
    public void Add(ReadOnlySpan<int> tokens)
    {
        RefusePairs();
        Add(tokens, default, true);
    }

    /// <summary>Adds a document whose tokens carry losses of their own.</summary>
    /// <param name="tokens">The document.</param>
    /// <param name="lossWeights">For each token the factor on the loss of predicting it: 0 for a prompt's, 1 for an answer's. The first is not predicted, its weight not read.</param>
    public void Add(ReadOnlySpan<int> tokens, ReadOnlySpan<float> lossWeights)
    {
        RefusePairs();
        Check(tokens, lossWeights);
        Add(tokens, lossWeights, false);
    }

    /// <summary>
    /// Adds two answers to one prompt, of which the first is to become the likelier: direct preference optimisation (Rafailov et al., arXiv 2305.18290),
    /// −ln σ(β · ((ln π(chosen) − reference) − (ln π(rejected) − reference))).
    /// </summary>
    /// <param name="chosen">Prompt and answer.</param>
    /// <param name="chosenWeights">For each token its factor on the answer's log-probability: 0 for the prompt's, 1 for the answer's.</param>
    /// <param name="rejected">Prompt and answer.</param>
    /// <param name="rejectedWeights">The same for it.</param>
    /// <param name="chosenReference">ln p(chosen answer) of the model that training began with (<see cref="TrainingModel.LogProbabilities"/>).</param>
    /// <param name="rejectedReference">ln p(rejected answer) of the same.</param>
    public void AddPair(ReadOnlySpan<int> chosen, ReadOnlySpan<float> chosenWeights, ReadOnlySpan<int> rejected, ReadOnlySpan<float> rejectedWeights, double chosenReference,
        double rejectedReference)
    {
        if (_documentEnds.Count > 2 * _pairs.Count) throw new InvalidOperationException("a batch holds documents or pairs: their losses are not of one kind");
        Check(chosen, chosenWeights);
        Check(rejected, rejectedWeights);
        double before = Weight;
        Add(chosen, chosenWeights, false);
        Add(rejected, rejectedWeights, false);
        _pairs.Add(new PreferencePair(chosenReference, rejectedReference));
        Weight = before + 1;
    }

    private static void Check(ReadOnlySpan<int> tokens, ReadOnlySpan<float> lossWeights)
    {
        if (lossWeights.Length != tokens.Length)
            throw new ArgumentException(FormattableString.Invariant($"expected a loss weight for each of {tokens.Length} tokens, found {lossWeights.Length}"), nameof(lossWeights));
    }

    private void RefusePairs()
    {
        if (_pairs.Count > 0) throw new InvalidOperationException("a batch holds documents or pairs: their losses are not of one kind");
    }

    private void Add(ReadOnlySpan<int> tokens, ReadOnlySpan<float> lossWeights, bool all)
    {
        if (tokens.Length < 2) throw new ArgumentException("a document needs two tokens: one to read and one to predict", nameof(tokens));
        int first = Inputs.Count;
        Inputs.Add(tokens[..^1], LogitRows.None);
        for (int i = 1; i < tokens.Length; i++)
        {
            float weight = all ? 1 : lossWeights[i];
            if (weight == 0) continue;
            _rows.Add(first + i - 1);
            _targets.Add(tokens[i]);
            _weights.Add(weight);
            Weight += weight;
        }
        _documentEnds.Add(_rows.Count);
    }
}

/// <summary>What the model that training began with makes of two answers: their log-probabilities.</summary>
internal readonly record struct PreferencePair(double Chosen, double Rejected);
