namespace Gemma.Recipes.Tiny;

/// <summary>An English dictionary: a file of words, one a line, as Debian's package wamerican has it.</summary>
internal sealed class EnglishWords
{
    public const string DefaultFile = "/usr/share/dict/words";

    private readonly HashSet<string> _words;

    private EnglishWords(HashSet<string> words) => _words = words;

    /// <exception cref="UsageException">There is no such file.</exception>
    public static EnglishWords Load(string file)
    {
        if (!File.Exists(file)) throw new UsageException($"{file}: there is no such file; the test needs a list of English words: apt-get install wamerican, or name one with --words");
        return new EnglishWords([.. File.ReadLines(file)]);
    }

    /// <summary>The words of a text: letters, with apostrophes between them. Numbers are none.</summary>
    public static IEnumerable<string> Split(string text)
    {
        for (int i = 0; i < text.Length;)
        {
            if (!char.IsLetter(text[i]))
            {
                i++;
                continue;
            }
            int start = i;
            while (i < text.Length && (char.IsLetter(text[i]) || (text[i] is '\'' or '’' && i + 1 < text.Length && char.IsLetter(text[i + 1])))) i++;
            yield return text[start..i].Replace('’', '\'');
        }
    }

    /// <summary>Whether the dictionary has a word, as it is written or in lower case; a possessive counts where its word does.</summary>
    public bool Has(string word) => _words.Contains(word) || _words.Contains(word.ToLowerInvariant()) || (word.EndsWith("'s", StringComparison.Ordinal) && Has(word[..^2]));
}
