namespace Gemma.Training;

/// <summary>How a learning rate goes after its warm-up.</summary>
public enum LearningRateShape
{
    /// <summary>Stays at its peak.</summary>
    Constant,

    /// <summary>Falls in a straight line to its final value.</summary>
    Linear,

    /// <summary>Falls along half a cosine to its final value (Loshchilov and Hutter, arXiv 1608.03983, without restarts).</summary>
    Cosine,

    /// <summary>Stays at its peak, then falls in a straight line over the last steps (warm-up, stable, decay; Hu et al., arXiv 2404.06395).</summary>
    WarmUpStableDecay,
}
