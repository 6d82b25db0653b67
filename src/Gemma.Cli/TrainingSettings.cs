using System.Text.Json;
using Gemma.Formats;
using Gemma.Training;

namespace Gemma.Cli;

/// <summary>What the settings of pretraining and tuning have in common: steps, batches, learning rate, optimizer, evaluation, checkpoints.</summary>
internal static class TrainingSettings
{
    public static IReadOnlyDictionary<string, Precision> Precisions { get; } = new Dictionary<string, Precision> { ["fp32"] = Precision.Float32, ["bf16"] = Precision.BFloat16 };

    private static readonly Dictionary<string, LearningRateShape> Shapes = new()
    {
        ["constant"] = LearningRateShape.Constant,
        ["linear"] = LearningRateShape.Linear,
        ["cosine"] = LearningRateShape.Cosine,
        ["wsd"] = LearningRateShape.WarmUpStableDecay,
    };

    private static readonly Dictionary<string, TroubleAction> Actions = new() { ["stop"] = TroubleAction.Stop, ["skip"] = TroubleAction.Skip };

    private static readonly Dictionary<string, TensorType> WeightTypes = new() { ["f32"] = TensorType.F32, ["bf16"] = TensorType.BF16, ["f16"] = TensorType.F16 };

    /// <summary>Reads them; what depends on the model stays to be filled in.</summary>
    /// <param name="fields">The file.</param>
    /// <param name="steps">Steps of the run.</param>
    /// <param name="batchTokens">Where the file does not say.</param>
    /// <param name="defaults">The rate where the file does not say.</param>
    public static TrainerOptions Read(RunFields fields, int steps, int batchTokens, LearningRate defaults)
    {
        RunFields? spike = fields.Object("spike");
        var options = new TrainerOptions
        {
            Output = fields.ShortPath(fields.RequireText("output", "the folder of the run")),
            WriteWeights = _ => throw new InvalidOperationException("not said yet"),
            Steps = steps,
            BatchTokens = fields.Int("batch_tokens", 1) ?? batchTokens,
            Accumulation = fields.Int("accumulation", 1, 65_536) ?? 1,
            LearningRate = ReadRate(fields, defaults),
            Optimizer = ReadOptimizer(fields.Object("optimizer")),
            EvaluateEvery = fields.Int("evaluate_every", 0) ?? 0,
            EvaluationTokens = fields.Int("evaluation_tokens", 0) ?? 0,
            Patience = fields.Int("patience", 0) ?? 0,
            CheckpointEvery = fields.Int("checkpoint_every", 0) ?? Math.Max(1, steps / 10),
            Keep = fields.Int("keep", 1) ?? 2,
            OnTrouble = fields.Choice("on_trouble", Actions) ?? TroubleAction.Stop,
            SpikeDeviations = spike?.Number("deviations") ?? 10,
            SpikeWindow = spike?.Int("window", 4, 100_000) ?? 64,
        };
        spike?.Finish();
        return options;
    }

    /// <summary>The type of the weights in checkpoints and in the model.</summary>
    public static TensorType ReadWeightType(RunFields fields) => fields.Choice("weights", WeightTypes) ?? TensorType.F32;

    private static LearningRate ReadRate(RunFields fields, LearningRate defaults)
    {
        if (fields.Element("learning_rate") is { ValueKind: JsonValueKind.Number }) return defaults with { Peak = (float)fields.Number("learning_rate")!.Value };
        if (fields.Object("learning_rate") is not RunFields rate) return defaults;
        var read = new LearningRate
        {
            Peak = (float)(rate.Number("peak") ?? defaults.Peak),
            Shape = rate.Choice("shape", Shapes) ?? defaults.Shape,
            WarmUpSteps = rate.Int("warm_up", 0) ?? defaults.WarmUpSteps,
            DecaySteps = rate.Int("decay", 0) ?? defaults.DecaySteps,
            FinalShare = (float)(rate.Number("final_share") ?? defaults.FinalShare),
        };
        rate.Finish();
        return read;
    }

    private static AdamWOptions ReadOptimizer(RunFields? fields)
    {
        var defaults = new AdamWOptions();
        if (fields is null) return defaults;
        var read = new AdamWOptions
        {
            Beta1 = (float)(fields.Number("beta1") ?? defaults.Beta1),
            Beta2 = (float)(fields.Number("beta2") ?? defaults.Beta2),
            Epsilon = (float)(fields.Number("epsilon") ?? defaults.Epsilon),
            WeightDecay = (float)(fields.Number("weight_decay") ?? defaults.WeightDecay),
            ClipNorm = (float)(fields.Number("clip_norm") ?? defaults.ClipNorm),
        };
        fields.Finish();
        return read;
    }
}
