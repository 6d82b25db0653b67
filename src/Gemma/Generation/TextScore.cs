namespace Gemma.Generation;

/// <summary>How probable a model finds a text.</summary>
public sealed record TextScore
{
    public required IReadOnlyList<int> Ids { get; init; }

    /// <summary>Natural logarithm of the probability of each id but the first, given all before it: [Ids.Count − 1]. The first has nothing before it.</summary>
    public required IReadOnlyList<float> LogProbs { get; init; }

    /// <summary>For each of <see cref="LogProbs"/> the most probable ids in its place, the most probable first; null where none were asked for.</summary>
    public IReadOnlyList<IReadOnlyList<TokenLogProb>>? TopLogProbs { get; init; }

    /// <summary>−Σ <see cref="LogProbs"/>, in nats.</summary>
    public required double NegativeLogLikelihood { get; init; }

    /// <summary>exp(<see cref="NegativeLogLikelihood"/> / number of ids predicted).</summary>
    public double Perplexity => Math.Exp(NegativeLogLikelihood / LogProbs.Count);
}
