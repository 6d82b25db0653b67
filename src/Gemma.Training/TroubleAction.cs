namespace Gemma.Training;

/// <summary>What a <see cref="Trainer"/> does where a loss or a gradient is no number, or the loss leaps.</summary>
public enum TroubleAction
{
    /// <summary>Stops with a line that says which step, which documents and which parameter. Nothing of that step is kept or saved.</summary>
    Stop,

    /// <summary>Says the same, throws the step's gradients away and goes on with the next documents. Many such steps in a row stop it all the same.</summary>
    Skip,
}
