using System.Text;

namespace Gemma.Recipes.Tiny;

/// <summary>What a filled template still lacks: capitals where sentences begin, "an" before vowels, single spaces.</summary>
internal static class Sentences
{
    /// <summary>Appends a text to another, put right.</summary>
    public static void Append(StringBuilder raw, StringBuilder into, bool startsSentence = true)
    {
        // A quotation begins with a capital, but not the second half of one that "she said" stands in.
        bool starts = startsSentence, isOpen = false, hasSpoken = false;
        for (int i = 0; i < raw.Length; i++)
        {
            char c = raw[i];
            if (c == ' ' && (i == 0 || raw[i - 1] == ' ' || (i + 1 < raw.Length && raw[i + 1] is ',' or '.' or ';'))) continue;
            if (char.IsLetterOrDigit(c))
            {
                into.Append(starts ? char.ToUpperInvariant(c) : c);
                starts = false;
                if (c is 'a' or 'A' && IsWordAlone(raw, i) && NextLetter(raw, i + 1) is 'a' or 'e' or 'i' or 'o' or 'u' && !IsException(raw, i + 2)) into.Append('n');
                continue;
            }
            into.Append(c);
            if (c == '"')
            {
                isOpen = !isOpen;
                starts |= isOpen && !hasSpoken;
                hasSpoken |= isOpen;
            }
            if (c is not ('.' or '!' or '?') || i + 1 == raw.Length) continue;
            bool endsSpeech = c == '.' && raw[i + 1] == '"' && i + 2 < raw.Length && raw[i + 2] == ' ';
            starts |= raw[i + 1] == ' ' || endsSpeech;
            if (endsSpeech || (starts && !isOpen)) hasSpoken = false;
        }
    }

    /// <summary>With capitals, as titles have them.</summary>
    public static string Title(string line)
    {
        string[] words = line.Split(' ');
        for (int i = 0; i < words.Length; i++)
            if (i == 0 || words[i] is not ("a" or "an" or "the" or "of" or "to" or "in" or "on" or "at" or "and" or "for" or "from" or "by" or "with")) words[i] = char.ToUpperInvariant(words[i][0]) + words[i][1..];
        return string.Join(' ', words);
    }

    /// <summary>With the article before it: "an old", "a new".</summary>
    public static string A(string word) => (word[0] is 'a' or 'e' or 'i' or 'o' or 'u' ? "an " : "a ") + word;

    private static bool IsWordAlone(StringBuilder text, int at) => (at == 0 || !char.IsLetter(text[at - 1]) && text[at - 1] != '\'') && at + 1 < text.Length && text[at + 1] == ' ';

    private static char NextLetter(StringBuilder text, int at)
    {
        while (at < text.Length && text[at] == ' ') at++;
        return at < text.Length ? text[at] : ' ';
    }

    private static bool IsException(StringBuilder text, int at)
    {
        while (at < text.Length && text[at] == ' ') at++;
        foreach (string word in (ReadOnlySpan<string>)["one", "useful", "usual"])
        {
            int same = 0;
            while (same < word.Length && at + same < text.Length && text[at + same] == word[same]) same++;
            if (same == word.Length) return true;
        }
        return false;
    }
}
