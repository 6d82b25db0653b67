using System.Diagnostics;
using System.Globalization;
using Gemma.Cpu;
using Gemma.Generation;

namespace Gemma.Benchmarks;

/// <summary>
/// What the structure of the house costs: <c>overhead [preset] [f32|bf16|q8|q4] [threads]</c>. A <see cref="Transformer{T}"/> over coarse operations against
/// <see cref="HandFused"/>, in turn, a token at a time and 512 at once.
/// </summary>
internal static class Overhead
{
    private const int Prompt = 512, Tokens = 64, Rounds = 16;

    public static int Run(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        GemmaConfig config = GemmaConfig.Presets[args.ElementAtOrDefault(1) ?? "gemma-2b"];
        WeightType type = Enum.Parse<WeightType>(args.ElementAtOrDefault(2) ?? "q8", ignoreCase: true);
        int threads = int.Parse(args.ElementAtOrDefault(3) ?? "0", CultureInfo.InvariantCulture);
        using GemmaModel model = GemmaModel.Synthetic(config, new LoadOptions { Type = type, Threads = threads, RoundActivations = true });
        using var hand = new HandFused(model, Prompt);
        using KvCache cache = model.CreateCache(2 * Prompt);
        Console.WriteLine($"{type}, {model.Threads} threads, {model.Kernels}");
        using (KvSequence sequence = cache.CreateSequence()) Compare("decode, a token", model, hand, sequence, Tokens, warm: 8, 1, restart: false);
        using (KvSequence sequence = cache.CreateSequence()) Compare("prefill, 512 tokens", model, hand, sequence, Rounds, warm: 1, Prompt, restart: true);
        return 0;
    }

    private static void Compare(string what, GemmaModel model, HandFused hand, KvSequence sequence, int passes, int warm, int size, bool restart)
    {
        var batch = new Batch();
        List<double> structured = [], fused = [];
        double difference = 0, largest = 0;
        hand.Clear();
        for (int pass = 0; pass < warm + passes; pass++)
        {
            int[] ids = [.. Enumerable.Range(0, size).Select(i => (pass + i) * 37 % 1000 + 3)];
            if (restart)
            {
                sequence.Truncate(0);
                hand.Clear();
            }
            double[] seconds = new double[2];
            Matrix? logits = null;
            // Who is first in a pair is last in the next.
            for (int turn = 0; turn < 2; turn++)
            {
                bool byHand = (pass + turn) % 2 == 1;
                long start = Stopwatch.GetTimestamp();
                if (byHand) hand.Forward(ids);
                else
                {
                    batch.Clear();
                    batch.Add(sequence, ids, LogitRows.Last);
                    logits = model.Forward(batch);
                }
                seconds[byHand ? 1 : 0] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
            ReadOnlySpan<float> expected = hand.Logits;
            for (int i = 0; i < expected.Length; i++)
            {
                difference = Math.Max(difference, Math.Abs(expected[i] - logits!.Row(0)[i]));
                largest = Math.Max(largest, Math.Abs(expected[i]));
            }
            if (pass < warm) continue;
            structured.Add(seconds[0]);
            fused.Add(seconds[1]);
        }
        double ratio = Median([.. structured.Zip(fused, (x, y) => x / y)]);
        Console.WriteLine($"{what}: {1e3 * Median(structured):F2} ms over operations, {1e3 * Median(fused):F2} ms by hand (medians); "
            + $"median of the pairs' ratios {100 * ratio - 100:+0.0;-0.0} %; logits differ by at most {difference:G2} of {largest:G2}");
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
