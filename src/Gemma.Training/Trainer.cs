using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gemma.Formats;

namespace Gemma.Training;

/// <summary>
/// Trains a model: batches, gradients, optimizer, evaluation, checkpoints and logs. Everything that decides the next step is in a checkpoint, so a run that was stopped,
/// or killed, and goes on ends with the same bits as one that was not. One thread uses it.
/// </summary>
public sealed class Trainer : IDisposable
{
    // Steps in a row that may be thrown away: what goes wrong for longer does not go away by itself.
    private const int MostSkipped = 10;

    private readonly TrainingModel _model;
    private readonly ITrainingData _data;
    private readonly ITrainingData? _validation;
    private readonly TrainerOptions _options;
    private readonly AdamW _optimizer;
    private readonly TrainingBatch[] _batches;
    private readonly string[][] _documents;
    private readonly TrainingBatch _heldOut = new();
    private readonly SpikeDetector _spikes;
    private readonly SortedDictionary<string, string> _identity;
    private readonly JsonElement _validationStart;
    private RunFolder? _folder;
    private TrainingLog? _log;
    private TrainerState _state = new();
    private int _savedStep = -1, _evaluatedStep = -1, _skippedInARow;

    /// <param name="model">What learns; whoever made it disposes of it, after this.</param>
    /// <param name="data">What it learns from.</param>
    /// <param name="validation">Held-out documents, read from where it stands now at each evaluation; null evaluates nothing.</param>
    /// <param name="options">How.</param>
    /// <exception cref="UsageException">A number of the options cannot work; the message names it.</exception>
    public Trainer(TrainingModel model, ITrainingData data, ITrainingData? validation, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        (_model, _data, _validation, _options) = (model, data, validation, options);
        _optimizer = new AdamW(model.Trained, options.Optimizer, model.Options.Threads);
        _batches = [.. Enumerable.Range(0, options.Accumulation).Select(_ => new TrainingBatch())];
        _documents = new string[options.Accumulation][];
        _spikes = new SpikeDetector(options.SpikeDeviations, options.SpikeWindow);
        _identity = TrainerIdentity.Of(model, data, validation, options);
        if (validation is not null) _validationStart = Position(validation);
    }

    /// <summary>Steps done.</summary>
    public int Step => _state.Step;

    /// <summary>The held-out loss that was the lowest, and null where none was measured.</summary>
    public double? BestLoss => _state.BestLoss;

    /// <summary>The step of <see cref="BestLoss"/>.</summary>
    public int? BestStep => _state.BestStep;

    /// <summary>Tokens read in training, over all parts of the run.</summary>
    public long Tokens => _state.Tokens;

    /// <summary>Time spent in steps, over all parts of the run.</summary>
    public TimeSpan Time => TimeSpan.FromSeconds(_state.Seconds);

    /// <summary>Operations a second that the processor was measured to do when the run began.</summary>
    public double PeakOperations { get; private set; }

    /// <summary>Of the last step; NaN before the first.</summary>
    public double TrainingLoss => _state.TrainingLoss;

    /// <summary>The held-out loss of the last step, where it was measured.</summary>
    public double? ValidationLoss => _state.ValidationLoss;

    /// <summary>Steps whose gradients were thrown away.</summary>
    public int SkippedSteps => _state.SkippedSteps;

    /// <summary>The checkpoint of the last step.</summary>
    public string CheckpointPath => Path.Combine(_options.Output, "checkpoints", Checkpoint.NameOf(_state.Step));

    /// <summary>Where the model is written at the end.</summary>
    public string ModelPath => Path.Combine(_options.Output, "model");

    /// <summary>Takes the output folder, which must not hold a run yet.</summary>
    /// <exception cref="GemmaException">It does, another process works in it, or the disk says no.</exception>
    public void Begin()
    {
        _folder = RunFolder.Open(_options.Output);
        if (_folder.Steps.Any() || File.Exists(_folder.In(TrainingLog.FileName)))
            throw new UsageException($"{_options.Output}: there is a run in this folder already; add --resume to go on with it, or choose another folder");
        Open();
    }

    /// <summary>Takes the output folder and goes on from its latest checkpoint that is whole; where it holds none the run begins.</summary>
    /// <returns>The checkpoint's name; null where the run begins.</returns>
    /// <exception cref="GemmaException">The run was begun with other settings or data, all checkpoints are damaged, or the disk says no.</exception>
    public string? Resume()
    {
        _folder = RunFolder.Open(_options.Output);
        Checkpoint? checkpoint = _folder.FindLast(_options.Warning);
        if (checkpoint is not null)
        {
            CheckIdentity(checkpoint.State.Identity);
            checkpoint.Restore(_model.Trained, _optimizer);
            _data.Restore(checkpoint.State.Data);
            _state = checkpoint.State;
            _spikes.Losses = _state.RecentLosses;
            _savedStep = _state.Step;
            if (_state.ValidationLoss is not null) _evaluatedStep = _state.Step;
        }
        Open();
        return checkpoint?.Name;
    }

    /// <summary>Trains until the last step, the end of the data or the time limit. After <see cref="Begin"/> or <see cref="Resume"/>.</summary>
    /// <param name="cancellation">Ends it after the step in progress, with a checkpoint.</param>
    /// <exception cref="GemmaException">A loss or gradient was no number or leapt, or the disk said no. Checkpoints that were written stay.</exception>
    public TrainingOutcome Run(CancellationToken cancellation = default)
    {
        if (_folder is null) throw new InvalidOperationException("Begin or Resume comes first");
        long start = Stopwatch.GetTimestamp();
        TrainingOutcome? outcome = null;
        // An evaluation that was broken off with the run belongs to its checkpoint.
        if (_validation is not null && IsEvaluated(_state.Step) && _evaluatedStep != _state.Step && Evaluate(cancellation))
        {
            _savedStep = -1;
            Save();
        }
        while (outcome is null)
        {
            if (_state.Step >= _options.Steps) outcome = TrainingOutcome.Finished;
            else if (_options.Patience > 0 && _state.EvaluationsSinceBest >= _options.Patience) outcome = TrainingOutcome.StoppedEarly;
            else if (cancellation.IsCancellationRequested) outcome = TrainingOutcome.Interrupted;
            else if (Stopwatch.GetElapsedTime(start) >= _options.TimeLimit) outcome = TrainingOutcome.OutOfTime;
            else if (!Advance()) outcome = TrainingOutcome.EndOfData;
            else if (_state.Step < _options.Steps) SaveWhereDue(cancellation);
        }
        bool ends = outcome is TrainingOutcome.Finished or TrainingOutcome.EndOfData or TrainingOutcome.StoppedEarly;
        if (ends && !Evaluate(cancellation)) (ends, outcome) = (false, TrainingOutcome.Interrupted);
        Save();
        if (ends) WriteModel();
        return outcome.Value;
    }

    public void Dispose()
    {
        _log?.Dispose();
        _folder?.Dispose();
        _optimizer.Dispose();
    }

    private void Open()
    {
        _log = new TrainingLog(_folder!, _state.Step);
        PeakOperations = ProcessorPeak.Measure(_model);
        _log.WriteRun(_state.Step, _model, PeakOperations, _identity);
    }

    /// <summary>One step; false where there is no more data.</summary>
    private bool Advance()
    {
        long start = Stopwatch.GetTimestamp();
        int count = 0, tokens = 0;
        double weight = 0, operations = 0;
        for (; count < _batches.Length && _data.Next(_batches[count], _options.BatchTokens); count++)
        {
            _documents[count] = [.. _data.Documents];
            tokens += _batches[count].TokenCount;
            weight += _batches[count].Weight;
            operations += TrainingOperations.Of(_model, _batches[count]);
        }
        if (count == 0) return false;
        if (!(weight > 0)) throw new GemmaException($"{AllDocuments(count)[0]}: expected something to predict in the documents of a step, found nothing; check the data");

        int step = _state.Step + 1;
        float rate = _options.LearningRate.At(step, _options.Steps);
        Loss loss = default;
        for (int i = 0; i < count; i++)
        {
            Loss part = _model.Step(_batches[i], (float)(1 / weight));
            loss += part;
            if (double.IsFinite(part.Sum)) continue;
            // The other batches would only bury what is found here.
            Trouble(step, FormattableString.Invariant($"the loss is {part.Sum}"), FirstBad(), _documents[i]);
            break;
        }
        double norm = double.NaN;
        bool moved = double.IsFinite(loss.Sum);
        if (moved && _spikes.Limit is double limit && loss.Mean > limit)
        {
            Trouble(step, FormattableString.Invariant($"the loss leapt to {loss.Mean:0.000}, where {limit:0.000} is the most that the last ones let expect"), Longest(), AllDocuments(count));
            moved = false;
        }
        if (moved)
        {
            norm = _optimizer.Step(rate);
            if (!double.IsFinite(norm))
            {
                Trouble(step, FormattableString.Invariant($"the gradients' norm is {norm}"), FirstBad(), AllDocuments(count));
                moved = false;
            }
        }
        if (moved) _spikes.Add(loss.Mean);
        _skippedInARow = moved ? 0 : _skippedInARow + 1;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        _state = _state with
        {
            Step = step,
            Tokens = _state.Tokens + tokens,
            Seconds = _state.Seconds + seconds,
            SkippedSteps = _state.SkippedSteps + (moved ? 0 : 1),
            TrainingLoss = loss.Mean,
            ValidationLoss = null,
        };
        var report = new TrainingStep
        {
            Step = step,
            Steps = _options.Steps,
            Loss = loss.Mean,
            LearningRate = rate,
            GradientNorm = norm,
            Tokens = tokens,
            TotalTokens = _state.Tokens,
            Seconds = seconds,
            Utilisation = operations / seconds / PeakOperations,
            MemoryBytes = Environment.WorkingSet,
            IsSkipped = !moved,
            Metrics = [.. loss.Metrics.Select(metric => metric with { Sum = metric.Sum / loss.Weight })],
        };
        _log!.Write(report);
        _options.Progress?.Report(report);
        return true;
    }

    private bool IsSaved(int step) => _options.CheckpointEvery > 0 && step > 0 && step % _options.CheckpointEvery == 0;

    private bool IsEvaluated(int step) => IsSaved(step) || _options.EvaluateEvery > 0 && step > 0 && step % _options.EvaluateEvery == 0;

    private void SaveWhereDue(CancellationToken cancellation)
    {
        if (IsEvaluated(_state.Step) && !Evaluate(cancellation)) return; // the run ends with a checkpoint and goes on with the evaluation
        if (IsSaved(_state.Step)) Save();
    }

    /// <summary>The loss of the held-out documents; false where the caller wants the end first.</summary>
    private bool Evaluate(CancellationToken cancellation)
    {
        if (_validation is null || _evaluatedStep == _state.Step) return true;
        _validation.Restore(_validationStart);
        Loss loss = default;
        long tokens = 0;
        while ((_options.EvaluationTokens == 0 || tokens < _options.EvaluationTokens) && _validation.Next(_heldOut, _options.BatchTokens))
        {
            if (cancellation.IsCancellationRequested) return false;
            loss += _model.Evaluate(_heldOut);
            tokens += _heldOut.TokenCount;
        }
        if (loss.Weight == 0) throw new GemmaException("the held-out documents have nothing to predict; name others, or none");
        if (!double.IsFinite(loss.Mean)) throw new GemmaException(Line(_state.Step, FormattableString.Invariant($"the held-out loss is {loss.Mean}"), FirstBad(), _validation.Documents));
        bool best = _state.BestLoss is not double before || loss.Mean < before;
        _evaluatedStep = _state.Step;
        _state = _state with
        {
            ValidationLoss = loss.Mean,
            BestLoss = best ? loss.Mean : _state.BestLoss,
            BestStep = best ? _state.Step : _state.BestStep,
            EvaluationsSinceBest = best ? 0 : _state.EvaluationsSinceBest + 1,
        };
        _log!.WriteEvaluation(_state.Step, loss);
        _options.Notice?.Invoke(string.Create(CultureInfo.InvariantCulture,
            $"step {_state.Step}: held-out loss {loss.Mean:0.0000}{(best ? ", the best so far" : FormattableString.Invariant($"; the best is {_state.BestLoss:0.0000}, of step {_state.BestStep}"))}"));
        return true;
    }

    private void Save()
    {
        if (_savedStep == _state.Step) return;
        string path = _folder!.PathOf(_state.Step);
        TrainerState state = _state with { OptimizerSteps = _optimizer.StepCount, RecentLosses = _spikes.Losses, Identity = _identity, Data = Position(_data) };
        try
        {
            Checkpoint.Write(path, state, _model.Trained, _optimizer, _options.WriteWeights);
        }
        catch (GemmaException failure)
        {
            int? last = _folder.Steps.Cast<int?>().LastOrDefault();
            throw new GemmaException($"{failure.Message}; the checkpoint of step {_state.Step} is not written, "
                + (last is int step ? $"that of step {step} is there to go on from" : "and there is none before it"), failure);
        }
        _savedStep = _state.Step;
        _folder.Retire(_options.Keep, BestSaved());
        _log!.WriteCurve();
        _options.Notice?.Invoke(string.Create(CultureInfo.InvariantCulture, $"step {_state.Step}: saved {path}"));
    }

    /// <summary>The checkpoint with the lowest held-out loss; evaluations may be more frequent, and the best step have none.</summary>
    private int? BestSaved() => _folder!.Steps.Select(step => (Step: step, Loss: Checkpoint.ValidationLossOf(_folder.PathOf(step))))
        .Where(saved => saved.Loss is not null).OrderBy(saved => saved.Loss).Select(saved => (int?)saved.Step).FirstOrDefault();

    private void WriteModel()
    {
        if (_options.WritesBest && BestSaved() is int best && best != _state.Step)
        {
            Checkpoint.Open(_folder!.PathOf(best)).Restore(_model.Trained, _optimizer);
            _options.Notice?.Invoke(FormattableString.Invariant($"the model is that of step {best}, which had the lowest held-out loss"));
        }
        using NewFolder folder = NewFolder.Create(_folder!.Model, replace: true, _ => true);
        _options.WriteWeights(folder.TemporaryPath);
        folder.Publish();
        _log!.WriteCurve();
    }

    /// <summary>Says what went wrong and stops, or throws the gradients away.</summary>
    private void Trouble(int step, string what, string parameter, IReadOnlyList<string> documents)
    {
        string line = Line(step, what, parameter, documents);
        _log!.WriteTrouble(step, what + ", " + parameter, documents);
        if (_options.OnTrouble == TroubleAction.Stop)
            throw new GemmaException(line + "; nothing of this step is kept, the checkpoints are from before it: lower the learning rate, look at the documents, or go on with --on-trouble skip");
        if (_skippedInARow + 1 >= MostSkipped) throw new GemmaException(line + FormattableString.Invariant($"; these are {MostSkipped} steps in a row: lower the learning rate"));
        _model.Trained.ClearGradients();
        _options.Warning?.Invoke(line + "; the step is skipped");
    }

    private static string Line(int step, string what, string parameter, IReadOnlyList<string> documents)
    {
        const int Named = 3; // the log names all
        string more = documents.Count > Named ? FormattableString.Invariant($" and {documents.Count - Named} more (see {TrainingLog.FileName})") : "";
        return FormattableString.Invariant($"step {step}: {what}, {parameter}; documents: {string.Join(", ", documents.Take(Named))}{more}");
    }

    /// <summary>The first parameter that is no number, or else whose gradient is none.</summary>
    private string FirstBad()
    {
        foreach (Parameter parameter in _model.Trained.Parameters)
            if (!AllFinite(parameter.Values)) return $"{parameter.Name} holds what is no number";
        foreach (Parameter parameter in _model.Trained.Parameters)
            if (!AllFinite(parameter.Gradients)) return $"the gradient of {parameter.Name} is the first that is no number";
        return "all parameters and gradients are numbers";
    }

    /// <summary>The parameter with the longest gradient.</summary>
    private string Longest()
    {
        Parameter longest = _model.Trained.Parameters.MaxBy(parameter => Norm(parameter.Gradients))!;
        return FormattableString.Invariant($"the longest gradient, {Norm(longest.Gradients):0.###}, is that of {longest.Name}");

        static double Norm(ReadOnlySpan<float> values)
        {
            double sum = 0;
            foreach (float value in values) sum += (double)value * value;
            return Math.Sqrt(sum);
        }
    }

    private static bool AllFinite(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
            if (!float.IsFinite(value)) return false;
        return true;
    }

    private string[] AllDocuments(int count) => [.. _documents.Take(count).SelectMany(documents => documents)];

    private void CheckIdentity(IReadOnlyDictionary<string, string> began)
    {
        string[] differences = [.. began.Keys.Union(_identity.Keys).Order(StringComparer.Ordinal)
            .Where(name => began.GetValueOrDefault(name) != _identity.GetValueOrDefault(name))
            .Select(name => $"{name}: {began.GetValueOrDefault(name) ?? "none"}, now {_identity.GetValueOrDefault(name) ?? "none"}")];
        if (differences.Length == 0) return;
        if (!_options.AcceptChanges)
        {
            throw new UsageException($"{_options.Output}: the run was begun with other settings: {string.Join("; ", differences)}: go on with those, add --accept-changes to go on with these, "
                + "or begin anew in another folder");
        }
        foreach (string difference in differences) _options.Warning?.Invoke($"goes on with another setting: {difference}");
    }

    private static JsonElement Position(ITrainingData data)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer)) data.Save(json);
        using JsonDocument document = JsonDocument.Parse(buffer.WrittenMemory);
        return document.RootElement.Clone();
    }
}
