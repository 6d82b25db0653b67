using System.Collections.Immutable;
using System.Text.Json;
using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Training;
using Gemma.Training.Tuning;

namespace Gemma.Cli;

/// <summary>The settings of <c>gemma tune</c>, read and checked.</summary>
internal sealed record TuningSettings
{
    private static readonly Dictionary<string, bool> Methods = new() { ["lora"] = true, ["full"] = false };

    private static readonly Dictionary<string, WeightType> Bases = new() { ["f32"] = WeightType.F32, ["bf16"] = WeightType.BF16, ["q8"] = WeightType.Q8 };

    public required string Data { get; init; }

    /// <summary>A file of samples to validate with.</summary>
    public required string? Validation { get; init; }

    /// <summary>The share of the samples that is held out instead.</summary>
    public required double HoldOut { get; init; }

    /// <summary>Pairs of answers rather than conversations.</summary>
    public required bool IsPreference { get; init; }

    /// <summary>The adapter that learns; null where the whole model does.</summary>
    public required LoraConfig? Lora { get; init; }

    /// <summary>An adapter to begin with.</summary>
    public required string? Adapter { get; init; }

    /// <summary>What the weights under an adapter are kept in; null as the file has them.</summary>
    public required WeightType? Base { get; init; }

    public required TuningFileOptions Reading { get; init; }

    public required TuningDataOptions Order { get; init; }

    public required Precision Precision { get; init; }

    public required bool RecomputeLayers { get; init; }

    /// <summary>Of the weights that are written where the whole model learns.</summary>
    public required TensorType WrittenType { get; init; }

    /// <summary>Steps that were asked for; null is as many as the epochs have.</summary>
    public required int? Steps { get; init; }

    /// <summary>The trainer's, for a number of steps.</summary>
    public required Func<int, TrainerOptions> Options { get; init; }

    /// <param name="fields">The file and the flags.</param>
    /// <param name="config">The model.</param>
    /// <exception cref="UsageException">A setting cannot work; the message names it.</exception>
    public static TuningSettings Read(RunFields fields, GemmaConfig config)
    {
        bool isLora = fields.Choice("method", Methods) ?? true, isPreference = fields.Flag("dpo") ?? false;
        int length = fields.Int("sequence_length", 2, config.ContextLength) ?? Math.Min(config.ContextLength, 2048);
        int? steps = fields.Int("steps", 1), epochs = fields.Int("epochs", 1, 10_000);
        if (steps is not null && epochs is not null) throw new UsageException($"{fields.Source("steps")}: expected either steps or epochs, found both; leave one out");
        ulong seed = fields.Seed("seed") ?? 0;
        double holdOut = fields.Number("hold_out") ?? 0, beta = fields.Number("beta") ?? 0.1;
        if (holdOut is not (>= 0 and < 1)) throw fields.Wrong("hold_out", "a share from 0 to less than 1", fields.Element("hold_out")!.Value);
        if (!(beta > 0)) throw fields.Wrong("beta", "a number above 0", fields.Element("beta")!.Value);
        LoraConfig? lora = ReadLora(fields, isLora);
        string? validation = fields.Text("validation");
        if (validation is not null && holdOut > 0) throw new UsageException($"{fields.Source("hold_out")}: expected a validation file or a share to hold out, found both; leave one out");
        string? adapter = fields.Text("adapter");
        if (adapter is not null && !isLora) throw new UsageException($"{fields.Source("adapter")}: expected the method lora for an adapter to go on with, found full; merge it first, with gemma convert --adapter");
        WeightType? weights = fields.Choice("base", Bases);
        if (weights is not null && !isLora) throw new UsageException($"{fields.Source("base")}: expected the method lora for weights that stay as they are, found full, which trains them in fp32");
        // Rates that the field uses: an adapter's tenfold that of the whole model.
        var rate = new LearningRate { Peak = (isPreference ? 1e-6f : 2e-5f) * (isLora ? 10 : 1), Shape = LearningRateShape.Cosine };
        bool hasDecay = fields.Object("optimizer")?.Has("weight_decay") == true, warmsUp = fields.Element("learning_rate") is not { ValueKind: JsonValueKind.Number } && fields.Object("learning_rate")?.Has("warm_up") == true;
        bool evaluates = validation is not null || holdOut > 0;
        TrainerOptions read = TrainingSettings.Read(fields, 1, length, rate with { WarmUpSteps = 0 });
        bool saysSaves = fields.Has("checkpoint_every"), saysEvaluates = fields.Has("evaluate_every"), saysSpike = fields.Has("spike");
        if (read.Patience > 0 && !evaluates) throw new UsageException($"{fields.Source("patience")}: expected something to validate with, found nothing; add --validation FILE or --hold-out SHARE");
        var settings = new TuningSettings
        {
            Data = fields.FullPath(fields.RequireText("data", "a JSONL file of conversations")),
            Validation = validation is null ? null : fields.FullPath(validation),
            HoldOut = holdOut,
            IsPreference = isPreference,
            Lora = lora,
            Adapter = adapter is null ? null : fields.FullPath(adapter),
            Base = weights,
            Reading = new TuningFileOptions { MaxTokens = length, Truncate = fields.Flag("truncate") ?? false, SkipBadLines = fields.Flag("skip_bad_lines") ?? false },
            Order = new TuningDataOptions { Seed = seed, Epochs = steps is null ? epochs ?? 3 : 0, Beta = (float)beta },
            Precision = fields.Choice("precision", TrainingSettings.Precisions) ?? Precision.Float32,
            RecomputeLayers = fields.Flag("recompute_layers") ?? false,
            WrittenType = TrainingSettings.ReadWeightType(fields),
            Steps = steps,
            Options = count => read with
            {
                Steps = count,
                LearningRate = warmsUp ? read.LearningRate : read.LearningRate with { WarmUpSteps = Math.Min(count / 2, count / 33 + 1) },
                // An adapter's matrices begin small, and shrinking them is forgetting.
                Optimizer = hasDecay || !isLora ? read.Optimizer : read.Optimizer with { WeightDecay = 0 },
                EvaluateEvery = saysEvaluates || !evaluates ? read.EvaluateEvery : Math.Max(1, count / 10),
                CheckpointEvery = saysSaves ? read.CheckpointEvery : Math.Max(1, count / 10),
                WritesBest = evaluates,
                // A small batch of samples that are long known, and one that is not, is no leap.
                SpikeDeviations = saysSpike ? read.SpikeDeviations : 0,
            },
        };
        fields.Finish();
        return settings;
    }

    private static LoraConfig? ReadLora(RunFields fields, bool isLora)
    {
        var defaults = new LoraConfig();
        int rank = fields.Int("rank", 1, 1024) ?? defaults.Rank;
        double alpha = fields.Number("alpha") ?? 2 * rank, dropout = fields.Number("dropout") ?? 0;
        ImmutableArray<TensorRole> targets = fields.Text("targets") is string names ? LoraConfig.ParseTargets(names) : defaults.Targets;
        bool isStabilized = fields.Flag("rslora") ?? false;
        if (!isLora)
        {
            foreach (string name in (string[])["rank", "alpha", "dropout", "targets", "rslora"])
                if (fields.Has(name)) throw new UsageException($"{fields.Source(name)}: expected the method lora, found full, which has no adapter; leave it out");
            return null;
        }
        var lora = new LoraConfig { Rank = rank, Alpha = (float)alpha, Dropout = (float)dropout, Targets = targets, IsRankStabilized = isStabilized };
        lora.Validate();
        return lora;
    }
}
