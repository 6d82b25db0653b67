using System.Diagnostics;
using System.Globalization;
using Gemma.Training;

namespace Gemma.Cli;

/// <summary>Shows how a run goes: where someone watches a line that moves, elsewhere a line now and then.</summary>
internal sealed class TrainingProgress(Screen screen) : IProgress<TrainingStep>
{
    // How much the newest step counts in what is shown.
    private const double Newest = 0.1;

    private static readonly TimeSpan Frame = TimeSpan.FromMilliseconds(100), Line = TimeSpan.FromSeconds(30);

    private double _loss = double.NaN, _seconds = double.NaN, _tokens = double.NaN, _utilisation = double.NaN;
    private long _shown, _said, _reported;

    public void Report(TrainingStep value)
    {
        // The first step also compiles code and takes memory: it says nothing of the others.
        if (_reported++ == 1) _seconds = _tokens = _utilisation = double.NaN;
        if (!value.IsSkipped) Mix(ref _loss, value.Loss);
        Mix(ref _seconds, value.Seconds);
        Mix(ref _tokens, value.Tokens);
        Mix(ref _utilisation, value.Utilisation);
        if (Screen.ErrorIsTerminal)
        {
            if (Due(ref _shown, Frame)) screen.Status(Describe(value));
        }
        else if (Due(ref _said, Line))
        {
            screen.Note(Describe(value));
        }
    }

    private string Describe(TrainingStep step) => string.Create(CultureInfo.InvariantCulture,
        $"step {step.Step}/{step.Steps} · loss {_loss:0.000} · {_tokens / _seconds:0} tok/s · {_utilisation:P0} of peak · rate {step.LearningRate:0.00e+0} · ")
        + string.Create(CultureInfo.InvariantCulture, $"gradient {step.GradientNorm:0.00} · {Amount.Bytes(step.MemoryBytes)} · {Amount.Duration(TimeSpan.FromSeconds(_seconds * (step.Steps - step.Step)))} left");

    private static bool Due(ref long last, TimeSpan after)
    {
        if (last != 0 && Stopwatch.GetElapsedTime(last) < after) return false;
        last = Stopwatch.GetTimestamp();
        return true;
    }

    private static void Mix(ref double mean, double value) => mean = double.IsNaN(mean) ? value : mean + Newest * (value - mean);
}
