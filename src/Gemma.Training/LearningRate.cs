namespace Gemma.Training;

/// <summary>The learning rate of each step: it rises in a straight line to its peak, then goes as its shape says.</summary>
public sealed record LearningRate
{
    /// <summary>The largest rate, reached with the last step of the warm-up.</summary>
    public required float Peak { get; init; }

    public LearningRateShape Shape { get; init; } = LearningRateShape.Cosine;

    /// <summary>Steps of the warm-up; 0 begins at the peak.</summary>
    public int WarmUpSteps { get; init; }

    /// <summary>Steps at the end in which <see cref="LearningRateShape.WarmUpStableDecay"/> falls; the other shapes do not read it.</summary>
    public int DecaySteps { get; init; }

    /// <summary>The rate of the last step as a part of the peak. <see cref="LearningRateShape.Constant"/> does not read it.</summary>
    public float FinalShare { get; init; } = 0.1f;

    /// <summary>The rate of a step.</summary>
    /// <param name="step">1 to <paramref name="steps"/>.</param>
    /// <param name="steps">Steps of the whole run.</param>
    public float At(int step, int steps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(step, steps);
        if (step <= WarmUpSteps) return (float)((double)Peak * step / WarmUpSteps);
        double fallen = Shape switch
        {
            LearningRateShape.Linear => Part(step - WarmUpSteps, steps - WarmUpSteps),
            LearningRateShape.Cosine => (1 - Math.Cos(Math.PI * Part(step - WarmUpSteps, steps - WarmUpSteps))) / 2,
            LearningRateShape.WarmUpStableDecay => Part(step - Math.Max(WarmUpSteps, steps - DecaySteps), Math.Min(DecaySteps, steps - WarmUpSteps)),
            _ => 0,
        };
        return (float)(Peak * (1 - fallen * (1 - FinalShare)));
    }

    /// <exception cref="UsageException">A number cannot work; the message names it.</exception>
    public void Validate(int steps)
    {
        Check(Peak > 0 && float.IsFinite(Peak), "peak", "a number above 0", Peak);
        Check(FinalShare is >= 0 and <= 1, "final share", "a number from 0 to 1", FinalShare);
        Check(WarmUpSteps >= 0 && WarmUpSteps <= steps, "warm-up", FormattableString.Invariant($"0 to {steps} steps, the whole run"), WarmUpSteps);
        if (Shape == LearningRateShape.WarmUpStableDecay)
            Check(DecaySteps >= 1 && DecaySteps <= steps - WarmUpSteps, "decay", FormattableString.Invariant($"1 to {steps - WarmUpSteps} steps, what the warm-up leaves"), DecaySteps);

        static void Check(bool holds, string what, string expected, IFormattable actual)
        {
            if (!holds) throw new UsageException(FormattableString.Invariant($"learning rate: {what}: expected {expected}, found {actual}"));
        }
    }

    private static double Part(int done, int whole) => Math.Clamp((double)done / whole, 0, 1);
}
