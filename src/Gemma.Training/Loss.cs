using System.Collections.Immutable;

namespace Gemma.Training;

/// <summary>A sum of weighted losses: those of several batches add up.</summary>
/// <param name="Sum">Σ weight · −ln p(target), in nats; of preference pairs Σ −ln σ(margin).</param>
/// <param name="Weight">Σ weight: the number of predicted tokens where every weight is 1; of preference pairs their number.</param>
public readonly record struct Loss(double Sum, double Weight)
{
    /// <summary>Nats per token; NaN where no token was predicted.</summary>
    public double Mean => Sum / Weight;

    /// <summary>What else was measured, summed with the same weights. Empty where the objective has only its loss.</summary>
    public ImmutableArray<Metric> Metrics
    {
        get => field.IsDefault ? [] : field;
        init => field = value.IsEmpty ? default : value;
    }

    public static Loss operator +(Loss x, Loss y) => new(x.Sum + y.Sum, x.Weight + y.Weight) { Metrics = Metric.Add(x.Metrics, y.Metrics) };

    public static Loss Add(Loss x, Loss y) => x + y;
}

/// <summary>A number that an objective reports beside its loss: a sum, whose mean is that over <see cref="Loss.Weight"/>.</summary>
/// <param name="Name">As logs call it.</param>
/// <param name="Sum">Σ weight · value.</param>
public readonly record struct Metric(string Name, double Sum)
{
    internal static ImmutableArray<Metric> Add(ImmutableArray<Metric> x, ImmutableArray<Metric> y) => x.IsEmpty ? y : y.IsEmpty ? x
        : [.. x.Concat(y).GroupBy(metric => metric.Name).Select(same => new Metric(same.Key, same.Sum(metric => metric.Sum)))];
}
