using System.Diagnostics;
using System.Globalization;
using Gemma.Cpu;
using Gemma.Generation;

namespace Gemma.Benchmarks;

/// <summary>
/// Whole passes over a synthetic model: <c>decode|prefill|rows|load [preset] [f32|bf16|q8|q6_k|q4_k|q4] [threads] [type of the head]</c>. Decode is compared with the memory bandwidth of the same
/// run, taken before and after, since a shared machine's changes from minute to minute.
/// </summary>
internal static class Passes
{
    public static int Run(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        GemmaConfig config = GemmaConfig.Presets[args.ElementAtOrDefault(1) ?? "gemma-2b"];
        WeightType type = Enum.Parse<WeightType>(args.ElementAtOrDefault(2) ?? "q8", ignoreCase: true);
        int threads = int.Parse(args.ElementAtOrDefault(3) ?? "0", CultureInfo.InvariantCulture);
        WeightType? head = args.Length > 4 ? Enum.Parse<WeightType>(args[4], ignoreCase: true) : null;
        long start = Stopwatch.GetTimestamp();
        using GemmaModel model = GemmaModel.Synthetic(config, new LoadOptions { Type = type, HeadType = head, Threads = threads, RoundActivations = true });
        Console.WriteLine($"load {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s, {model.WeightBytes / 1e9:F2} GB, {HugePages()} on huge pages, {model.Threads} threads, {model.Kernels}");
        if (args[0] == "load") return 0;
        double before = MemoryBandwidth.Measure(threads);
        if (args[0] == "rows") Rows(model);
        else if (args[0] == "decode") Decode(model, threads, before);
        else Prefill(model);
        return 0;
    }

    private static void Decode(GemmaModel model, int threads, double before)
    {
        using KvCache cache = model.CreateCache(512);
        using KvSequence sequence = cache.CreateSequence();
        var batch = new Batch();
        List<double> seconds = [];
        for (int token = 0; token < 48; token++)
        {
            long start = Stopwatch.GetTimestamp();
            batch.Clear();
            batch.Add(sequence, [token + 5], LogitRows.Last);
            model.Forward(batch);
            if (token >= 8) seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        double after = MemoryBandwidth.Measure(threads), bandwidth = Math.Max(before, after);
        double mean = seconds.Average(), best = seconds.Min();
        double rate = model.WeightBytesPerToken / mean;
        Console.WriteLine($"decode {1 / mean:F2} tokens/s (best {1 / best:F2}), {rate / 1e9:F1} GB/s = {100 * rate / bandwidth:F0} % of {bandwidth / 1e9:F1} GB/s (before {before / 1e9:F1}, after {after / 1e9:F1}); best {100 * model.WeightBytesPerToken / best / bandwidth:F0} %");
    }

    private static void Prefill(GemmaModel model)
    {
        int[] ids = [.. Enumerable.Range(0, 512).Select(i => i * 37 % 1000 + 3)];
        using KvCache cache = model.CreateCache(512);
        for (int round = 0; round < 3; round++)
        {
            using KvSequence sequence = cache.CreateSequence();
            var batch = new Batch();
            long start = Stopwatch.GetTimestamp();
            batch.Add(sequence, ids, LogitRows.Last);
            model.Forward(batch);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            long weights = model.Config.ParameterCount - (long)model.Config.VocabularySize * model.Config.Width;
            Console.WriteLine($"prefill 512: {512 / seconds:F0} tokens/s, {2e-9 * weights * 512 / seconds:F0} GOP/s");
        }
    }

    /// <summary>What a pass costs that verifies a draft: so many positions of one sequence, all with logits, after 256 others.</summary>
    private static void Rows(GemmaModel model)
    {
        int[] ids = [.. Enumerable.Range(0, 300).Select(i => i * 37 % 1000 + 3)], counts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24, 32];
        using KvCache cache = model.CreateCache(512);
        using KvSequence sequence = cache.CreateSequence();
        var batch = new Batch();
        batch.Add(sequence, ids.AsSpan(0, 256), LogitRows.Last);
        model.Forward(batch);
        var seconds = new double[counts.Length, 16];
        for (int round = 0; round < seconds.GetLength(1); round++)
        {
            for (int i = 0; i < counts.Length; i++)
            {
                long start = Stopwatch.GetTimestamp();
                batch.Clear();
                batch.Add(sequence, ids.AsSpan(256, counts[i]), LogitRows.All);
                model.Forward(batch);
                seconds[i, round] = Stopwatch.GetElapsedTime(start).TotalSeconds;
                sequence.Truncate(256);
            }
        }
        double Median(int i)
        {
            double[] sorted = [.. Enumerable.Range(2, seconds.GetLength(1) - 2).Select(round => seconds[i, round]).Order()];
            return sorted[sorted.Length / 2];
        }
        for (int i = 0; i < counts.Length; i++)
            Console.WriteLine($"{counts[i],3} rows: {1000 * Median(i),7:F1} ms = {Median(i) / Median(0):F2} of a row");
    }

    private static string HugePages()
    {
        if (!File.Exists("/proc/self/smaps_rollup")) return "?";
        string line = File.ReadLines("/proc/self/smaps_rollup").First(line => line.StartsWith("AnonHugePages", StringComparison.Ordinal));
        return $"{long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1e6:F2} GB";
    }
}
