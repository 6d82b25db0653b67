using System.Text;
using Gemma.Tokenization;

namespace Gemma.Tests.Tokenization;

/// <summary>Learning pieces word for word: all words anew for each, no counts kept. Slow and obviously right.</summary>
internal static class PlainTrainer
{
    /// <summary>The pieces that merges make, in order.</summary>
    public static List<string> Learn(IEnumerable<string> lines, TokenizerTrainerOptions options, int merges)
    {
        List<(List<string> Symbols, int Count)> words = [];
        foreach (IGrouping<string, string> word in lines.SelectMany(line => Words(line, options)).GroupBy(word => word, StringComparer.Ordinal))
            words.Add(([.. word.Key.EnumerateRunes().Select(rune => rune.ToString())], word.Count()));
        List<string> pieces = [];
        HashSet<(string, string)> apart = [];
        while (pieces.Count < merges)
        {
            // Same text from other parts: of equals that which is older, a character before a piece.
            int Age(string symbol) => symbol.EnumerateRunes().Count() == 1 ? -1 : pieces.IndexOf(symbol);
            (string Left, string Right)[] best = [.. words.SelectMany(word => word.Symbols.Zip(word.Symbols.Skip(1)).Select(pair => (pair, word.Count)))
                .Where(item => !apart.Contains(item.pair) && IsPiece(item.pair.First + item.pair.Second, options))
                .GroupBy(item => item.pair, item => item.Count)
                .OrderByDescending(group => group.Sum()).ThenBy(group => Length(group.Key.First + group.Key.Second))
                .ThenBy(group => group.Key.First + group.Key.Second, Comparer<string>.Create(CompareBytes)).ThenBy(group => Age(group.Key.First)).ThenBy(group => Age(group.Key.Second))
                .Select(group => group.Key).Take(1)];
            if (best is not [(string left, string right)]) return pieces;
            if (pieces.Contains(left + right))
            {
                apart.Add((left, right));
                continue;
            }
            pieces.Add(left + right);
            foreach ((List<string> symbols, _) in words)
            {
                for (int i = 0; i + 1 < symbols.Count; i++)
                {
                    if (symbols[i] != left || symbols[i + 1] != right) continue;
                    symbols[i] = left + right;
                    symbols.RemoveAt(i + 1);
                }
            }
        }
        return pieces;
    }

    private static int CompareBytes(string? a, string? b) => Encoding.UTF8.GetBytes(a!).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b!));

    private static int Length(string text) => text.EnumerateRunes().Count();

    /// <summary>A word begins with each space, and ends at a tab and at a user-defined piece.</summary>
    private static IEnumerable<string> Words(string line, TokenizerTrainerOptions options)
    {
        line = line.Replace(' ', '▁');
        var word = new StringBuilder();
        for (int at = 0; at < line.Length;)
        {
            string? piece = options.UserDefined.Where(text => string.CompareOrdinal(line, at, text, 0, text.Length) == 0).MaxBy(text => text.Length);
            if ((piece is not null || line[at] is '▁' or '\t') && word.Length > 0)
            {
                yield return word.ToString();
                word.Clear();
            }
            if (piece is not null) at += piece.Length;
            else if (line[at] == '\t') at++;
            else word.Append(line[at++]);
        }
        if (word.Length > 0) yield return word.ToString();
    }

    private static bool IsPiece(string text, TokenizerTrainerOptions options)
    {
        Rune[] runes = [.. text.EnumerateRunes()];
        if (runes.Length > options.MaxPieceLength || text.AsSpan(1).Contains('▁')) return false;
        if (options.SplitDigits && runes.Any(rune => rune.Value is >= '0' and <= '9')) return false;
        return runes.Where(rune => rune.Value != '▁').Select(rune => UnicodeScripts.Of(rune.Value)).Where(script => script != UnicodeScripts.Inherited).Distinct().Count() <= 1;
    }
}
