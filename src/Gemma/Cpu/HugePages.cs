using System.Globalization;

namespace Gemma.Cpu;

/// <summary>What Linux tells about the pages that memory lies on.</summary>
internal static unsafe class HugePages
{
    private const string Fields = "/proc/self/smaps", Choice = "/sys/kernel/mm/transparent_hugepage/enabled";

    /// <summary>Whether the system gives huge pages to memory that is no file's.</summary>
    public static bool AreGranted => File.Exists(Choice) && !File.ReadAllText(Choice).Contains("[never]", StringComparison.Ordinal);

    /// <summary>The part of a mapped file's memory that lies on huge pages, of what has been touched; null where the system does not tell.</summary>
    /// <param name="start">First byte of the mapping.</param>
    public static double? ShareOfMapping(void* start)
    {
        if (!File.Exists(Fields)) return null;
        // A line "7f00-7fff r--s …" for each mapping, and below it lines such as "Rss:   123 kB".
        string address = ((nuint)start).ToString("x", CultureInfo.InvariantCulture) + "-";
        bool found = false;
        long resident = 0;
        foreach (string line in File.ReadLines(Fields))
        {
            if (!found) found = line.StartsWith(address, StringComparison.Ordinal);
            else if (line.StartsWith("Rss:", StringComparison.Ordinal)) resident = Kilobytes(line);
            else if (line.StartsWith("FilePmdMapped:", StringComparison.Ordinal)) return resident == 0 ? null : (double)Kilobytes(line) / resident;
        }
        return null;
    }

    private static long Kilobytes(string line) => long.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], NumberStyles.None, CultureInfo.InvariantCulture, out long count) ? count : 0;
}
