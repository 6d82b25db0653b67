namespace Gemma.Training;

/// <summary>How a <see cref="Trainer"/> runs.</summary>
public sealed record TrainerOptions
{
    /// <summary>Folder of the run: checkpoints, logs, loss curve and the model at the end. It is made.</summary>
    public required string Output { get; init; }

    /// <summary>Writes the trained weights, in the form that other programs load, into a folder that is there: see <see cref="ModelWeights.Writer"/>. Each file is flushed to the disk.</summary>
    public required Action<string> WriteWeights { get; init; }

    /// <summary>Steps of the whole run.</summary>
    public required int Steps { get; init; }

    /// <summary>Tokens that are read at once, at most: what memory has to hold.</summary>
    public required int BatchTokens { get; init; }

    /// <summary>Batches whose gradients are added up for one step of the optimizer.</summary>
    public int Accumulation { get; init; } = 1;

    public required LearningRate LearningRate { get; init; }

    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>Steps from one evaluation to the next; there is one with each checkpoint too. 0 evaluates with checkpoints only.</summary>
    public int EvaluateEvery { get; init; }

    /// <summary>Tokens after which an evaluation ends; 0 reads all held-out documents.</summary>
    public long EvaluationTokens { get; init; }

    /// <summary>Ends the run after so many evaluations in a row without a better loss; 0 never does.</summary>
    public int Patience { get; init; }

    /// <summary>Steps from one checkpoint to the next; there is always one at the end. 0 writes no other.</summary>
    public int CheckpointEvery { get; init; }

    /// <summary>The latest checkpoints that are kept, beside the best.</summary>
    public int Keep { get; init; } = 2;

    /// <summary>
    /// Ends with the model of the checkpoint that had the lowest held-out loss, where one was saved, rather than with the last. Evaluations come with checkpoints too;
    /// where they are more frequent, the best between two checkpoints is not kept.
    /// </summary>
    public bool WritesBest { get; init; }

    /// <summary>Whether loss or gradients that are no numbers, and leaps of the loss, stop the run or only skip the step.</summary>
    public TroubleAction OnTrouble { get; init; }

    /// <summary>A loss leaps where it is above the median of the last ones by so many of their deviations; 0 does not look for leaps.</summary>
    public double SpikeDeviations { get; init; } = 10;

    /// <summary>How many of the last losses that is said by.</summary>
    public int SpikeWindow { get; init; } = 64;

    /// <summary>After so long a checkpoint is written and the run left, to be gone on with later.</summary>
    public TimeSpan? TimeLimit { get; init; }

    /// <summary>What else decides the result, by name, and must be the same when the run goes on: the seed of the weights, for one.</summary>
    public IReadOnlyDictionary<string, string> Identity { get; init; } = new Dictionary<string, string>();

    /// <summary>Goes on also where settings are not those that the run began with; each difference is a warning then, not a refusal.</summary>
    public bool AcceptChanges { get; init; }

    /// <summary>Hears of each step.</summary>
    public IProgress<TrainingStep>? Progress { get; init; }

    /// <summary>Hears, line by line, of evaluations and checkpoints.</summary>
    public Action<string>? Notice { get; init; }

    /// <summary>Hears what the user must know although the run goes on.</summary>
    public Action<string>? Warning { get; init; }

    internal void Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Output);
        Check(Steps >= 1, "steps", "a whole number from 1", Steps);
        Check(BatchTokens >= 1, "batch tokens", "a whole number from 1", BatchTokens);
        Check(Accumulation >= 1, "accumulation", "a whole number from 1", Accumulation);
        Check(EvaluateEvery >= 0, "evaluate every", "a whole number from 0", EvaluateEvery);
        Check(EvaluationTokens >= 0, "evaluation tokens", "a whole number from 0", EvaluationTokens);
        Check(Patience >= 0, "patience", "a whole number from 0", Patience);
        Check(CheckpointEvery >= 0, "checkpoint every", "a whole number from 0", CheckpointEvery);
        Check(Keep >= 1, "keep", "a whole number from 1", Keep);
        Check(SpikeDeviations >= 0, "spike deviations", "a number from 0", SpikeDeviations);
        Check(SpikeWindow >= 4, "spike window", "a whole number from 4", SpikeWindow);
        Check(Optimizer.Beta1 is >= 0 and < 1, "beta1", "a number from 0, below 1", Optimizer.Beta1);
        Check(Optimizer.Beta2 is >= 0 and < 1, "beta2", "a number from 0, below 1", Optimizer.Beta2);
        Check(Optimizer.Epsilon > 0 && float.IsFinite(Optimizer.Epsilon), "epsilon", "a number above 0", Optimizer.Epsilon);
        Check(Optimizer.WeightDecay >= 0 && float.IsFinite(Optimizer.WeightDecay), "weight decay", "a number from 0", Optimizer.WeightDecay);
        Check(Optimizer.ClipNorm >= 0 && float.IsFinite(Optimizer.ClipNorm), "clip norm", "a number from 0", Optimizer.ClipNorm);
        LearningRate.Validate(Steps);

        static void Check(bool holds, string what, string expected, IFormattable actual)
        {
            if (!holds) throw new UsageException(FormattableString.Invariant($"{what}: expected {expected}, found {actual}"));
        }
    }
}
