using System.Diagnostics;
using System.Globalization;
using Gemma.Cpu;
using Gemma.Training;

namespace Gemma.Benchmarks;

/// <summary>
/// Steps of an adapter over a synthetic model: <c>lora [shape] [f32|bf16|q8] [fp32|bf16] [rank] [tokens] [steps] [recompute]</c>, forwards, backwards and AdamW, all
/// projections adapted and every token learnt: tokens a second, where the time goes, and the most memory that the process had.
/// </summary>
internal static class LoraSteps
{
    public static int Run(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        string shape = args.ElementAtOrDefault(1) ?? "gemma-2b";
        WeightType type = Enum.Parse<WeightType>(args.ElementAtOrDefault(2) ?? "bf16", ignoreCase: true);
        Precision precision = (args.ElementAtOrDefault(3) ?? "bf16") == "bf16" ? Precision.BFloat16 : Precision.Float32;
        int rank = Number(4, 8), tokens = Number(5, 512), steps = Number(6, 2);
        GemmaConfig config = GemmaConfig.Presets[shape];
        long start = Stopwatch.GetTimestamp();
        using var weights = FrozenWeights.Synthetic(config, type);
        double loading = Stopwatch.GetElapsedTime(start).TotalSeconds;
        using var adapter = new Lora(config, new LoraConfig { Rank = rank });
        TimedGradients timed = null!;
        using var model = new TrainingModel(weights, adapter, new TrainingOptions { Precision = precision, RecomputeLayers = args.Contains("recompute") }, backend => timed = new TimedGradients(backend));
        using var optimizer = new AdamW(adapter.Parameters, new AdamWOptions { WeightDecay = 0 });
        var random = new Random(1);
        var batch = new TrainingBatch();
        batch.Add([.. Enumerable.Range(0, tokens + 1).Select(_ => random.Next(config.VocabularySize))]);
        Console.WriteLine($"{shape} in {type}, {weights.ByteCount / 1e9:F2} GB (made in {loading:F0} s); rank {rank}, {adapter.Parameters.Count / 1e6:F2} M numbers learn; {tokens} tokens, products in {precision}, {model.Threads} threads");
        double best = double.MaxValue;
        for (int step = 0; step < steps; step++)
        {
            timed.Clear();
            start = Stopwatch.GetTimestamp();
            Loss loss = model.Step(batch, (float)(1 / batch.Weight));
            double norm = optimizer.Step(1e-4f), seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            best = Math.Min(best, seconds);
            // Forwards and backwards through weights that have no gradients of their own: 4 for each, and the adapter's 6.
            double operations = tokens * (4.0 * config.ParameterCount + 6.0 * adapter.Parameters.Count + 12.0 * config.LayerCount * config.QueryWidth * tokens / 2);
            Console.WriteLine($"step {step + 1}: {seconds:F2} s, {tokens / seconds:F1} tok/s, {operations / seconds / 1e9:F0} GFLOP/s, loss {loss.Mean:F4}, gradient norm {norm:F4}; ms: {timed.Describe(1)}");
        }
        using var process = Process.GetCurrentProcess();
        Console.WriteLine($"best {tokens / best:F1} tok/s; activations and scratch {model.ActivationBytes / 1e9:F2} GB, peak of the process {process.PeakWorkingSet64 / 1e9:F2} GB");
        return 0;

        int Number(int index, int otherwise) => args.ElementAtOrDefault(index) is string text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
    }
}
