using BenchmarkDotNet.Attributes;
using Gemma.Cpu;

namespace Gemma.Benchmarks;

/// <summary>What a fork and join costs, empty and over 100 µs of work on every thread: some hundred of them make a token. <c>threads</c> measures the rest.</summary>
public class ThreadTeamBenchmarks : IDisposable
{
    private ThreadTeam _team = null!;

    [Params(0, 100)]
    public int Microseconds { get; set; }

    [GlobalSetup]
    public void Setup() => _team = new ThreadTeam();

    [GlobalCleanup]
    public void Dispose()
    {
        _team.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark(Baseline = true, Description = "ThreadTeam")]
    public void Team()
    {
        var work = new Busy(Microseconds);
        _team.Run(ref work);
    }

    [Benchmark(Description = "Parallel.For")]
    public void Parallel()
    {
        int microseconds = Microseconds, count = _team.Count;
        System.Threading.Tasks.Parallel.For(0, count, part => new Busy(microseconds).Run(part, count));
    }

    private readonly struct Busy(int microseconds) : IWork
    {
        public void Run(int part, int parts)
        {
            if (microseconds == 0) return;
            long start = System.Diagnostics.Stopwatch.GetTimestamp();
            while (System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMicroseconds < microseconds) Thread.SpinWait(1);
        }
    }
}
