using System.Globalization;
using System.Runtime.InteropServices;

namespace Gemma.Cli;

/// <summary>What this machine has, as far as the system tells.</summary>
internal static class Machine
{
    /// <summary>"AMD EPYC 9B14", or the architecture where the system does not name the processor.</summary>
    public static string ProcessorName { get; } = Line("/proc/cpuinfo", "model name") ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? $"{RuntimeInformation.OSArchitecture}";

    /// <summary>Bytes of memory that this process may use: the machine's, or what its container leaves.</summary>
    public static long Memory => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>Bytes that programs may still take without swapping; null where the system does not say.</summary>
    public static long? FreeMemory => Line("/proc/meminfo", "MemAvailable") is string text && long.TryParse(text.Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out long kilobytes)
        ? kilobytes * 1024 : null;

    /// <summary>Logical processors of the machine, whatever this process may use of them.</summary>
    public static int? Processors => Text("/proc/cpuinfo") is string text ? text.Split('\n').Count(line => line.StartsWith("processor", StringComparison.Ordinal)) : null;

    /// <summary>"always", "madvise" or "never"; null where the system has no such choice.</summary>
    public static string? HugePages => Text("/sys/kernel/mm/transparent_hugepage/enabled") is string text && text.IndexOf('[') is int start and >= 0 && text.IndexOf(']') is int end && end > start
        ? text[(start + 1)..end] : null;

    /// <summary>What the system lets programs use of the processor, in the words of Linux: "avx2", "avx512f".</summary>
    public static IReadOnlySet<string> ProcessorFlags => new HashSet<string>(Line("/proc/cpuinfo", "flags")?.Split(' ') ?? []);

    private static string? Line(string file, string name) => Text(file)?.Split('\n').FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is string line
        && line.IndexOf(':') is int colon and >= 0 ? line[(colon + 1)..].Trim() : null;

    /// <summary>The text of a system's file; null where there is none or it may not be read.</summary>
    internal static string? Text(string file)
    {
        try
        {
            return File.Exists(file) ? File.ReadAllText(file) : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null; // a system that does not tell is no failure of ours
        }
    }
}
