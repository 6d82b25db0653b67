using System.Globalization;
using System.Text.Json;
using Gemma.Formats;

namespace Gemma.Training;

/// <summary>All that decides the result of a run, as names and values: a run goes on only where they are the same.</summary>
internal static class TrainerIdentity
{
    public static SortedDictionary<string, string> Of(TrainingModel model, ITrainingData data, ITrainingData? validation, TrainerOptions options)
    {
        LearningRate rate = options.LearningRate;
        AdamWOptions optimizer = options.Optimizer;
        var identity = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["batch tokens"] = Text(options.BatchTokens),
            ["accumulation"] = Text(options.Accumulation),
            ["precision"] = $"{model.Options.Precision}",
            ["learning rate"] = Text(rate.Peak),
            ["learning rate: shape"] = $"{rate.Shape}",
            ["learning rate: warm-up"] = Text(rate.WarmUpSteps),
            ["beta1"] = Text(optimizer.Beta1),
            ["beta2"] = Text(optimizer.Beta2),
            ["epsilon"] = Text(optimizer.Epsilon),
            ["weight decay"] = Text(optimizer.WeightDecay),
            ["clip norm"] = Text(optimizer.ClipNorm),
            ["trained parameters"] = Text(model.Trained.Count),
        };
        // A constant rate is the same however long the run is to be.
        if (rate.Shape != LearningRateShape.Constant)
        {
            identity["steps"] = Text(options.Steps);
            identity["learning rate: final share"] = Text(rate.FinalShare);
        }
        if (rate.Shape == LearningRateShape.WarmUpStableDecay) identity["learning rate: decay"] = Text(rate.DecaySteps);
        using (JsonDocument config = JsonDocument.Parse(HuggingFaceConfigWriter.Config(model.Config, TensorType.F32)))
            foreach (JsonProperty field in config.RootElement.EnumerateObject()) identity["model: " + field.Name] = field.Value.ValueKind == JsonValueKind.Array
                ? string.Join(", ", field.Value.EnumerateArray().Select(item => item.ToString())) : field.Value.ToString();
        foreach ((string name, string value) in data.Identity) identity["data: " + name] = value;
        if (validation is not null)
            foreach ((string name, string value) in validation.Identity) identity["held-out data: " + name] = value;
        foreach ((string name, string value) in options.Identity) identity[name] = value;
        return identity;
    }

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
