using System.Diagnostics;
using System.Globalization;
using Gemma.Cpu;
using Gemma.Generation;

namespace Gemma.Benchmarks;

/// <summary>
/// What a long context costs: <c>context [preset] [f32|bf16|q8|q4] [bf16|f32 keys and values] [threads]</c>. Decode with 0 … 8,192 positions before it, in
/// turn, so that all see the same machine; then a prompt of 4,096 in passes of 512, and where the time goes.
/// </summary>
internal static class Contexts
{
    private const int Rounds = 8, TokensARound = 3, Chunk = 512, Prompt = 4096;

    public static int Run(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        GemmaConfig config = GemmaConfig.Presets[args.ElementAtOrDefault(1) ?? "gemma-2b"];
        WeightType type = Enum.Parse<WeightType>(args.ElementAtOrDefault(2) ?? "q8", ignoreCase: true);
        KvType kvType = args.ElementAtOrDefault(3) == "f32" ? KvType.Float32 : KvType.BFloat16;
        int threads = int.Parse(args.ElementAtOrDefault(4) ?? "0", CultureInfo.InvariantCulture);
        using GemmaModel model = GemmaModel.Synthetic(config, new LoadOptions { Type = type, Threads = threads, RoundActivations = true });
        var timed = new TimedBackend(model.Backend);
        var transformer = new Transformer<Matrix>(config, model.Weights, timed);
        using KvCache cache = model.CreateCache(20_000, kvType);
        long position = cache.PageBytes / KvCache.PageTokens;
        Console.WriteLine($"{type}, {model.Threads} threads, {model.Kernels}: {model.WeightBytes / 1e9:F2} GB of weights; "
            + $"a position has {position} bytes of keys and values, 4,096 have {4096 * position / 1e6:F1} MB; a token after them takes {4e-6 * config.LayerCount * config.HeadCount * config.HeadDimension * 4096:F0} MFLOP of attention");
        Decode(model, transformer, timed, cache);
        Prefill(model, transformer, timed, cache);
        return 0;
    }

    private static void Decode(GemmaModel model, Transformer<Matrix> transformer, TimedBackend timed, KvCache cache)
    {
        int[] lengths = [0, 512, 1024, 2048, 4096, 8192 - TokensARound];
        KvSequence[] sequences = [.. lengths.Select(length => Filled(cache, length))];
        List<double>[] seconds = [.. lengths.Select(_ => new List<double>())];
        string[] parts = new string[lengths.Length];
        var batch = new Batch();
        for (int round = 0; round <= Rounds; round++)
        {
            for (int i = 0; i < lengths.Length; i++)
            {
                sequences[i].Truncate(lengths[i]);
                timed.Clear();
                for (int token = 0; token < TokensARound; token++)
                {
                    long start = Stopwatch.GetTimestamp();
                    batch.Clear();
                    batch.Add(sequences[i], [token + 5], LogitRows.Last);
                    Pass(model, transformer, batch);
                    if (round > 0) seconds[i].Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
                }
                parts[i] = timed.Describe(TokensARound);
            }
        }
        double none = Median(seconds[0]);
        for (int i = 0; i < lengths.Length; i++)
        {
            double median = Median(seconds[i]);
            Console.WriteLine($"decode after {lengths[i],5}: {1 / median,6:F2} tokens/s, {100 * none / median,5:F1} % of that after none; ms of the last round: {parts[i]}");
        }
        foreach (KvSequence sequence in sequences) sequence.Dispose();
    }

    private static void Prefill(GemmaModel model, Transformer<Matrix> transformer, TimedBackend timed, KvCache cache)
    {
        using KvSequence sequence = cache.CreateSequence();
        var batch = new Batch();
        double total = 0, first = 0;
        for (int done = 0; done < Prompt; done += Chunk)
        {
            int[] ids = [.. Enumerable.Range(done, Chunk).Select(i => i * 37 % 1000 + 3)];
            timed.Clear();
            long start = Stopwatch.GetTimestamp();
            batch.Clear();
            batch.Add(sequence, ids, LogitRows.Last);
            Pass(model, transformer, batch);
            total += Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (done == 0) first = total;
            int all = done + Chunk;
            if (all is 512 or 2048 or 4096)
            {
                Console.WriteLine($"prefill {all,4}: {all / total,6:F1} tokens/s, {100 * first * all / (Chunk * total),5:F1} % of 512; "
                    + $"ms a token of the last pass: {timed.Describe(Chunk)}");
            }
        }
    }

    private static void Pass(GemmaModel model, Transformer<Matrix> transformer, Batch batch)
    {
        model.Backend.BeginPass();
        transformer.Forward(batch);
    }

    /// <summary>A sequence whose keys and values are random numbers.</summary>
    private static unsafe KvSequence Filled(KvCache cache, int length)
    {
        KvSequence sequence = cache.CreateSequence();
        sequence.Reserve(length);
        var random = new Random(1);
        foreach (int page in sequence.Pages)
        {
            if (cache.Type == KvType.Float32) foreach (ref float value in new Span<float>(cache.Page(page), (int)cache.PageBytes / 4)) value = Next();
            else foreach (ref ushort value in new Span<ushort>(cache.Page(page), (int)cache.PageBytes / 2)) value = Gemma.Cpu.Kernels.BFloat16.FromSingle(Next());
        }
        return sequence;

        float Next() => 2 * random.NextSingle() - 1;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
