namespace Gemma.Recipes.Tiny;

/// <summary>A question about a story.</summary>
/// <param name="Answer">As the story words it: a span of its text.</param>
internal sealed record Question(string Text, string Answer)
{
    /// <summary>"Who", "What" or "Where".</summary>
    public string Word => Text[..Text.IndexOf(' ', StringComparison.Ordinal)];

    /// <summary>The answer as a sentence.</summary>
    public string Reply => char.ToUpperInvariant(Answer[0]) + Answer[1..] + ".";

    /// <summary>Whether a text is the answer: case, a full stop and spaces around it do not count.</summary>
    public bool IsAnsweredBy(string text) => string.Equals(text.Trim().TrimEnd('.').Trim(), Answer, StringComparison.OrdinalIgnoreCase);
}
