namespace Gemma.Training.Tuning;

/// <summary>The order in which samples come, and how often.</summary>
public sealed record TuningDataOptions
{
    /// <summary>Decides the order of each epoch and what dropout draws.</summary>
    public ulong Seed { get; init; }

    /// <summary>How often each sample comes; 0 is without end.</summary>
    public int Epochs { get; init; } = 1;

    /// <summary>Off, samples come in the order of the file, as a validation set's may.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>β of preference pairs (<see cref="TrainingBatch.PreferenceBeta"/>).</summary>
    public float Beta { get; init; } = 0.1f;
}
