using System.Collections.Immutable;

namespace Gemma.Training;

/// <summary>What there is to say of one step.</summary>
public sealed record TrainingStep
{
    /// <summary>1 for the first.</summary>
    public required int Step { get; init; }

    /// <summary>Of the whole run.</summary>
    public required int Steps { get; init; }

    /// <summary>Mean over the step's predicted tokens, before the step, in nats.</summary>
    public required double Loss { get; init; }

    /// <summary>That it was taken with.</summary>
    public required float LearningRate { get; init; }

    /// <summary>Of all gradients together, before clipping; NaN where none was computed.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>That the step read.</summary>
    public required int Tokens { get; init; }

    /// <summary>That the run has read.</summary>
    public required long TotalTokens { get; init; }

    /// <summary>That it took.</summary>
    public required double Seconds { get; init; }

    /// <summary>Operations a second that the model needs, as a part of what <see cref="ProcessorPeak"/> measured when the run began.</summary>
    public required double Utilisation { get; init; }

    /// <summary>Of the process, now.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Whether its gradients were thrown away.</summary>
    public required bool IsSkipped { get; init; }

    /// <summary>What else the objective measures, as means.</summary>
    public ImmutableArray<Metric> Metrics { get; init; } = [];

    public double TokensPerSecond => Tokens / Seconds;
}
