using System.Diagnostics;
using System.Globalization;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Training;
using Gemma.Training.Cpu;

namespace Gemma.Benchmarks;

/// <summary>
/// Training steps: <c>train [small|medium|large|all] [fp32|bf16|both] [seconds] [pieces]</c>, forwards, backwards and AdamW, in tokens a second, the documents of a
/// step in one batch or in pieces; GFLOP/s count 6 · parameters + 6 · layers · query width · length for each token, as the figures of other trainers do.
/// <c>train tiles</c> measures what the products are made of.
/// </summary>
internal static class TrainingSteps
{
    private static readonly (string Name, GemmaConfig Config, int Length, int Documents)[] Cases =
    [
        ("small", Config(layers: 6, width: 128, heads: 4, headDimension: 32, feedForward: 512, vocabulary: 4096), 256, 16),
        ("medium", Config(layers: 6, width: 256, heads: 4, headDimension: 64, feedForward: 768, vocabulary: 4096), 512, 8),
        ("large", Config(layers: 8, width: 384, heads: 6, headDimension: 64, feedForward: 1024, vocabulary: 8192), 512, 8),
    ];

    private static readonly (int Rows, int Panels, int Units, bool Adds)[] Sides =
    [
        (12, 2, 128, false), (12, 2, 160, true), (96, 2, 128, false), (192, 24, 128, false), (192, 96, 128, false), (96, 16, 512, true), (48, 8, 32, false), (48, 4, 64, true),
    ];

    public static int Run(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        string name = args.ElementAtOrDefault(1) ?? "all", precision = args.ElementAtOrDefault(2) ?? "both";
        double seconds = double.Parse(args.ElementAtOrDefault(3) ?? "4", CultureInfo.InvariantCulture);
        int pieces = int.Parse(args.ElementAtOrDefault(4) ?? "1", CultureInfo.InvariantCulture);
        Precision[] precisions = precision switch
        {
            "fp32" => [Precision.Float32],
            "bf16" => [Precision.BFloat16],
            _ => [Precision.Float32, Precision.BFloat16],
        };
        if (name == "tiles") return Tiles(precisions);
        foreach ((string Name, GemmaConfig Config, int Length, int Documents) entry in Cases)
            if (name == "all" || name == entry.Name)
                foreach (Precision wanted in precisions) Measure(entry.Name, entry.Config, entry.Length, entry.Documents, wanted, seconds, pieces);
        return 0;
    }

    /// <summary>One thread's products of sides that are packed already: within the first-level cache, and of the sizes that training has.</summary>
    private static unsafe int Tiles(Precision[] precisions)
    {
        foreach (Precision precision in precisions)
        {
            var products = ProductKernels.For(precision, CpuKernels.For(IsaSelection.Current));
            foreach ((int rows, int panels, int units, bool adds) in Sides)
            {
                nint rowBytes = ProductKernels.RowBytes(units), panelBytes = (nint)units * ProductKernels.PanelUnit;
                using NativeBuffer left = new((nuint)(rows * rowBytes)), right = new((nuint)(panels * panelBytes)), sums = new((nuint)(rows * panels * 64));
                double flops = 2.0 * rows * panels * 16 * units * (precision == Precision.BFloat16 ? 2 : 1), best = double.MaxValue;
                int repeat = (int)(4e8 / flops) + 1;
                for (int round = 0; round < 9; round++)
                {
                    long start = Stopwatch.GetTimestamp();
                    for (int i = 0; i < repeat; i++)
                        products.MultiplyAll(right.Pointer, panelBytes, panels, units, left.Pointer, rowBytes, rows, (float*)sums.Pointer, panels * 16, adds);
                    best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds / repeat);
                }
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{precision} {rows,3} rows, {panels,2} panels, {units,3} units{(adds ? ", added" : "")}: {flops / best / 1e9:F0} GFLOP/s"));
            }
        }
        return 0;
    }

    private static void Measure(string name, GemmaConfig config, int length, int documents, Precision precision, double seconds, int pieces)
    {
        using var parameters = new ParameterSet(config);
        parameters.Initialize(1);
        TimedGradients timed = null!;
        using var model = new TrainingModel(parameters, new TrainingOptions { Precision = precision }, backend => timed = new TimedGradients(backend));
        using var optimizer = new AdamW(parameters);
        var random = new Random(1);
        TrainingBatch[] batches = [.. Enumerable.Range(0, pieces).Select(_ => new TrainingBatch())];
        for (int document = 0; document < documents; document++)
            batches[document % pieces].Add([.. Enumerable.Range(0, length + 1).Select(_ => random.Next(config.VocabularySize))]);
        var scale = (float)(1 / batches.Sum(batch => batch.Weight));
        int tokens = documents * length;
        Loss loss = default;
        long inOptimizer = 0;
        for (int step = 0; step < 4; step++) Step();
        timed.Clear();
        inOptimizer = 0;
        var times = new List<double>();
        for (long begin = Stopwatch.GetTimestamp(); times.Count < 3 || Stopwatch.GetElapsedTime(begin).TotalSeconds < seconds;)
        {
            long start = Stopwatch.GetTimestamp();
            Step();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        double median = times.Order().ElementAt(times.Count / 2), best = times.Min();
        double perToken = 6.0 * config.ParameterCount + 6.0 * config.LayerCount * config.QueryWidth * length;
        long held = model.ActivationBytes + 16 * parameters.Count;
        string size = $"{name,-7} {config.ParameterCount / 1e6:F2} M parameters, {documents} × {length}{(pieces > 1 ? $" in {pieces} pieces" : "")}, {precision}";
        Console.WriteLine($"{size}: {tokens / median:F0} tok/s (best {tokens / best:F0}), {perToken * tokens / median / 1e9:F0} GFLOP/s, {held / 1e6:F0} MB held, "
            + $"peak of the process {Process.GetCurrentProcess().PeakWorkingSet64 / 1e6:F0} MB, loss {loss.Mean:F3}");
        Console.WriteLine($"        ms a step {1e3 * median:F0}: {timed.Describe(times.Count)}, optimizer {1e3 * inOptimizer / Stopwatch.Frequency / times.Count:F1}");

        void Step()
        {
            loss = default;
            foreach (TrainingBatch batch in batches) loss += model.Step(batch, scale);
            long start = Stopwatch.GetTimestamp();
            optimizer.Step(1e-3f);
            inOptimizer += Stopwatch.GetTimestamp() - start;
        }
    }

    private static GemmaConfig Config(int layers, int width, int heads, int headDimension, int feedForward, int vocabulary) => new()
    {
        Architecture = GemmaArchitecture.Gemma1,
        VocabularySize = vocabulary,
        Width = width,
        LayerCount = layers,
        HeadCount = heads,
        KeyValueHeadCount = 1,
        HeadDimension = headDimension,
        FeedForwardWidth = feedForward,
        ContextLength = 512,
        QueryPreAttentionScalar = headDimension,
        WindowedLayers = [.. Enumerable.Repeat(false, layers)],
    };
}
