using System.CommandLine;
using System.Globalization;
using Gemma.Formats;
using Gemma.Training;

namespace Gemma.Cli.Verbs;

/// <summary>A model of one's own, from token shards.</summary>
internal sealed class TrainVerb : Verb
{
    private readonly Argument<string> _file = new("SETTINGS") { Description = "A JSON file that says what is trained, on what, and how; see docs/train.md." };
    private readonly Option<string?> _output = new("--output", "-o") { Description = "Folder of the run: checkpoints, logs, the model at the end.", HelpName = "FOLDER" };
    private readonly Option<bool> _resume = new("--resume") { Description = "Go on from the latest checkpoint in the folder of the run; where there is none, begin." };
    private readonly Option<string?> _steps = new("--steps") { Description = "Steps of the whole run.", HelpName = "N" };
    private readonly Option<string?> _precision = new("--precision") { Description = "What products are computed in: fp32, or bf16 where the processor has it.", HelpName = "TYPE" };
    private readonly Option<string?> _seed = new("--seed") { Description = "Decides the first weights and the order of the documents.", HelpName = "S" };
    private readonly Option<string[]> _set = new("--set") { Description = "Any other setting, such as learning_rate.peak=0.002; may be given several times.", HelpName = "NAME=VALUE" };
    private readonly Option<double?> _minutes = new("--max-minutes") { Description = "Save and leave after so long; --resume goes on.", HelpName = "M" };
    private readonly Option<bool> _accept = new("--accept-changes") { Description = "With --resume: go on with these settings although the run began with others." };
    private readonly Option<string?> _trouble = new("--on-trouble") { Description = "What a loss that leaps or is no number does: stop, or skip the step.", HelpName = "ACTION" };

    public TrainVerb() : base("train", "Train a model on token shards. What a run leaves can be gone on with to the same bits; the model works with every other verb.",
        "gemma train pretrain.json",
        "gemma train pretrain.json --max-minutes 60",
        "gemma train pretrain.json --resume",
        "gemma train pretrain.json -o runs/hot --set learning_rate.peak=0.003 --steps 500")
    {
        Arguments.Add(_file);
        AddFlags(_output, _resume, _steps, _precision, _seed, _set, _minutes, _trouble, _accept, Setting.Threads.Flag);
    }

    public override Task<int> RunAsync(Invocation call)
    {
        if (call.Get(_minutes) is double minutes && !(minutes > 0)) throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--max-minutes: expected a number above 0, found {minutes}"));
        string? output = call.Get(_output);
        var fields = RunFields.Load(call.Get(_file)!,
        [
            .. (call.Get(_set) ?? []).Select(RunFields.ReadOverride), ("output", output is null ? null : Path.GetFullPath(output), _output.Name), ("steps", call.Get(_steps), _steps.Name),
            ("precision", call.Get(_precision), _precision.Name), ("seed", call.Get(_seed), _seed.Name), ("on_trouble", call.Get(_trouble), _trouble.Name),
        ]);
        PretrainingSettings settings = PretrainingSettings.Read(fields);
        List<TokenSet> data = SetSettings.Open(settings.Data, settings.Tokenizer.Model), validation = [];
        try
        {
            validation = SetSettings.Open(settings.Validation, settings.Tokenizer.Model);
            return Task.FromResult(Train(call, settings, data, validation));
        }
        finally
        {
            SetSettings.Close(data);
            SetSettings.Close(validation);
        }
    }

    private int Train(Invocation call, PretrainingSettings settings, List<TokenSet> data, List<TokenSet> validation)
    {
        using var parameters = new ParameterSet(settings.Config);
        using var model = new TrainingModel(parameters, new TrainingOptions
        {
            Precision = settings.Precision,
            Threads = ModelSource.Threads(call),
            RecomputeLayers = settings.RecomputeLayers,
        });
        var loader = new TokenLoader(new TokenMixture(data, settings.Seed), settings.SequenceLength);
        TokenLoader? heldOut = validation.Count == 0 ? null : TokenLoader.OnePass(new TokenMixture(validation, 0), settings.SequenceLength);
        using var trainer = new Trainer(model, loader, heldOut, settings.Options with
        {
            WriteWeights = ModelWeights.Writer(parameters, settings.WeightType, settings.Tokenizer.Model.ToBytes()),
            TimeLimit = call.Get(_minutes) is double minutes ? TimeSpan.FromMinutes(minutes) : null,
            AcceptChanges = call.Get(_accept),
            Progress = new TrainingProgress(call.Screen),
            Notice = call.Screen.Note,
            Warning = call.Screen.Warn,
        });
        string? from = null;
        if (call.Get(_resume)) from = trainer.Resume();
        else trainer.Begin();
        if (from is null) SetFirstWeights(settings, parameters);
        Announce(call, settings, model, trainer, data, from);
        using CancellationTokenRegistration hint = call.Cancellation.Register(() => call.Screen.Note("the step in progress is finished, then all is saved; Ctrl+C once more leaves at once"));
        TrainingOutcome outcome = trainer.Run(call.Cancellation);
        call.Screen.ClearStatus();
        if (loader.TooShort > 0) call.Screen.Warn(string.Create(CultureInfo.InvariantCulture, $"{loader.TooShort} documents of one token were left out: nothing can be predicted in them"));
        TrainingReport.Show(call, trainer, settings.Options.Steps, outcome, $"gemma train {call.Get(_file)}{Again(call)} --resume", $"gemma run -m {trainer.ModelPath}");
        return outcome == TrainingOutcome.Interrupted ? Interrupt.ExitCode : 0;
    }

    private static void SetFirstWeights(PretrainingSettings settings, ParameterSet parameters)
    {
        if (settings.From is not string path)
        {
            parameters.Initialize(settings.Seed);
            return;
        }
        using ModelFiles files = ModelFiles.Open(path);
        if (ConfigComparison.FirstDifference(settings.Config, files.Config) is (string name, string wanted, string held))
            throw new UsageException($"{path}: {name}: expected {wanted}, as the settings say of the model, found {held}; leave \"model\" out to take that of \"from\"");
        ModelWeights.Read(files, parameters);
    }

    private void Announce(Invocation call, PretrainingSettings settings, TrainingModel model, Trainer trainer, List<TokenSet> data, string? from)
    {
        TrainerOptions options = settings.Options;
        long tokens = data.Sum(set => set.Shards.Sum(shard => shard.TokenCount));
        call.Screen.Note(string.Create(CultureInfo.InvariantCulture,
            $"{Amount.Count(model.Trained.Count)} parameters, {Amount.Count(tokens)} tokens of data, {options.Steps} steps of {options.BatchTokens * options.Accumulation} tokens at most; ")
            + string.Create(CultureInfo.InvariantCulture, $"{TrainingSettings.Precisions.First(precision => precision.Value == settings.Precision).Key} on {model.Threads} threads, which were measured to do {trainer.PeakOperations / 1e9:0} GFLOP/s (the peak that utilisation is of)"));
        if (from is not null) call.Screen.Note($"goes on from {from}");
        else if (call.Get(_resume)) call.Screen.Note($"{options.Output} holds no checkpoint yet: the run begins");
    }

    /// <summary>The flags without which the run would be another.</summary>
    private string Again(Invocation call)
    {
        IEnumerable<string> flags = new[] { _output, _steps, _precision, _seed, _trouble }.Where(flag => call.Get(flag) is not null).Select(flag => $" {flag.Name} {call.Get(flag)}");
        return string.Concat(flags.Concat((call.Get(_set) ?? []).Select(set => $" {_set.Name} {set}")));
    }
}
