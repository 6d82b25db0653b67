namespace Gemma.Cli;

/// <summary>What was probably meant.</summary>
internal static class Spelling
{
    /// <summary>" (did you mean X?)", or the empty string where nothing is near.</summary>
    public static string Suggest(string typed, IEnumerable<string> known)
    {
        (string name, int distance) = known.Select(name => (name, Distance(typed, name))).DefaultIfEmpty(("", int.MaxValue)).MinBy(pair => pair.Item2);
        return distance <= Math.Max(1, typed.Length / 3) ? $" (did you mean {name}?)" : "";
    }

    /// <summary>Levenshtein's: letters put in, taken out or changed.</summary>
    private static int Distance(string a, string b)
    {
        if (a.Length > 64) return int.MaxValue;
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
                (row[j], diagonal) = (Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)), row[j]);
        }
        return row[b.Length];
    }
}
