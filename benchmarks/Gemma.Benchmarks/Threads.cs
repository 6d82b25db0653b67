using System.Diagnostics;
using System.Globalization;
using Gemma.Cpu;
using Gemma.Generation;

namespace Gemma.Benchmarks;

/// <summary>
/// What threads cost and how they share a machine: <c>threads [preset] [f32|bf16|q8|q4]</c>. An empty fork and join; the same after a rest, from parked threads;
/// the processor time of a team that waits; and the tokens a second of two models at once beside those of one alone, in turn.
/// </summary>
internal static class Threads
{
    private const int Rounds = 5, Prompt = 64;
    private static readonly TimeSpan Span = TimeSpan.FromSeconds(1);

    public static int Run(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        using (var team = new ThreadTeam()) Forks(team);
        GemmaConfig config = GemmaConfig.Presets[args.ElementAtOrDefault(1) ?? "gemma-3-270m"];
        var options = new LoadOptions { Type = Enum.Parse<WeightType>(args.ElementAtOrDefault(2) ?? "q8", ignoreCase: true) };
        using GemmaModel first = GemmaModel.Synthetic(config, options), second = GemmaModel.Synthetic(config, options, seed: 2);
        Console.WriteLine($"{first.Threads} threads each, {first.Kernels}");
        foreach (int tokens in (int[])[1, Prompt])
        {
            List<double> alone = [], together = [];
            for (int round = 0; round <= Rounds; round++)
            {
                double one = Rate(tokens, first), two = Rate(tokens, first, second);
                if (round == 0) continue; // compiles
                alone.Add(one);
                together.Add(two);
            }
            alone.Sort();
            together.Sort();
            Console.WriteLine($"passes of {tokens} tokens: one model {alone[Rounds / 2]:F0} tokens/s, two at once {together[Rounds / 2]:F0} in all = {100 * together[Rounds / 2] / alone[Rounds / 2]:F0} %");
        }
        return 0;
    }

    private static void Forks(ThreadTeam team)
    {
        int[] sums = new int[team.Count * 16];
        double best = double.MaxValue;
        for (int round = 0; round < 20; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < 10_000; i++)
            {
                var work = new Touch(sums);
                team.Run(ref work);
            }
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds / 10_000);
        }
        List<double> rested = [];
        for (int i = 0; i < 100; i++)
        {
            Thread.Sleep(2);
            long start = Stopwatch.GetTimestamp();
            var work = new Touch(sums);
            team.Run(ref work);
            rested.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }
        rested.Sort();
        TimeSpan before = Environment.CpuUsage.TotalTime;
        Thread.Sleep(1000);
        double idle = (Environment.CpuUsage.TotalTime - before).TotalMilliseconds;
        Console.WriteLine($"{team.Count} threads: fork and join {best:F2} µs, after a rest {rested[50]:F1} µs; waiting for a second takes {idle:F1} ms of processor time");
    }

    /// <summary>Tokens a second of all models together, each called by a thread of its own.</summary>
    private static double Rate(int tokens, params GemmaModel[] models)
    {
        long done = 0, start = Stopwatch.GetTimestamp();
        Thread[] callers = [.. models.Select(model => new Thread(() =>
        {
            using KvCache cache = model.CreateCache(Prompt);
            var batch = new Batch();
            int[] ids = [.. Enumerable.Range(5, tokens)];
            while (Stopwatch.GetElapsedTime(start) < Span)
            {
                using KvSequence sequence = cache.CreateSequence();
                for (int filled = 0; filled < Prompt && Stopwatch.GetElapsedTime(start) < Span; filled += tokens)
                {
                    batch.Clear();
                    batch.Add(sequence, ids, LogitRows.Last);
                    model.Forward(batch);
                    Interlocked.Add(ref done, tokens);
                }
            }
        }))];
        foreach (Thread caller in callers) caller.Start();
        foreach (Thread caller in callers) caller.Join();
        return done / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private readonly struct Touch(int[] sums) : IWork
    {
        public void Run(int part, int parts) => sums[part * 16]++;
    }
}
