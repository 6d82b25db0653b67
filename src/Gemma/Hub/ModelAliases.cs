namespace Gemma.Hub;

/// <summary>Short names of the models that this library runs: those of Google's own repositories, without the "google/".</summary>
public static class ModelAliases
{
    private const string Organization = "google";

    private static readonly string[] Names =
    [
        "gemma-2b", "gemma-2b-it", "gemma-7b", "gemma-7b-it", "gemma-1.1-2b-it", "gemma-1.1-7b-it",
        "gemma-2-2b", "gemma-2-2b-it", "gemma-2-9b", "gemma-2-9b-it", "gemma-2-27b", "gemma-2-27b-it",
        "gemma-3-270m", "gemma-3-270m-it", "gemma-3-1b-pt", "gemma-3-1b-it", "gemma-3-4b-pt", "gemma-3-4b-it",
        "gemma-3-12b-pt", "gemma-3-12b-it", "gemma-3-27b-pt", "gemma-3-27b-it",
    ];

    public static IReadOnlyList<string> All => Names;

    /// <summary>The repository that a short name stands for, or null. Case does not count.</summary>
    public static string? Find(string name) =>
        Names.FirstOrDefault(alias => alias.Equals(name, StringComparison.OrdinalIgnoreCase)) is string found ? $"{Organization}/{found}" : null;

    /// <summary>"; did you mean a, b or c?" with the names most like what was typed, or the empty string where none is like it.</summary>
    internal static string Suggestion(string typed)
    {
        string name = typed[(typed.LastIndexOf('/') + 1)..].ToLowerInvariant();
        int most = Math.Max(2, name.Length / 3);
        string[] near = [.. Names.Select(alias => (alias, distance: Distance(name, alias))).Where(pair => pair.distance > 0 && pair.distance <= most)
            .OrderBy(pair => pair.distance).Take(3).Select(pair => pair.alias)];
        return near switch
        {
            [] => "",
            [string one] => $"; did you mean {one}?",
            [.. string[] others, string last] => $"; did you mean {string.Join(", ", others)} or {last}?",
        };
    }

    /// <summary>Levenshtein's: letters put in, taken out or changed.</summary>
    private static int Distance(string a, string b)
    {
        if (a.Length > 64) return int.MaxValue;
        var row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++) row[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}
