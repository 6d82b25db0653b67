using System.Diagnostics;

namespace Gemma.Tests.Formats;

/// <summary>
/// Damaged files: whatever was done to them, they open and hold what they say, or they are refused in one line. No crash, no hang, no memory beyond what
/// a file of that size can need.
/// </summary>
public class FuzzTests
{
    // What a parser may take: some of it for each byte of the file, some for the exception and its stack.
    private const long AllocationPerByte = 100, AllocationAtAll = 256 << 10;

    public static TheoryData<string> Targets => [.. FuzzTarget.All.Keys];

    [Theory]
    [MemberData(nameof(Targets))]
    public void A_damaged_file_opens_whole_or_is_refused_in_one_line(string target) => Run(target, 600);

    /// <summary>100,000 in all.</summary>
    [Theory(Explicit = true)]
    [Trait("Category", "Long")]
    [MemberData(nameof(Targets))]
    public void However_it_is_damaged_a_file_opens_whole_or_is_refused_in_one_line(string target) => Run(target, 20_000);

    private static void Run(string name, int count)
    {
        FuzzTarget target = FuzzTarget.All[name]();
        int current = -1, accepted = 0;
        long started = Stopwatch.GetTimestamp();
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            for (int seed = 0; seed < count && failure is null; seed++)
            {
                Volatile.Write(ref started, Stopwatch.GetTimestamp());
                Volatile.Write(ref current, seed);
                try
                {
                    if (Try(target, seed)) accepted++;
                }
                catch (Exception bad)
                {
                    failure = bad;
                }
            }
        })
        { IsBackground = true };
        thread.Start();
        while (!thread.Join(50))
        {
            // A mutant takes well under a millisecond; this leaves room for a machine that is busy with other things.
            if (Stopwatch.GetElapsedTime(Volatile.Read(ref started)) > TimeSpan.FromSeconds(20)) Assert.Fail($"{name}: mutant {Volatile.Read(ref current)} hangs");
        }
        if (failure is not null) Assert.Fail($"{name}: mutant {current}: {failure}");
        // Damage that never shows, or that nothing survives, tests nothing.
        Assert.InRange(accepted, count / 500, count * 49 / 50);
    }

    /// <summary>Whether it opened.</summary>
    private static bool Try(FuzzTarget target, int seed)
    {
        byte[] mutant = target.Mutant(seed);
        Action check;
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            check = target.Open(mutant);
        }
        catch (GemmaException refusal)
        {
            CheckAllocation(before, mutant.Length);
            CheckMessage(refusal);
            return false;
        }
        CheckAllocation(before, mutant.Length);
        try
        {
            check();
            return true;
        }
        catch (GemmaException refusal)
        {
            CheckMessage(refusal); // the file is sound, but not the model's
            return false;
        }
    }

    private static void CheckAllocation(long before, int length)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated <= AllocationPerByte * length + AllocationAtAll, $"{allocated} bytes were allocated for a file of {length}");
    }

    private static void CheckMessage(GemmaException refusal)
    {
        Assert.False(refusal.Message.Any(char.IsControl), $"more than one line, or what a terminal obeys: {refusal.Message}");
        Assert.InRange(refusal.Message.Length, 10, 1000);
    }
}
