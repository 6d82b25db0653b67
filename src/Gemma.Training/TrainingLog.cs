using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Gemma.Formats;

namespace Gemma.Training;

/// <summary>What a run says of itself: a line of JSON for each step and evaluation in <c>log.jsonl</c>, the same figures for TensorBoard, and the loss curve.</summary>
internal sealed class TrainingLog : IDisposable
{
    public const string FileName = "log.jsonl", CurveName = "loss.svg", EventFolder = "tensorboard";

    private static readonly JsonWriterOptions Lines = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly RunFolder _folder;
    private readonly string _path;
    private readonly FileStream _file;
    private readonly EventFile _events;
    private readonly LossCurve _curve = new();
    private readonly ArrayBufferWriter<byte> _line = new(1024);

    /// <summary>Opens the log of a run that has done so many steps; what it says of later ones, which are done again, is taken out.</summary>
    public TrainingLog(RunFolder folder, int step)
    {
        _folder = folder;
        _path = folder.In(FileName);
        (_file, _events) = NewFile.Guard(_path, () =>
        {
            KeepUntil(step);
            Directory.CreateDirectory(folder.In(EventFolder));
            return (new FileStream(_path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0), EventFile.Create(folder.In(EventFolder), step));
        });
    }

    /// <summary>How the run begins, or goes on.</summary>
    public void WriteRun(int step, TrainingModel model, double peak, IReadOnlyDictionary<string, string> settings) => Write(json =>
    {
        json.WriteString("run", step == 0 ? "begins" : "goes on");
        json.WriteNumber("step", step);
        json.WriteString("time", DateTimeOffset.UtcNow);
        json.WriteNumber("parameters", model.Config.ParameterCount);
        json.WriteNumber("trained_parameters", model.Trained.Count);
        json.WriteNumber("threads", model.Threads);
        json.WriteNumber("measured_peak_flops", Math.Round(peak));
        json.WriteStartObject("settings");
        foreach ((string name, string value) in settings) json.WriteString(name, value);
        json.WriteEndObject();
    });

    public void Write(TrainingStep step)
    {
        Write(json =>
        {
            json.WriteNumber("step", step.Step);
            WriteNumber(json, "loss", step.Loss);
            json.WriteNumber("learning_rate", step.LearningRate);
            WriteNumber(json, "gradient_norm", step.GradientNorm);
            json.WriteNumber("tokens", step.Tokens);
            json.WriteNumber("total_tokens", step.TotalTokens);
            json.WriteNumber("seconds", Math.Round(step.Seconds, 6));
            json.WriteNumber("tokens_per_second", Math.Round(step.TokensPerSecond, 1));
            json.WriteNumber("flop_utilisation", Math.Round(step.Utilisation, 4));
            json.WriteNumber("memory_bytes", step.MemoryBytes);
            foreach (Metric metric in step.Metrics) WriteNumber(json, metric.Name, metric.Sum);
            if (step.IsSkipped) json.WriteBoolean("skipped", true);
        });
        _events.Write(step.Step, [("loss/train", step.Loss), ("learning_rate", step.LearningRate), ("gradient_norm", step.GradientNorm), ("tokens_per_second", step.TokensPerSecond),
            ("flop_utilisation", step.Utilisation), ("memory_bytes", step.MemoryBytes), .. step.Metrics.Select(metric => (metric.Name, metric.Sum))]);
        if (!step.IsSkipped) _curve.AddTraining(step.Step, step.Loss);
    }

    public void WriteEvaluation(int step, Loss loss)
    {
        Write(json =>
        {
            json.WriteNumber("step", step);
            WriteNumber(json, "validation_loss", loss.Mean);
            json.WriteNumber("validation_tokens", loss.Weight);
            foreach (Metric metric in loss.Metrics) WriteNumber(json, $"validation_{metric.Name}", metric.Sum / loss.Weight);
        });
        _events.Write(step, [("loss/validation", loss.Mean), .. loss.Metrics.Select(metric => ($"{metric.Name}/validation", metric.Sum / loss.Weight))]);
        _curve.AddValidation(step, loss.Mean);
    }

    /// <summary>A step that went wrong, and what it was made of.</summary>
    public void WriteTrouble(int step, string what, IReadOnlyList<string> documents) => Write(json =>
    {
        json.WriteNumber("step", step);
        json.WriteString("trouble", what);
        json.WriteStartArray("documents");
        foreach (string document in documents) json.WriteStringValue(document);
        json.WriteEndArray();
    });

    /// <summary>Draws the loss so far.</summary>
    public void WriteCurve()
    {
        byte[] svg = Encoding.UTF8.GetBytes(_curve.ToSvg());
        using NewFile file = NewFile.Create(_folder.In(CurveName), svg.Length, replace: true);
        NewFile.Guard(_folder.In(CurveName), () =>
        {
            RandomAccess.Write(file.Handle, svg, 0);
            return true;
        });
        file.Publish();
    }

    public void Dispose()
    {
        _file.Dispose();
        _events.Dispose();
    }

    private void KeepUntil(int step)
    {
        if (!File.Exists(_path)) return;
        byte[] bytes = File.ReadAllBytes(_path);
        int kept = 0;
        using var rest = new MemoryStream(bytes.Length);
        for (int start = 0, end; start < bytes.Length && (end = Array.IndexOf(bytes, (byte)'\n', start)) >= 0; start = end + 1)
        {
            ReadOnlyMemory<byte> line = bytes.AsMemory(start..(end + 1));
            if (!Read(line, step)) continue;
            rest.Write(line.Span);
            kept += line.Length;
        }
        if (kept == bytes.Length) return;
        using NewFile file = NewFile.Create(_path, kept, replace: true);
        RandomAccess.Write(file.Handle, rest.ToArray(), 0);
        file.Publish();
    }

    /// <summary>Puts a line's losses into the curve; false where it is of a later step, or no line of a log.</summary>
    private bool Read(ReadOnlyMemory<byte> line, int last)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement json = document.RootElement;
            int step = json.GetProperty("step").GetInt32();
            if (step > last) return false;
            if (json.TryGetProperty("loss", out JsonElement loss) && loss.ValueKind == JsonValueKind.Number && !json.TryGetProperty("skipped", out _)) _curve.AddTraining(step, loss.GetDouble());
            if (json.TryGetProperty("validation_loss", out loss) && loss.ValueKind == JsonValueKind.Number) _curve.AddValidation(step, loss.GetDouble());
            return true;
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return false;
        }
    }

    private void Write(Action<Utf8JsonWriter> fields)
    {
        _line.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(_line, Lines))
        {
            json.WriteStartObject();
            fields(json);
            json.WriteEndObject();
        }
        _line.Write("\n"u8);
        // One call, so that a process that is killed leaves whole lines.
        NewFile.Guard(_path, () =>
        {
            _file.Write(_line.WrittenSpan);
            return true;
        });
    }

    /// <summary>JSON has no word for what is no number.</summary>
    private static void WriteNumber(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value)) json.WriteNumber(name, value);
        else json.WriteString(name, double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
    }
}
