using System.Text;

namespace Gemma.Generation;

/// <summary>
/// Finds stop strings in text that arrives in pieces. What may be the beginning of a stop string is held back until it is clear whether it is one, so that no
/// part of a stop string ever gets out. However the text is cut into pieces, the outcome is the same: the first stop string to be complete ends the text
/// (of several complete at the same character the longest, which begins first).
/// </summary>
public sealed class StopMatcher
{
    private readonly string[] _stops;
    private readonly int[][] _failures; // Knuth-Morris-Pratt: longest beginning that is also an end of the first i + 1 characters
    private readonly int[] _matched; // characters of each stop string that the text so far ends with
    private readonly StringBuilder _held = new();

    public StopMatcher(IReadOnlyList<string> stops)
    {
        ArgumentNullException.ThrowIfNull(stops);
        _stops = [.. stops];
        _failures = [.. _stops.Select(Failures)];
        _matched = new int[_stops.Length];
    }

    /// <summary>The stop string that ended the text, or null.</summary>
    public string? Match { get; private set; }

    /// <summary>Takes more text and returns what is certain to be no part of a stop string. After a match nothing more comes out.</summary>
    public string Append(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (_stops.Length == 0) return text;
        if (Match is not null) return "";
        for (int i = 0; i < text.Length; i++)
        {
            _held.Append(text[i]);
            Match = Advance(text[i]);
            if (Match is not null) return Release(_held.Length - Match.Length);
        }
        return Release(_held.Length - _matched.Max());
    }

    /// <summary>The text ended: returns what was held back.</summary>
    public string Flush() => Match is null ? Release(_held.Length) : "";

    /// <summary>The longest stop string that this character completes.</summary>
    private string? Advance(char next)
    {
        string? complete = null;
        for (int s = 0; s < _stops.Length; s++)
        {
            string stop = _stops[s];
            int length = _matched[s];
            while (length > 0 && stop[length] != next) length = _failures[s][length - 1];
            if (stop[length] == next) length++;
            _matched[s] = length;
            if (length == stop.Length && length > (complete?.Length ?? 0)) complete = stop;
        }
        return complete;
    }

    private string Release(int count)
    {
        if (count == 0) return "";
        string text = _held.ToString(0, count);
        _held.Remove(0, count);
        return text;
    }

    private static int[] Failures(string stop)
    {
        if (string.IsNullOrEmpty(stop)) throw new ArgumentException("a stop string is empty");
        var failures = new int[stop.Length];
        for (int i = 1, length = 0; i < stop.Length; i++)
        {
            while (length > 0 && stop[i] != stop[length]) length = failures[length - 1];
            if (stop[i] == stop[length]) length++;
            failures[i] = length;
        }
        return failures;
    }
}
