using System.Globalization;

namespace Gemma.Cli;

/// <summary>How much processor time the system's control groups (a container, a systemd unit) leave this process.</summary>
internal static class ProcessorQuota
{
    /// <summary>Processors' worth of time, such as 1.5; null where nothing limits it.</summary>
    public static double? Current => Of("/sys/fs/cgroup", Machine.Text("/proc/self/cgroup"));

    /// <param name="root">Where the groups are mounted.</param>
    /// <param name="memberships">The process's groups, a line each: <c>0::/a/b</c> of version 2, <c>4:cpu,cpuacct:/a/b</c> of version 1.</param>
    public static double? Of(string root, string? memberships)
    {
        double? least = null;
        foreach (string line in memberships?.Split('\n') ?? [])
        {
            if (line.Split(':', 3) is not [_, string controllers, string path]) continue;
            string[] mounts = controllers is "" ? [root, Path.Combine(root, "unified")]
                : controllers.Split(',').Contains("cpu") ? [Path.Combine(root, "cpu"), Path.Combine(root, controllers)] : [];
            // A group's processes share what each group above it has, too. In a container the path may be one that is not mounted there: only what exists counts.
            for (string group = path.Trim('/'); ; group = Path.GetDirectoryName(group) ?? "")
            {
                foreach (string mount in mounts)
                    if (InGroup(Path.Combine(mount, group)) is double quota && !(quota >= least)) least = quota;
                if (group.Length == 0) break;
            }
        }
        return least;
    }

    /// <summary>Microseconds of processor time in each period; "max" and −1 are no limit.</summary>
    private static double? InGroup(string group)
    {
        string[] parts = Machine.Text(Path.Combine(group, "cpu.max"))?.Split(' ', '\n')
            ?? [Machine.Text(Path.Combine(group, "cpu.cfs_quota_us")) ?? "", Machine.Text(Path.Combine(group, "cpu.cfs_period_us")) ?? ""];
        return parts is [string quota, string period, ..] && double.TryParse(quota, NumberStyles.Float, CultureInfo.InvariantCulture, out double time) && time > 0
            && double.TryParse(period, NumberStyles.Float, CultureInfo.InvariantCulture, out double of) && of > 0 ? time / of : null;
    }
}
