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
    public void Work_within_work_is_refused()
    {
        using var team = new ThreadTeam(2);
        Assert.SkipWhen(team.Count == 1, "one processor: work within work runs on the caller's thread");
        var work = new Nest(team);
        Assert.Throws<InvalidOperationException>(() => team.Run(ref work));
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
            if (team.Count > 1) Assert.Throws<ObjectDisposedException>(() => team.Run(ref work));
        }
    }

    [Fact]
    public void Two_teams_at_once_do_not_disturb_each_other()
    {
        int[] rounds = new int[2];
        Thread[] callers = [.. Enumerable.Range(0, 2).Select(caller => new Thread(() =>
        {
            using var team = new ThreadTeam(2);
            int[] counts = new int[team.Count];
            for (int round = 0; round < 300; round++)
            {
                var work = new Count(counts);
                team.Run(ref work);
                if (counts.All(count => count == round + 1)) rounds[caller]++;
            }
        }))];
        foreach (Thread caller in callers) caller.Start();
        foreach (Thread caller in callers) Assert.True(caller.Join(TimeSpan.FromSeconds(30)), "a team hangs");
        Assert.Equal([300, 300], rounds);
    }
}
