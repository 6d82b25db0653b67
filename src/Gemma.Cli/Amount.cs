using System.Globalization;

namespace Gemma.Cli;

/// <summary>Sizes and rates as people read them. Bytes count in thousands, as disks and the hub do.</summary>
internal static class Amount
{
    private static readonly string[] Units = ["B", "kB", "MB", "GB", "TB"];

    /// <summary>"5.01 GB".</summary>
    public static string Bytes(double count)
    {
        int unit = 0;
        while (Math.Abs(count) >= 1000 && unit < Units.Length - 1) (count, unit) = (count / 1000, unit + 1);
        return unit == 0 ? Invariant($"{count:0} B") : Invariant($"{Significant(count)} {Units[unit]}");
    }

    /// <summary>"2.51 G" of weights.</summary>
    public static string Count(double count) => count switch
    {
        >= 1e9 => Invariant($"{Significant(count / 1e9)} billion"),
        >= 1e6 => Invariant($"{Significant(count / 1e6)} million"),
        _ => Invariant($"{count:#,0}"),
    };

    /// <summary>"12.3 tok/s".</summary>
    public static string Rate(double tokensPerSecond) => Invariant($"{Significant(tokensPerSecond)} tok/s");

    /// <summary>"350 ms", "1.24 s".</summary>
    public static string Seconds(double seconds) => seconds < 1 ? Invariant($"{Significant(seconds * 1000)} ms") : Invariant($"{Significant(seconds)} s");

    /// <summary>"8.10 s", "12 min 5 s", "1 h 44 min".</summary>
    public static string Duration(TimeSpan time) => time switch
    {
        { TotalMinutes: < 1 } => Seconds(time.TotalSeconds),
        { TotalHours: < 1 } => Invariant($"{time.Minutes} min {time.Seconds} s"),
        _ => Invariant($"{(int)time.TotalHours} h {time.Minutes} min"),
    };

    /// <summary>Three digits, as many as a measurement deserves.</summary>
    private static string Significant(double value) => Math.Abs(value) switch
    {
        < 9.995 => Invariant($"{value:0.00}"),
        < 99.95 => Invariant($"{value:0.0}"),
        _ => Invariant($"{value:0}"),
    };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
