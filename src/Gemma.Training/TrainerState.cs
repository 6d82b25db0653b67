using System.Collections.Immutable;
using System.Text.Json;
using Gemma.Formats;

namespace Gemma.Training;

/// <summary>All of a run that is not numbers of parameters: with those it goes on as if it had never stopped.</summary>
internal sealed record TrainerState
{
    private const int Format = 1;

    /// <summary>Steps done, those that were skipped included.</summary>
    public int Step { get; init; }

    /// <summary>Tokens that the model has read in training.</summary>
    public long Tokens { get; init; }

    /// <summary>Time spent in steps.</summary>
    public double Seconds { get; init; }

    /// <summary><see cref="AdamW.StepCount"/>.</summary>
    public long OptimizerSteps { get; init; }

    /// <summary>Steps whose gradients were thrown away.</summary>
    public int SkippedSteps { get; init; }

    public double TrainingLoss { get; init; } = double.NaN;

    /// <summary>Of this very step, where it was evaluated.</summary>
    public double? ValidationLoss { get; init; }

    public int? BestStep { get; init; }

    public double? BestLoss { get; init; }

    /// <summary>Evaluations since the best.</summary>
    public int EvaluationsSinceBest { get; init; }

    /// <summary>The last losses, by which a spike is known.</summary>
    public ImmutableArray<double> RecentLosses { get; init; } = [];

    /// <summary>What must be equal when the run goes on.</summary>
    public IReadOnlyDictionary<string, string> Identity { get; init; } = new Dictionary<string, string>();

    /// <summary>What <see cref="ITrainingData.Save"/> wrote.</summary>
    public JsonElement Data { get; init; }

    public byte[] ToJson() => JsonText.Of(json =>
    {
        json.WriteNumber("format", Format);
        json.WriteNumber("step", Step);
        json.WriteNumber("tokens", Tokens);
        json.WriteNumber("seconds", Seconds);
        json.WriteNumber("optimizer_steps", OptimizerSteps);
        json.WriteNumber("skipped_steps", SkippedSteps);
        WriteOptional("training_loss", double.IsFinite(TrainingLoss) ? TrainingLoss : null);
        WriteOptional("validation_loss", ValidationLoss);
        WriteOptional("best_step", BestStep);
        WriteOptional("best_loss", BestLoss);
        json.WriteNumber("evaluations_since_best", EvaluationsSinceBest);
        json.WriteStartArray("recent_losses");
        foreach (double loss in RecentLosses) json.WriteNumberValue(loss);
        json.WriteEndArray();
        json.WriteStartObject("settings");
        foreach ((string name, string value) in Identity) json.WriteString(name, value);
        json.WriteEndObject();
        json.WritePropertyName("data");
        Data.WriteTo(json);

        void WriteOptional(string name, double? value)
        {
            if (value is double number) json.WriteNumber(name, number);
        }
    });

    /// <exception cref="GemmaException">It is none that this version wrote.</exception>
    public static TrainerState Read(string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(MappedFile.ReadSmall(path));
            JsonElement json = document.RootElement;
            int format = json.GetProperty("format").GetInt32();
            if (format != Format) throw Bad(path, FormattableString.Invariant($"format {Format}"), FormattableString.Invariant($"{format}"));
            return new TrainerState
            {
                Step = json.GetProperty("step").GetInt32(),
                Tokens = json.GetProperty("tokens").GetInt64(),
                Seconds = json.GetProperty("seconds").GetDouble(),
                OptimizerSteps = json.GetProperty("optimizer_steps").GetInt64(),
                SkippedSteps = json.GetProperty("skipped_steps").GetInt32(),
                TrainingLoss = Optional("training_loss") ?? double.NaN,
                ValidationLoss = Optional("validation_loss"),
                BestStep = (int?)Optional("best_step"),
                BestLoss = Optional("best_loss"),
                EvaluationsSinceBest = json.GetProperty("evaluations_since_best").GetInt32(),
                RecentLosses = [.. json.GetProperty("recent_losses").EnumerateArray().Select(loss => loss.GetDouble())],
                Identity = json.GetProperty("settings").EnumerateObject().ToDictionary(setting => setting.Name, setting => setting.Value.GetString()!),
                Data = json.GetProperty("data").Clone(),
            };

            double? Optional(string name) => json.TryGetProperty(name, out JsonElement value) ? value.GetDouble() : null;
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException)
        {
            throw Bad(path, "the state of a run", failure.Message);
        }
    }

    /// <summary>No damage, which the hashes would have told.</summary>
    private static GemmaException Bad(string path, string expected, string actual) =>
        new($"{path}: expected {expected}, found another ({actual}); it was written by another version of the program: go on with that one");
}
