using System.Runtime.InteropServices;

namespace Gemma.Training;

/// <summary>
/// Documents packed one behind the other, and what of them is to be predicted. Tokens attend within their own document only and positions begin at 0 in each, so
/// the loss is that of the same documents one at a time. Reused from step to step: <see cref="Clear"/>, then <see cref="Add(ReadOnlySpan{int})"/>.
/// </summary>
public sealed class TrainingBatch
{
    private readonly List<int> _targets = [];
    private readonly List<float> _weights = [];
    private readonly List<int> _rows = [];

    /// <summary>Tokens the model reads.</summary>
    public int TokenCount => Inputs.Count;

    /// <summary>Σ of the loss weights: what a mean over the batch divides by.</summary>
    public double Weight { get; private set; }

    internal Batch Inputs { get; } = new();

    /// <summary>Rows of the inputs whose prediction has a weight, ascending.</summary>
    internal ReadOnlySpan<int> Rows => CollectionsMarshal.AsSpan(_rows);

    /// <summary>For each of <see cref="Rows"/> the token that comes next.</summary>
    internal ReadOnlySpan<int> Targets => CollectionsMarshal.AsSpan(_targets);

    /// <summary>For each of <see cref="Rows"/> the factor on its loss.</summary>
    internal ReadOnlySpan<float> Weights => CollectionsMarshal.AsSpan(_weights);

    public void Clear()
    {
        Inputs.Clear();
        _targets.Clear();
        _weights.Clear();
        _rows.Clear();
        Weight = 0;
    }

    /// <summary>Adds a document of n tokens, each but the first predicted from those before it with the weight 1: n − 1 tokens are read.</summary>
    public void Add(ReadOnlySpan<int> tokens) => Add(tokens, default, true);

    /// <summary>Adds a document whose tokens carry losses of their own.</summary>
    /// <param name="tokens">The document.</param>
    /// <param name="lossWeights">For each token the factor on the loss of predicting it: 0 for a prompt's, 1 for an answer's. The first is not predicted, its weight not read.</param>
    public void Add(ReadOnlySpan<int> tokens, ReadOnlySpan<float> lossWeights)
    {
        if (lossWeights.Length != tokens.Length)
            throw new ArgumentException(FormattableString.Invariant($"expected a loss weight for each of {tokens.Length} tokens, found {lossWeights.Length}"), nameof(lossWeights));
        Add(tokens, lossWeights, false);
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
    }
}
