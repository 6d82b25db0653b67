using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Gemma.Chat;
using Gemma.Formats;
using Gemma.Tokenization;
using Gemma.Training;
using Gemma.Training.Tuning;

namespace Gemma.Cli.Verbs;

/// <summary>A model that is there learns from conversations.</summary>
internal sealed class TuneVerb : Verb
{
    private const int MostWarnings = 5;

    private readonly Argument<string?> _data = new("DATA") { Arity = ArgumentArity.ZeroOrOne, Description = "A JSONL file of conversations (messages, or prompt and completion), or with --dpo of pairs (prompt, chosen, rejected)." };
    private readonly Option<string?> _settings = new("--settings") { Description = "A JSON file with any of the settings; flags go over it. See docs/tune.md.", HelpName = "FILE" };
    private readonly Option<string?> _output = new("--output", "-o") { Description = "Folder of the run: checkpoints, logs, and at the end the adapter or the model.", HelpName = "FOLDER" };
    private readonly Option<bool> _resume = new("--resume") { Description = "Go on from the latest checkpoint in the folder of the run; where there is none, begin." };
    private readonly Option<string?> _method = new("--method") { Description = "lora (an adapter learns, the model stays as it is; the default) or full (all weights learn).", HelpName = "METHOD" };
    private readonly Option<bool> _dpo = new("--dpo") { Description = "Learn which of two answers is preferred (direct preference optimisation)." };
    private readonly Option<string?> _validation = new("--validation") { Description = "A JSONL file that is not learnt from, to measure with.", HelpName = "FILE" };
    private readonly Option<string?> _holdOut = new("--hold-out") { Description = "Hold this share of the data out instead, such as 0.05.", HelpName = "SHARE" };
    private readonly Option<string?> _patience = new("--patience") { Description = "End after so many evaluations in a row without a better loss.", HelpName = "N" };
    private readonly Option<string?> _epochs = new("--epochs") { Description = "How often each sample is learnt from (3).", HelpName = "N" };
    private readonly Option<string?> _steps = new("--steps") { Description = "Steps of the whole run, instead of epochs.", HelpName = "N" };
    private readonly Option<string?> _rate = new("--learning-rate") { Description = "The highest: 2e-4 for lora, 2e-5 for full, with --dpo a twentieth of that.", HelpName = "R" };
    private readonly Option<string?> _rank = new("--rank") { Description = "Rank of the adapter (8).", HelpName = "N" };
    private readonly Option<string?> _alpha = new("--alpha") { Description = "The adapter counts alpha / rank times (twice the rank).", HelpName = "X" };
    private readonly Option<string?> _targets = new("--targets") { Description = "What is adapted: all-linear (the default), or some of q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj.", HelpName = "NAMES" };
    private readonly Option<string?> _dropout = new("--dropout") { Description = "Share of the adapter's inputs that each step drops (0).", HelpName = "P" };
    private readonly Option<string?> _base = new("--base") { Description = "What the weights under an adapter are kept in: f32, bf16 or q8; without it as in the file.", HelpName = "TYPE" };
    private readonly Option<string?> _precision = new("--precision") { Description = "What products are computed in: fp32, or bf16 where the processor has it.", HelpName = "TYPE" };
    private readonly Option<string?> _seed = new("--seed") { Description = "Decides the order of the samples, what is held out, and the adapter's first numbers.", HelpName = "S" };
    private readonly Option<string[]> _set = new("--set") { Description = "Any other setting, such as batch_tokens=4096; may be given several times.", HelpName = "NAME=VALUE" };
    private readonly Option<double?> _minutes = new("--max-minutes") { Description = "Save and leave after so long; --resume goes on.", HelpName = "M" };
    private readonly Option<bool> _accept = new("--accept-changes") { Description = "With --resume: go on with these settings although the run began with others." };

    public TuneVerb() : base("tune", "Teach a model with conversations of your own: an adapter (LoRA) or all weights, from answers, or from preferences between answers.",
        "gemma tune chats.jsonl -m gemma-2b -o tuned",
        "gemma tune chats.jsonl -m gemma-2b -o tuned --hold-out 0.05 --patience 3 --rank 16 --precision bf16",
        "gemma tune pairs.jsonl --dpo -m gemma-1.1-2b-it -o preferred",
        "gemma tune --settings tune.json --resume")
    {
        Arguments.Add(_data);
        AddFlags(Setting.Model.Flag, Flags.Offline, _output, _settings, _method, _dpo, _validation, _holdOut, _patience, _epochs, _steps, _rate, _rank, _alpha, _targets, _dropout, _base,
            _precision, _seed, _set, _resume, _minutes, _accept, Setting.Threads.Flag);
    }

    public override async Task<int> RunAsync(Invocation call)
    {
        if (call.Get(_minutes) is double minutes && !(minutes > 0)) throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--max-minutes: expected a number above 0, found {minutes}"));
        RunFields fields = ReadFields(call);
        string? name = call.Get(Setting.Model.Flag) ?? (fields.Text("model") is string said ? (Path.Exists(fields.FullPath(said)) ? fields.FullPath(said) : said) : call.Text(Setting.Model));
        using ModelFiles files = name is null ? EmbeddedModel.Open() : ModelFiles.Open(await ModelSource.LocateAsync(call, name).ConfigureAwait(false));
        TuningSettings settings = TuningSettings.Read(fields, files.Config);
        return Tune(call, settings, files, name ?? EmbeddedModel.Name);
    }

    private RunFields ReadFields(Invocation call)
    {
        string? FullPath(string? path) => path is null ? null : Path.GetFullPath(path);
        (string, string?, string)[] overrides =
        [
            .. (call.Get(_set) ?? []).Select(RunFields.ReadOverride), ("data", FullPath(call.Get(_data)), "DATA"), ("output", FullPath(call.Get(_output)), _output.Name), ("method", call.Get(_method), _method.Name),
            ("dpo", call.Get(_dpo) ? "true" : null, _dpo.Name), ("validation", FullPath(call.Get(_validation)), _validation.Name), ("hold_out", call.Get(_holdOut), _holdOut.Name),
            ("patience", call.Get(_patience), _patience.Name), ("epochs", call.Get(_epochs), _epochs.Name), ("steps", call.Get(_steps), _steps.Name), ("learning_rate", call.Get(_rate), _rate.Name),
            ("rank", call.Get(_rank), _rank.Name), ("alpha", call.Get(_alpha), _alpha.Name), ("targets", call.Get(_targets), _targets.Name), ("dropout", call.Get(_dropout), _dropout.Name),
            ("base", call.Get(_base), _base.Name), ("precision", call.Get(_precision), _precision.Name), ("seed", call.Get(_seed), _seed.Name),
        ];
        return call.Get(_settings) is string file ? RunFields.Load(file, overrides) : RunFields.Of("the settings", overrides);
    }

    private int Tune(Invocation call, TuningSettings settings, ModelFiles files, string name)
    {
        SentencePieceTokenizer tokenizer = files.ReadTokenizer() ?? throw new UsageException($"{name}: this model's files hold no tokenizer, so it cannot read conversations; put tokenizer.model beside the weights");
        ChatTemplate template = ChatTemplate.For(tokenizer, files.ChatTemplate);
        (ImmutableArray<TuningSample> learnt, ImmutableArray<TuningSample> held, Dictionary<string, string> identity) = ReadData(call, settings, template, tokenizer);
        var data = new TuningData(learnt, settings.Order, identity);
        TuningData? validation = held.IsEmpty ? null : new TuningData(held, settings.Order with { Epochs = 1, Shuffle = false }, [new("of", identity.GetValueOrDefault("validation", "held out"))]);
        TrainerOptions options = settings.Options(1);
        options = settings.Options(settings.Steps ?? (data.CountBatches(options.BatchTokens) + options.Accumulation - 1) / options.Accumulation);

        var training = new TrainingOptions { Precision = settings.Precision, Threads = ModelSource.Threads(call), RecomputeLayers = settings.RecomputeLayers };
        using var tuned = TunedModel.Load(files, tokenizer, template, settings, training, name, call);
        using var trainer = new Trainer(tuned.Model, data, validation, options with
        {
            WriteWeights = tuned.Write,
            TimeLimit = call.Get(_minutes) is double minutes ? TimeSpan.FromMinutes(minutes) : null,
            AcceptChanges = call.Get(_accept),
            Identity = tuned.Identity,
            Progress = new TrainingProgress(call.Screen),
            Notice = call.Screen.Note,
            Warning = call.Screen.Warn,
        });
        string? from = null;
        if (call.Get(_resume)) from = trainer.Resume();
        else trainer.Begin();
        if (from is null) tuned.SetFirstWeights(files);
        if (settings.IsPreference) SetReferences(call, options, tuned, [.. learnt, .. held], identity, isNew: from is null);
        bool isTuned = files.ChatTemplate is not null || files.Config.EosIds.Contains(template.EndOfTurnId);
        Announce(call, settings, tuned, options, learnt, held, isTuned, from);
        using CancellationTokenRegistration hint = call.Cancellation.Register(() => call.Screen.Note("the step in progress is finished, then all is saved; Ctrl+C once more leaves at once"));
        TrainingOutcome outcome = trainer.Run(call.Cancellation);
        call.Screen.ClearStatus();
        string test = settings.Lora is null ? $"gemma chat -m {trainer.ModelPath}" : $"gemma chat{(name == EmbeddedModel.Name ? "" : $" -m {name}")} --adapter {trainer.ModelPath}";
        TrainingReport.Show(call, trainer, options.Steps, outcome, "the same command and --resume", test);
        return outcome == TrainingOutcome.Interrupted ? Interrupt.ExitCode : 0;
    }

    private static (ImmutableArray<TuningSample> Learnt, ImmutableArray<TuningSample> Held, Dictionary<string, string> Identity) ReadData(Invocation call, TuningSettings settings,
        ChatTemplate template, SentencePieceTokenizer tokenizer)
    {
        TuningFile file = Read(call, settings, settings.Data, template);
        var identity = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["file"] = file.Hash,
            ["objective"] = settings.IsPreference ? "dpo" : "sft",
            ["tokenizer"] = tokenizer.Model.Hash,
            ["longest"] = string.Create(CultureInfo.InvariantCulture, $"{settings.Reading.MaxTokens}{(settings.Reading.Truncate ? ", longer ones cut" : "")}"),
        };
        if (settings.Validation is string path)
        {
            TuningFile other = Read(call, settings, path, template);
            identity["validation"] = other.Hash;
            return (file.Samples, other.Samples, identity);
        }
        (ImmutableArray<TuningSample> learnt, ImmutableArray<TuningSample> held) = TuningData.HoldOut(file.Samples, settings.HoldOut, settings.Order.Seed);
        if (!held.IsEmpty) identity["held_out"] = string.Create(CultureInfo.InvariantCulture, $"{settings.HoldOut}");
        return (learnt, held, identity);
    }

    private static TuningFile Read(Invocation call, TuningSettings settings, string path, ChatTemplate template)
    {
        TuningFile file = call.Screen.Watch("reading", null, _ => settings.IsPreference ? TuningFile.ReadPairs(path, template, settings.Reading) : TuningFile.ReadConversations(path, template, settings.Reading));
        // What was left out must be seen, also by those who want quiet.
        foreach (string line in file.Skipped.Take(MostWarnings)) call.Screen.Warn($"skipped: {line}");
        if (file.Skipped.Count > MostWarnings) call.Screen.Warn(string.Create(CultureInfo.InvariantCulture, $"{path}: {file.Skipped.Count} lines were skipped in all"));
        if (file.Truncated > 0) call.Screen.Warn(string.Create(CultureInfo.InvariantCulture, $"{path}: {file.Truncated} samples were cut to {settings.Reading.MaxTokens} tokens"));
        return file;
    }

    private static void SetReferences(Invocation call, TrainerOptions options, TunedModel tuned, ImmutableArray<TuningSample> samples, Dictionary<string, string> identity, bool isNew)
    {
        var reference = new PreferenceReference(Path.Combine(options.Output, PreferenceReference.FileName), [.. identity, .. tuned.Identity]);
        PreferenceSample[] pairs = [.. samples.Cast<PreferenceSample>()];
        if (reference.TryRead(pairs)) return;
        if (!isNew)
            throw new GemmaException($"{reference.Path}: expected what the model made of these pairs before it was tuned, found {(File.Exists(reference.Path) ? "that of other pairs or another model" : "no such file")}; begin anew in another folder");
        call.Screen.Watch("computing the reference", null, progress =>
        {
            PreferenceReference.Compute(tuned.Model, pairs, options.BatchTokens, progress, call.Cancellation);
            return true;
        });
        reference.Write(pairs);
    }

    private void Announce(Invocation call, TuningSettings settings, TunedModel tuned, TrainerOptions options, ImmutableArray<TuningSample> learnt, ImmutableArray<TuningSample> held, bool isTuned, string? from)
    {
        string what = settings.Lora is { } lora ? $"an adapter of rank {lora.Rank} ({Amount.Count(tuned.Model.Trained.Count)} numbers) over {Amount.Count(tuned.Model.Config.ParameterCount)} weights in {tuned.BaseType}"
            : $"all {Amount.Count(tuned.Model.Trained.Count)} weights";
        string samples = string.Create(CultureInfo.InvariantCulture, $"{learnt.Length} {(settings.IsPreference ? "pairs" : "conversations")} of {Amount.Count(learnt.Sum(sample => (long)sample.TokenCount))} tokens, {Amount.Count(learnt.Sum(sample => (long)sample.LearntCount))} of them learnt");
        call.Screen.Note($"{what}; {samples}{(held.IsEmpty ? "" : string.Create(CultureInfo.InvariantCulture, $"; {held.Length} to validate with"))}; {options.Steps.ToString(CultureInfo.InvariantCulture)} steps");
        if (settings.Lora is not null && !isTuned)
            call.Screen.Note("this is a base model: where an adapter does not teach it to end its turns, which it may never have seen, --method full does");
        if (from is not null) call.Screen.Note($"goes on from {from}");
        else if (call.Get(_resume)) call.Screen.Note($"{options.Output} holds no checkpoint yet: the run begins");
    }
}
