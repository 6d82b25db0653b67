namespace Gemma.Training;

/// <summary>Why a run ended.</summary>
public enum TrainingOutcome
{
    /// <summary>All steps are done, and the model is written.</summary>
    Finished,

    /// <summary>The last epoch of the data has ended, and the model is written.</summary>
    EndOfData,

    /// <summary>The held-out loss did not get better for long enough, and the model is written.</summary>
    StoppedEarly,

    /// <summary>The time is up: there is a checkpoint to go on from.</summary>
    OutOfTime,

    /// <summary>The caller asked for it: there is a checkpoint to go on from.</summary>
    Interrupted,
}
