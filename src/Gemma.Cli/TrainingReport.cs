using System.Globalization;
using Gemma.Training;

namespace Gemma.Cli;

/// <summary>What a run of training or tuning came to.</summary>
internal static class TrainingReport
{
    /// <param name="call">The call.</param>
    /// <param name="trainer">That has run.</param>
    /// <param name="steps">Of the whole run.</param>
    /// <param name="outcome">Why it ended.</param>
    /// <param name="again">How it is gone on with.</param>
    /// <param name="test">How what was learnt is tried.</param>
    public static void Show(Invocation call, Trainer trainer, int steps, TrainingOutcome outcome, string again, string test)
    {
        bool ended = outcome is TrainingOutcome.Finished or TrainingOutcome.EndOfData or TrainingOutcome.StoppedEarly;
        if (call.Screen.Json)
        {
            call.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("outcome", OutcomeName(outcome));
                json.WriteNumber("step", trainer.Step);
                json.WriteNumber("steps", steps);
                json.WriteNumber("tokens", trainer.Tokens);
                json.WriteNumber("seconds", trainer.Time.TotalSeconds);
                json.WriteNumber("skipped_steps", trainer.SkippedSteps);
                json.WriteFinite("training_loss", trainer.TrainingLoss);
                json.WriteFinite("validation_loss", trainer.ValidationLoss);
                json.WriteFinite("best_loss", trainer.BestLoss);
                json.WriteFinite("best_step", trainer.BestStep);
                json.WriteString("checkpoint", Path.GetFullPath(trainer.CheckpointPath));
                if (ended) json.WriteString("model", Path.GetFullPath(trainer.ModelPath));
                else json.WriteNull("model");
                json.WriteEndObject();
            });
        }
        string done = string.Create(CultureInfo.InvariantCulture, $"{trainer.Step} of {steps} steps, {Amount.Count(trainer.Tokens)} tokens in {Amount.Duration(trainer.Time)}");
        if (!ended)
        {
            string why = outcome == TrainingOutcome.OutOfTime ? "the time is up" : "interrupted";
            // Whoever wants quiet must still know how to go on.
            call.Screen.Say($"{why}: {done}; saved, go on with: {again}");
            return;
        }
        string ending = outcome switch { TrainingOutcome.EndOfData => "the data has ended: ", TrainingOutcome.StoppedEarly => "the held-out loss got no better: ", _ => "" };
        string loss = string.Create(CultureInfo.InvariantCulture, $"loss {trainer.TrainingLoss:0.000}") + (trainer.ValidationLoss is double held ? string.Create(CultureInfo.InvariantCulture, $", held out {held:0.000}") : "");
        call.Screen.Note($"{trainer.ModelPath}: {ending}{done}; {loss}; try it with: {test}");
    }

    private static string OutcomeName(TrainingOutcome outcome) => outcome switch
    {
        TrainingOutcome.Finished => "finished",
        TrainingOutcome.EndOfData => "end_of_data",
        TrainingOutcome.StoppedEarly => "stopped_early",
        TrainingOutcome.OutOfTime => "out_of_time",
        _ => "interrupted",
    };
}
