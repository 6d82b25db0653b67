namespace Gemma.Training;

/// <summary>How a <see cref="TrainingModel"/> computes; what it computes stays the same but for rounding.</summary>
public sealed record TrainingOptions
{
    public Precision Precision { get; init; }

    /// <summary>Threads, the caller's included; 0 is one for each processor. The results do not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// Keeps only each layer's input in the forward pass and computes the layer again in the backward pass: a third more computing, memory of one layer instead of all.
    /// Gradients are the same bit for bit.
    /// </summary>
    public bool RecomputeLayers { get; init; }
}
