using System.Diagnostics;
using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Generation;

/// <summary>An engine that runs for weeks takes no more memory than one that has just filled its cache.</summary>
public class EngineMemoryTests
{
    [Fact(Explicit = true)]
    [Trait("Category", "Long")]
    public async Task Ten_thousand_requests_leave_memory_flat()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, new EngineOptions { CachePositions = 4096, MaxSequences = 16 });
        await Serve(engine, 0, 2000); // fills the cache and whatever grows to a size of its own
        (long heap, long set) = Memory();
        await Serve(engine, 2000, 10_000);
        (long heapAfter, long setAfter) = Memory();
        TestContext.Current.TestOutputHelper?.WriteLine($"heap {heap} -> {heapAfter}, working set {set} -> {setAfter}; {engine.Statistics}");
        Assert.True(heapAfter - heap < 256 << 10, $"the managed heap grew from {heap} to {heapAfter} bytes");
        Assert.True(setAfter - set < 16 << 20, $"the working set grew from {set} to {setAfter} bytes");
        Assert.True(engine.Statistics.PrefixHits > 2000, $"{engine.Statistics}");
        EnginePages.AssertNoneInUse(engine);
    }

    /// <summary>Prompts of random length that begin in one of twelve ways, some for tenants, some cancelled, some measured.</summary>
    private static Task Serve(Engine engine, int first, int count) => Parallel.ForAsync(first, first + count, new ParallelOptions { MaxDegreeOfParallelism = 24 }, async (i, cancellation) =>
    {
        var random = new Random(i);
        int way = random.Next(12);
        int[] prompt = [2, .. Enumerable.Repeat(way + 5, random.Next(70)), .. Enumerable.Range(0, random.Next(40)).Select(_ => random.Next(500))];
        if (i % 10 == 0)
        {
            await engine.LogitsAsync(prompt, (_, _) => { }, cancellationToken: cancellation);
            return;
        }
        using var source = new CancellationTokenSource();
        Sequence sequence = engine.Submit(prompt, new GenerationOptions { MaxTokens = random.Next(1, 10), CacheSalt = i % 7 == 0 ? $"tenant {i}" : null }, source.Token);
        if (i % 13 == 0) source.CancelAfter(random.Next(3));
        await foreach (GeneratedToken token in sequence)
        {
        }
        await sequence.Completion;
    });

    private static (long Heap, long WorkingSet) Memory()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }
        using var process = Process.GetCurrentProcess();
        return (GC.GetTotalMemory(forceFullCollection: true), process.WorkingSet64);
    }
}
