namespace Gemma.Training;

/// <summary>What there is to say of one step.</summary>
/// <param name="Step">1 for the first.</param>
/// <param name="Steps">Of the whole run.</param>
/// <param name="Loss">Mean over the step's predicted tokens, before the step, in nats.</param>
/// <param name="LearningRate">That it was taken with.</param>
/// <param name="GradientNorm">Of all gradients together, before clipping; NaN where there was none.</param>
/// <param name="Tokens">That the step read.</param>
/// <param name="TotalTokens">That the run has read.</param>
/// <param name="Seconds">That it took.</param>
/// <param name="Utilisation">Operations that the model needs, a second, as a part of <see cref="ProcessorPeak"/>.</param>
/// <param name="MemoryBytes">Of the process, now.</param>
/// <param name="IsSkipped">Whether its gradients were thrown away.</param>
public sealed record TrainingStep(int Step, int Steps, double Loss, float LearningRate, double GradientNorm, int Tokens, long TotalTokens, double Seconds, double Utilisation,
    long MemoryBytes, bool IsSkipped)
{
    public double TokensPerSecond => Tokens / Seconds;
}
