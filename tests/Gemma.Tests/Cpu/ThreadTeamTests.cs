using System.Diagnostics;
using Gemma.Cpu;

namespace Gemma.Tests.Cpu;

public class ThreadTeamTests
{
    private struct Count(int[] counts) : IWork
    {
        public readonly void Run(int part, int parts) => Interlocked.Increment(ref _counts[part]);

        private readonly int[] _counts = counts;
    }

    private struct Fail(int failing) : IWork
    {
        public readonly void Run(int part, int parts)
        {
            if (part == failing) throw new InvalidDataException($"part {part}");
        }
    }

    /// <summary>Counts within itself.</summary>
    private struct Tally : IWork
    {
        private int _parts;

        public readonly int Parts => _parts;

        public void Run(int part, int parts)
        {
            Thread.SpinWait(50);
            Interlocked.Increment(ref _parts);
        }
    }

    private struct Nest(ThreadTeam team) : IWork
    {
        public readonly void Run(int part, int parts)
        {
            if (part != 0) return;
            var inner = new Fail(-1);
            team.Run(ref inner);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(0)]
    public void Every_part_runs_once_a_round(int threads)
    {
        using var team = new ThreadTeam(threads);
        int[] counts = new int[team.Count];
        for (int round = 0; round < 20_000; round++)
        {
            var work = new Count(counts);
            team.Run(ref work);
        }
        Assert.All(counts, count => Assert.Equal(20_000, count));
    }

    [Fact]
    public void Rounds_after_a_rest_find_parked_threads()
    {
        using var team = new ThreadTeam(2);
        int[] counts = new int[team.Count];
        for (int round = 0; round < 10; round++)
        {
            Thread.Sleep(20);
            var work = new Count(counts);
            team.Run(ref work);
        }
        Assert.All(counts, count => Assert.Equal(10, count));
    }

    [Fact]
    public void More_threads_than_processors_are_not_started()
    {
        using var team = new ThreadTeam(1000);
        Assert.Equal(Environment.ProcessorCount, team.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => new ThreadTeam(-1));
    }

    [Fact]
    public void What_a_part_throws_reaches_the_caller_and_the_team_goes_on()
    {
        using var team = new ThreadTeam(2);
        for (int part = 0; part < team.Count; part++)
        {
            var failing = new Fail(part);
            var thrown = Assert.Throws<InvalidDataException>(() => team.Run(ref failing));
            Assert.Equal($"part {part}", thrown.Message);
            int[] counts = new int[team.Count];
            var work = new Count(counts);
            team.Run(ref work);
            Assert.All(counts, count => Assert.Equal(1, count));
        }
    }

    [Fact]
    public void Work_on_the_heap_may_be_moved_by_a_collection()
    {
        using var team = new ThreadTeam(2);
        bool done = false;
        var collector = new Thread(() =>
        {
            while (!Volatile.Read(ref done)) GC.Collect(1, GCCollectionMode.Forced, blocking: true, compacting: true);
        });
        collector.Start();
        var garbage = new byte[1][];
        int missing = 0;
        for (int round = 0; round < 300; round++)
        {
            garbage[0] = new byte[500];
            var work = new Tally[1];
            team.Run(ref work[0]);
            if (work[0].Parts != team.Count) missing++;
        }
        Volatile.Write(ref done, true);
        collector.Join();
        Assert.Equal(0, missing);
    }

    [Fact]
    public void Work_within_work_is_refused()
    {
        using var team = new ThreadTeam(2);
        Assert.SkipWhen(team.Count == 1, "one processor: work within work runs on the caller's thread");
        var work = new Nest(team);
        Assert.Throws<InvalidOperationException>(() => team.Run(ref work));
        var after = new Fail(-1);
        team.Run(ref after);
    }

    [Fact]
    public void A_team_ends_whether_its_threads_spin_or_are_parked_and_takes_no_work_afterwards()
    {
        for (int round = 0; round < 20; round++)
        {
            var team = new ThreadTeam(2);
            if (round % 2 == 1) Thread.Sleep(10);
            team.Dispose();
            team.Dispose();
            var work = new Fail(-1);
            if (team.Count == 1) return;
            // Twice: what was refused once is refused again, and for the same reason.
            Assert.Throws<ObjectDisposedException>(() => team.Run(ref work));
            Assert.Throws<ObjectDisposedException>(() => team.Run(ref work));
        }
    }

    [Fact]
    public void Many_teams_at_once_run_every_part_once_a_round_spinning_parked_and_failing()
    {
        const int Teams = 6, Rounds = 2000;
        int[] good = new int[Teams];
        Thread[] callers = [.. Enumerable.Range(0, Teams).Select(caller => new Thread(() =>
        {
            using var team = new ThreadTeam(1 + caller % Environment.ProcessorCount);
            var random = new Random(caller);
            int[] counts = new int[team.Count];
            for (int round = 0; round < Rounds; round++)
            {
                if (random.Next(100) == 0) Thread.Sleep(1);
                if (random.Next(10) == 0)
                {
                    var failing = new Fail(random.Next(team.Count));
                    Assert.Throws<InvalidDataException>(() => team.Run(ref failing));
                }
                // On the stack that the next round's work lies on: a thread that came late would write into it.
                var work = new Count(counts);
                team.Run(ref work);
                if (counts.All(count => count == round + 1)) good[caller]++;
            }
        }))];
        foreach (Thread caller in callers) caller.Start();
        foreach (Thread caller in callers) Assert.True(caller.Join(TimeSpan.FromSeconds(60)), "a team hangs");
        Assert.All(good, rounds => Assert.Equal(Rounds, rounds));
    }

    [Fact]
    public void A_second_caller_is_refused_while_the_first_works_and_disturbs_nothing()
    {
        using var team = new ThreadTeam(2);
        Assert.SkipWhen(team.Count == 1, "one processor: each caller works on its own thread");
        var done = new Done();
        var first = new Thread(() =>
        {
            var work = new Busy(done, TimeSpan.FromMilliseconds(50));
            team.Run(ref work);
        });
        first.Start();
        SpinWait.SpinUntil(() => Volatile.Read(ref done.Begun) > 0);
        var second = new Fail(-1);
        Assert.Throws<InvalidOperationException>(() => team.Run(ref second));
        Assert.True(first.Join(TimeSpan.FromSeconds(30)), "a team hangs");
        Assert.Equal(team.Count, done.Parts);
        team.Run(ref second);
    }

    [Fact]
    public void Callers_share_a_team_of_one_thread()
    {
        using var team = new ThreadTeam(1);
        int[] counts = new int[1];
        Thread[] callers = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            for (int round = 0; round < 5000; round++)
            {
                var work = new Count(counts);
                team.Run(ref work);
            }
        }))];
        foreach (Thread caller in callers) caller.Start();
        foreach (Thread caller in callers) Assert.True(caller.Join(TimeSpan.FromSeconds(30)), "a team hangs");
        Assert.Equal([20_000], counts);
    }

    [Fact]
    public void An_interruption_waits_until_the_work_is_done()
    {
        var done = new Done();
        bool interrupted = false, complete = false;
        var caller = new Thread(() =>
        {
            using var team = new ThreadTeam(2);
            for (int round = 0; round < 5; round++)
            {
                Thread.Sleep(5); // parked, so that the caller has to wake them
                Thread.CurrentThread.Interrupt();
                done.Parts = 0;
                var work = new Busy(done, TimeSpan.FromMilliseconds(3));
                team.Run(ref work);
                complete = Volatile.Read(ref done.Parts) == team.Count;
                try
                {
                    interrupted = false;
                    Thread.Sleep(1);
                }
                catch (ThreadInterruptedException)
                {
                    interrupted = true;
                }
                if (!complete || !interrupted) return;
            }
        });
        caller.Start();
        Assert.True(caller.Join(TimeSpan.FromSeconds(30)), "a team hangs");
        Assert.True(complete, "the caller went on before the work was done");
        Assert.True(interrupted, "the interruption was lost");
    }

    [Fact]
    public void Disposal_waits_for_work_that_runs()
    {
        var done = new Done();
        var team = new ThreadTeam(2);
        var caller = new Thread(() =>
        {
            var work = new Busy(done, TimeSpan.FromMilliseconds(50));
            team.Run(ref work);
        });
        caller.Start();
        SpinWait.SpinUntil(() => Volatile.Read(ref done.Begun) > 0);
        team.Dispose();
        Assert.Equal(team.Count, Volatile.Read(ref done.Parts));
        Assert.True(caller.Join(TimeSpan.FromSeconds(30)), "a team hangs");
    }

    [Fact]
    public void A_model_that_waits_takes_no_processor_time()
    {
        using Process child = ChildProgram.Start("wait", Repository.TinyModel);
        string errors = child.StandardError.ReadToEnd();
        child.WaitForExit();
        Assert.True(child.ExitCode == 0, errors);
    }

    private sealed class Done
    {
        public int Begun, Parts;
    }

    // Never sleeps: what interrupts the caller would end it.
    private readonly struct Busy(Done done, TimeSpan time) : IWork
    {
        public void Run(int part, int parts)
        {
            Interlocked.Increment(ref done.Begun);
            for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < time;) Thread.SpinWait(10);
            Interlocked.Increment(ref done.Parts);
        }
    }
}
