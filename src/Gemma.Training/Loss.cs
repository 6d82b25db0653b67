namespace Gemma.Training;

/// <summary>A sum of weighted losses: those of several batches add up.</summary>
/// <param name="Sum">Σ weight · −ln p(target), in nats.</param>
/// <param name="Weight">Σ weight: the number of predicted tokens where every weight is 1.</param>
public readonly record struct Loss(double Sum, double Weight)
{
    /// <summary>Nats per token; NaN where no token was predicted.</summary>
    public double Mean => Sum / Weight;

    public static Loss operator +(Loss x, Loss y) => new(x.Sum + y.Sum, x.Weight + y.Weight);

    public static Loss Add(Loss x, Loss y) => x + y;
}
