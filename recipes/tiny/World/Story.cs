namespace Gemma.Recipes.Tiny;

/// <summary>A story, and what is known about it.</summary>
internal sealed record Story
{
    public required string Plot { get; init; }

    public required string Text { get; init; }

    /// <summary>Where in the text something that was said ends: a story may be cut there.</summary>
    public required int[] Ends { get; init; }

    /// <summary>What happened, in order.</summary>
    public required StoryEvent[] Events { get; init; }

    public required Character[] Cast { get; init; }

    public required Character Hero { get; init; }

    public required string Subject { get; init; }

    public required string Title { get; init; }

    /// <summary>One or two sentences that name the hero.</summary>
    public required string Summary { get; init; }

    /// <summary>What it is about, behind "a story about".</summary>
    public required string Request { get; init; }

    /// <summary>Stories that agree in this are held to be the same one, however they are worded.</summary>
    public string Key => $"{Plot}/{Hero.Name}/{Subject}";

    /// <summary>The beginning, to be continued.</summary>
    public string Opening(int sayings) => Text[..Ends[Math.Min(sayings, Ends.Length) - 1]];
}
