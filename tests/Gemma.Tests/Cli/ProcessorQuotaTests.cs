using Gemma.Cli;

namespace Gemma.Tests.Cli;

public sealed class ProcessorQuotaTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("gemma-quota").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [InlineData("0::/", "cpu.max", "150000 100000\n", 1.5)]
    [InlineData("0::/a/b\n", "a/b/cpu.max", "50000 100000\n", 0.5)]
    [InlineData("4:memory:/x\n0::/a/b\n", "a/cpu.max", "400000 100000\n", 4.0)]
    [InlineData("0::/a", "unified/a/cpu.max", "200000 100000\n", 2.0)]
    [InlineData("0::/not/mounted/here", "cpu.max", "100000 100000\n", 1.0)]
    public void A_quota_is_found_in_the_process_group_or_above_it(string memberships, string file, string content, double expected)
    {
        Write(file, content);
        Assert.Equal(expected, ProcessorQuota.Of(_root, memberships));
    }

    [Theory]
    [InlineData("3:cpu:/a\n", "cpu")]
    [InlineData("3:cpu,cpuacct:/a\n", "cpu,cpuacct")]
    public void Groups_of_the_first_version_hold_it_in_two_files(string memberships, string mount)
    {
        Write($"{mount}/a/cpu.cfs_quota_us", "75000\n");
        Write($"{mount}/a/cpu.cfs_period_us", "50000\n");
        Assert.Equal(1.5, ProcessorQuota.Of(_root, memberships));
    }

    [Fact]
    public void The_least_of_all_groups_counts()
    {
        Write("cpu.max", "max 100000\n");
        Write("a/cpu.max", "100000 100000\n");
        Write("a/b/cpu.max", "300000 100000\n");
        Assert.Equal(1, ProcessorQuota.Of(_root, "0::/a/b"));
    }

    [Theory]
    [InlineData("max 100000\n")]
    [InlineData("-1 100000\n")]
    [InlineData("100000 0\n")]
    [InlineData("nonsense")]
    [InlineData("")]
    public void What_is_no_limit_or_no_number_limits_nothing(string content)
    {
        Write("cpu.max", content);
        Assert.Null(ProcessorQuota.Of(_root, "0::/"));
        Assert.Null(ProcessorQuota.Of(_root, null));
        Assert.Null(ProcessorQuota.Of(_root, ":::\n\nx"));
    }

    private void Write(string file, string content)
    {
        string path = Path.Combine(_root, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
    }
}
