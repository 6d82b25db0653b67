namespace Gemma.Training.Tuning;

/// <summary>What becomes of lines that cannot be learnt as they are.</summary>
public sealed record TuningFileOptions
{
    /// <summary>The longest sample, in tokens the model reads; longer ones are left out and named.</summary>
    public int MaxTokens { get; init; } = int.MaxValue - 1;

    /// <summary>Longer ones are cut at their end instead; where no answer is left then, they are left out all the same.</summary>
    public bool Truncate { get; init; }

    /// <summary>Lines that are no samples are left out and named; without it they end the reading.</summary>
    public bool SkipBadLines { get; init; }
}
