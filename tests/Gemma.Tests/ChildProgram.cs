using System.Diagnostics;
using System.Runtime.CompilerServices;
using Gemma.Formats;
using Gemma.Generation;

namespace Gemma.Tests;

/// <summary>
/// What this test program does instead of running tests when a test starts it as a child: things that end a process. A child starts in a tenth of a second,
/// a test run in several. Its work must not run test code on other threads, which would wait for this module to be initialised.
/// </summary>
internal static class ChildProgram
{
    private const string Variable = "GEMMA_TEST_CHILD";

    private static readonly Dictionary<string, Action<string[]>> Programs = new()
    {
        // Writes the first model, then the second, and so on, until it is killed (or, should its parent be gone, for a minute).
        ["convert"] = args =>
        {
            for (var time = Stopwatch.StartNew(); time.Elapsed < TimeSpan.FromMinutes(1); args = [args[1], args[0], args[2]])
                ModelConverter.Convert(args[0], args[2], new ConvertOptions { Force = true, Threads = 2 });
        },
        // Writes a shard of one id, then of another, over and over.
        ["tokens"] = args =>
        {
            var model = Gemma.Tokenization.SentencePieceModel.Load(args[1]);
            int[] ids = new int[100_000];
            for (var time = Stopwatch.StartNew(); time.Elapsed < TimeSpan.FromMinutes(1);)
            {
                Array.Fill(ids, ids[0] == 7 ? 8 : 7);
                using var writer = TokenShardWriter.Create(args[0], model, TokenShardMarks.None, replace: true);
                for (int document = 0; document < 20; document++) writer.Add(ids);
                writer.Finish();
            }
        },
        // Packs a model and keeps that, over and over.
        ["keep"] = args =>
        {
            for (var time = Stopwatch.StartNew(); time.Elapsed < TimeSpan.FromMinutes(1);)
            {
                using (GemmaModel.Load(args[0], new LoadOptions { Type = Gemma.Cpu.WeightType.F32, Threads = 2, WeightCache = true, WeightCacheFrom = 0 })) { }
                foreach (string kept in Directory.GetFiles(args[0], "*.packed")) File.Delete(kept);
            }
        },
        // Computes, then waits; says what the waiting took.
        ["wait"] = args =>
        {
            using GemmaModel model = GemmaModel.Load(args[0], new LoadOptions { Threads = 2 });
            using KvCache cache = model.CreateCache(64);
            using KvSequence sequence = cache.CreateSequence();
            var batch = new Batch();
            batch.Add(sequence, [2, 3, 4], LogitRows.Last);
            model.Forward(batch);
            Thread.Sleep(300); // the runtime compiles on for a while
            TimeSpan before = Environment.CpuUsage.TotalTime;
            Thread.Sleep(500);
            TimeSpan spent = Environment.CpuUsage.TotalTime - before;
            if (spent < TimeSpan.FromMilliseconds(100)) return;
            Console.Error.WriteLine(FormattableString.Invariant($"half a second of waiting took {spent.TotalMilliseconds} ms of processor time"));
            Environment.Exit(1);
        },
    };

    public static Process Start(string program, params string[] args)
    {
        string executable = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "Gemma.Tests.exe" : "Gemma.Tests");
        var start = new ProcessStartInfo(executable, args) { UseShellExecute = false, RedirectStandardError = true };
        start.Environment[Variable] = program;
        return Process.Start(start)!;
    }

    [ModuleInitializer]
    internal static void Run()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not string program) return;
        Programs[program](Environment.GetCommandLineArgs()[1..]);
        Environment.Exit(0);
    }
}
