namespace Gemma.Recipes.Tiny;

/// <summary>What can happen, or be so.</summary>
internal enum EventKind
{
    /// <summary>Actor lives at a place.</summary>
    Live,

    /// <summary>Actor owns a thing as the story begins.</summary>
    Own,

    /// <summary>Actor goes to a place.</summary>
    Go,

    /// <summary>Actor meets another at a place.</summary>
    Meet,

    /// <summary>Actor loses a thing that was theirs, at a place.</summary>
    Lose,

    /// <summary>Actor finds and takes a thing at a place.</summary>
    Find,

    /// <summary>Actor gives a thing to another.</summary>
    Give,

    /// <summary>Actor makes a thing.</summary>
    Make,

    /// <summary>Actor buys a thing at a place.</summary>
    Buy,

    /// <summary>Actor hides a thing at a place.</summary>
    Hide,

    /// <summary>Actor breaks a thing.</summary>
    Break,

    /// <summary>Actor eats a thing.</summary>
    Eat,

    /// <summary>Actor helps another.</summary>
    Help,

    /// <summary>Actor teaches another a skill.</summary>
    Teach,

    /// <summary>Actor wants to do something.</summary>
    Want,

    /// <summary>Actor is afraid of something.</summary>
    Fear,

    /// <summary>Actor sees something at a place.</summary>
    See,

    /// <summary>Actor hears something.</summary>
    Hear,

    /// <summary>Actor wins a contest.</summary>
    Win,

    /// <summary>Actor plants something at a place.</summary>
    Plant,

    /// <summary>Actor saves another.</summary>
    Save,
}

/// <summary>One change, or one fact, of a story's world. Stories are told from these, and questions are asked about them.</summary>
/// <param name="What">A skill, a fear, a sight: whatever is no <see cref="Thing"/>, as the story words it.</param>
/// <param name="Where">As the story words it: "behind the old mill".</param>
internal sealed record StoryEvent(EventKind Kind, Character Actor, Character? Other = null, Thing? Thing = null, string? What = null, string? Where = null)
{
    /// <summary>The sentence, or sentences, that told it.</summary>
    public string Sentence { get; init; } = "";
}
