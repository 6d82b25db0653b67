using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gemma.Cpu;
using Gemma.Generation;
using Spectre.Console;

namespace Gemma.Cli;

/// <summary>What is measured: prompts of random ids, all at once, and greedy answers that no end id ends.</summary>
internal sealed record BenchPlan(int PromptTokens, int GeneratedTokens, int Batch, int Repeat)
{
    /// <summary>A short run, after which the kernels are compiled and the memory is there.</summary>
    public BenchPlan WarmUp => this with { PromptTokens = Math.Min(PromptTokens, 512), GeneratedTokens = Math.Min(GeneratedTokens, 8) };

    public BenchRun Run(GemmaModel model, CancellationToken cancellation)
    {
        // The first token belongs to the prompt's pass, so there is always one.
        int generated = Math.Max(1, GeneratedTokens), length = PromptTokens + generated, pages = (length + KvCache.PageTokens) / KvCache.PageTokens;
        using var engine = new Engine(model, new EngineOptions
        {
            ContextLength = length,
            CachePositions = checked(Batch * pages * KvCache.PageTokens),
            // A prompt is one pass, also beside others that are further.
            PrefillChunk = new EngineOptions().MaxBatchTokens,
            MaxSequences = Batch,
            RunInBackground = false,
            PrefixCache = false,
        });
        var options = GenerationOptions.Greedy with { MaxTokens = generated, IgnoreEos = true, DraftTokens = 0 };
        long start = Stopwatch.GetTimestamp();
        Sequence[] sequences = [.. Enumerable.Range(0, Batch).Select(i => engine.Submit(RandomIds(model.Config, i), options))];
        int Generated() => sequences.Sum(sequence => sequence.Length - PromptTokens);

        bool more = true;
        while (more && sequences.Any(sequence => sequence.Length == PromptTokens)) more = Step();
        (long first, int early) = (Stopwatch.GetTimestamp(), Generated());
        while (more) more = Step();
        double decode = Stopwatch.GetElapsedTime(first).TotalSeconds;

        // Waits are part of what a user of one of many prompts sees.
        double firstToken = sequences.Average(sequence => sequence.Completion.GetAwaiter().GetResult().TimeToFirstTokenSeconds);
        return new BenchRun
        {
            PrefillTokensPerSecond = Batch * PromptTokens / Stopwatch.GetElapsedTime(start, first).TotalSeconds,
            DecodeTokensPerSecond = Generated() > early ? (Generated() - early) / decode : null,
            TimeToFirstTokenSeconds = firstToken,
        };

        bool Step()
        {
            cancellation.ThrowIfCancellationRequested();
            return engine.Step();
        }
    }

    private int[] RandomIds(GemmaConfig config, int seed)
    {
        var random = new Random(seed);
        int[] ids = [.. Enumerable.Range(0, PromptTokens).Select(_ => random.Next(config.VocabularySize))];
        ids[0] = config.BosId;
        return ids;
    }
}

/// <summary>What one run showed.</summary>
internal sealed record BenchRun
{
    /// <summary>Tokens of all prompts over the time until each had its first token.</summary>
    public required double PrefillTokensPerSecond { get; init; }

    /// <summary>Tokens of all answers after that, over the time they took; null where there were none.</summary>
    public required double? DecodeTokensPerSecond { get; init; }

    /// <summary>Mean over the prompts.</summary>
    public required double TimeToFirstTokenSeconds { get; init; }
}

/// <summary>What all runs showed, and what it stands beside.</summary>
internal sealed record BenchReport(GemmaModel Loaded, BenchPlan Plan, IReadOnlyList<BenchRun> Runs)
{
    public string Model { get; init; } = "";

    public double LoadSeconds { get; init; }

    public long PeakMemoryBytes { get; init; }

    /// <summary>Measured in the same run, with as many threads.</summary>
    public double BandwidthBytesPerSecond { get; init; }

    private double Prefill => Median(Runs.Select(run => run.PrefillTokensPerSecond));

    private double? Decode => Runs[0].DecodeTokensPerSecond is null ? null : Median(Runs.Select(run => run.DecodeTokensPerSecond!.Value));

    private double FirstToken => Median(Runs.Select(run => run.TimeToFirstTokenSeconds));

    /// <summary>Bytes of weights read a second, over the bandwidth. A step reads them once for all prompts of the batch.</summary>
    private double? Ratio => Decode / Plan.Batch * Loaded.WeightBytesPerToken / BandwidthBytesPerSecond;

    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("model", Model);
        json.WriteNumber("parameters", Loaded.Config.ParameterCount);
        json.WriteString("quant", Loaded.WeightType.Name());
        json.WriteString("head", Loaded.HeadType.Name());
        json.WriteStartArray("weight_types");
        foreach (WeightType type in Loaded.WeightTypes) json.WriteStringValue(type.Name());
        json.WriteEndArray();
        json.WriteNumber("threads", Loaded.Threads);
        json.WriteString("isa", Loaded.Isa.ToString().ToLowerInvariant());
        json.WriteString("kernels", Loaded.Kernels);
        json.WriteString("cpu", Machine.ProcessorName);
        json.WriteNumber("prompt_tokens", Plan.PromptTokens);
        json.WriteNumber("generated_tokens", Plan.GeneratedTokens);
        json.WriteNumber("batch", Plan.Batch);
        json.WriteNumber("repeat", Plan.Repeat);
        json.WriteFinite("prefill_tokens_per_second", Prefill);
        json.WriteFinite("decode_tokens_per_second", Decode);
        json.WriteFinite("time_to_first_token_seconds", FirstToken);
        json.WriteNumber("load_seconds", LoadSeconds);
        json.WriteNumber("peak_memory_bytes", PeakMemoryBytes);
        json.WriteNumber("weight_bytes", Loaded.WeightBytes);
        json.WriteNumber("weight_bytes_per_token", Loaded.WeightBytesPerToken);
        json.WriteFinite("memory_bandwidth_bytes_per_second", BandwidthBytesPerSecond);
        json.WriteFinite("memory_bandwidth_ratio", Ratio);
        ModelShape.Write(json, Loaded.Config);
        json.WriteStartArray("runs");
        foreach (BenchRun run in Runs)
        {
            json.WriteStartObject();
            json.WriteFinite("prefill_tokens_per_second", run.PrefillTokensPerSecond);
            json.WriteFinite("decode_tokens_per_second", run.DecodeTokensPerSecond);
            json.WriteFinite("time_to_first_token_seconds", run.TimeToFirstTokenSeconds);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    public Table Render()
    {
        string ratio = Ratio is double share ? Invariant($" = {share:0 %} of the bandwidth") : "";
        string beside = Plan.Batch > 1 ? Invariant($", {Plan.Batch} at once") : "";
        return Screen.CreateFacts(
        [
            ("model", Invariant($"{Model}, {Amount.Count(Loaded.Config.ParameterCount)} weights, {string.Join(" and ", Loaded.WeightTypes.Select(WeightTypes.Name))}, {Amount.Bytes(Loaded.WeightBytes)}")),
            ("machine", Invariant($"{Machine.ProcessorName}, {Loaded.Threads} threads, {Loaded.Kernels}")),
            ("load", Amount.Seconds(LoadSeconds)),
            ("prefill", Invariant($"{Amount.Rate(Prefill)} ({Plan.PromptTokens} tokens{beside})")),
            ("decode", Decode is double rate ? Invariant($"{Amount.Rate(rate)} ({Plan.GeneratedTokens} tokens{beside})") : "not measured: fewer than 2 tokens"),
            ("first token", Amount.Seconds(FirstToken)),
            ("peak memory", Amount.Bytes(PeakMemoryBytes)),
            ("bandwidth", Invariant($"{Amount.Bytes(BandwidthBytesPerSecond)}/s measured; decode reads {Amount.Bytes(Loaded.WeightBytesPerToken)} a step{ratio}")),
        ]);
    }

    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
