namespace Gemma.Training;

/// <summary>Settings of <see cref="AdamW"/>. The learning rate is given with each step.</summary>
public sealed record AdamWOptions
{
    /// <summary>Decay of the mean of gradients.</summary>
    public float Beta1 { get; init; } = 0.9f;

    /// <summary>Decay of the mean of their squares.</summary>
    public float Beta2 { get; init; } = 0.95f;

    public float Epsilon { get; init; } = 1e-8f;

    /// <summary>Matrices shrink by learning rate · this with each step; norms do not.</summary>
    public float WeightDecay { get; init; } = 0.1f;

    /// <summary>The largest norm of all gradients together: longer ones are scaled down to it. 0 is no limit.</summary>
    public float ClipNorm { get; init; } = 1;
}
