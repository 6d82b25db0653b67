namespace Gemma.Data;

/// <summary>A line, row or document that was left out.</summary>
/// <param name="Number">From 1.</param>
public sealed record SkippedRow(long Number, string Expected, string Found);

/// <summary>What was left out of one source, and why.</summary>
public sealed class SkippedRows
{
    /// <summary>So many are named; more are only counted.</summary>
    public const int MostNamed = 1000;

    private readonly List<SkippedRow> _named = [];
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);

    public long Count { get; private set; }

    /// <summary>The first, with their numbers.</summary>
    public IReadOnlyList<SkippedRow> Named => _named;

    /// <summary>How many lacked what was expected.</summary>
    public IReadOnlyDictionary<string, long> Counts => _counts;

    internal void Add(SkippedRow row)
    {
        Count++;
        _counts[row.Expected] = _counts.GetValueOrDefault(row.Expected) + 1;
        if (_named.Count < MostNamed) _named.Add(row);
    }
}
