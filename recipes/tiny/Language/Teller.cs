using System.Text;

namespace Gemma.Recipes.Tiny;

/// <summary>How much of what is not needed is told.</summary>
internal enum StoryLength
{
    /// <summary>Some 60 to 120 words in one paragraph: for questions.</summary>
    Brief,
    Normal,
    Long,
}

/// <summary>
/// Tells one story: keeps who is who and what has happened, finds words for it, and says "she" only where nobody else can be meant.
/// </summary>
internal sealed partial class Teller(Chance chance, StoryLength length)
{
    private readonly StringBuilder _text = new(2000), _raw = new(300);
    private readonly Dictionary<string, object> _roles = [];
    private readonly HashSet<string> _used = new(ReferenceEqualityComparer.Instance);
    private readonly List<StoryEvent> _events = [];
    private readonly List<Character> _cast = [];
    private readonly List<int> _ends = []; // of what was said, in _text
    private readonly Character?[] _last = new Character?[2]; // he and she: who was mentioned last
    private readonly HashSet<Character> _inSentence = [], _known = [];
    private bool _inFull, _startsParagraph;

    public Chance Chance => chance;

    public StoryLength Length => length;

    public IReadOnlyList<StoryEvent> Events => _events;

    /// <summary>Who and what the words <c>{role}</c> mean.</summary>
    public object this[string role]
    {
        set
        {
            _roles[role] = value;
            if (value is Character character && !_cast.Contains(character)) _cast.Add(character);
        }
    }

    public Character Who(string role) => (Character)_roles[role];

    public Thing It(string role) => (Thing)_roles[role];

    /// <summary>What stands for a role as it is.</summary>
    public string Text(string role) => (string)_roles[role];

    public Place Where(string role) => (Place)_roles[role];

    /// <summary>Says it in one of these ways, if it can be in one that this story has not used.</summary>
    public void Say(params ReadOnlySpan<string> ways) => Render(ways);

    /// <summary>Says something that the story could do without.</summary>
    public void Maybe(double probability, params ReadOnlySpan<string> ways)
    {
        double share = length switch { StoryLength.Brief => 0.2, StoryLength.Normal => 0.7, _ => 1.15 };
        if (chance.Is(probability * share)) Render(ways);
    }

    /// <summary>Tells what happens, with everything named in full, so that it can be asked about.</summary>
    public void Tell(StoryEvent happens, params ReadOnlySpan<string> ways)
    {
        _inFull = true;
        string sentence = Render(ways);
        _inFull = false;
        _events.Add(happens with { Sentence = sentence });
    }

    /// <summary>Notes what is so without telling it: what the story told in other words.</summary>
    public void Note(StoryEvent happens) => _events.Add(happens);

    public void Paragraph()
    {
        _startsParagraph = true;
        Array.Clear(_last);
    }

    /// <summary>A new paragraph that may begin with what is to be heard and seen: nothing depends on it.</summary>
    public void Beat(double probability = 0.3)
    {
        Paragraph();
        Maybe(probability, "{far} {noise}.", "a {beast} {does} {spot0}.", "a {bug} {does} {spot0}.", "{passer} {carries} [went by|looked over|stopped and stared|waved|shook a fist at a {beast}|was looking for a {beast}].", "the [light|air|evening|wind|ground|shade] was {touch}.",
            "it smelled of {smell}.", "time [went by|passed] [slowly|quickly|unnoticed], and {far} {noise}.", "above it all hung a cloud like {cloud}.", "one could hear that {far} {noise}.", "the {tree}s [swayed|rustled|creaked|stood still|threw long shadows], and {far} {noise}.");
    }

    public Story Finish(string plot) => new()
    {
        Plot = plot,
        Text = _text.ToString(),
        Ends = [.. _ends],
        Events = [.. _events],
        Cast = [.. _cast],
        Hero = Who("hero"),
        Subject = _subject ?? throw new InvalidOperationException($"plot {plot} does not say what it is about"),
        Title = Sentences.Title(Line(_titles)),
        Summary = Line(_summaries),
        Request = Line(_requests, startsSentence: false),
    };

    private string[] _titles = [], _summaries = [], _requests = [];
    private string? _subject;

    /// <summary>What tells this story from others of its plot and hero.</summary>
    public void About(string subject) => _subject = subject;

    public void Titles(params string[] ways) => _titles = [.. ways, "{hero!}"];

    /// <summary>One or two sentences that name the hero.</summary>
    public void Summaries(params string[] ways) => _summaries = ways;

    /// <summary>What somebody who wants such a story asks for: behind "a story about".</summary>
    public void Requests(params string[] ways) => _requests = ways;

    /// <summary>One line that stands apart from the story.</summary>
    public string Line(ReadOnlySpan<string> ways, bool startsSentence = true)
    {
        Array.Clear(_last);
        _inSentence.Clear();
        _inFull = true;
        var into = new StringBuilder();
        _raw.Clear();
        Template.For(chance.Of(ways)).Render(this, _raw);
        Sentences.Append(_raw, into, startsSentence);
        _inFull = false;
        return into.ToString();
    }

    private string Render(ReadOnlySpan<string> ways)
    {
        string way = chance.Of(ways);
        for (int tries = 0; tries < 4 && _used.Contains(way); tries++) way = chance.Of(ways);
        _used.Add(way);
        _raw.Clear();
        _inSentence.Clear();
        Template.For(way).Render(this, _raw);
        if (_text.Length > 0) _text.Append(_startsParagraph && length != StoryLength.Brief ? "\n\n" : " ");
        _startsParagraph = false;
        int start = _text.Length;
        Sentences.Append(_raw, _text);
        _ends.Add(_text.Length);
        return _text.ToString(start, _text.Length - start);
    }

    /// <summary>Called by templates.</summary>
    public void Mention(string role, string form, StringBuilder into)
    {
        if (!_roles.TryGetValue(role, out object? meant))
        {
            Template.For(Words.Of(role)).Render(this, into);
            return;
        }
        into.Append(meant switch
        {
            Character character => Form(character, form),
            Thing thing => Form(thing, form),
            Place place => form switch { "at" => place.At, "to" => place.To, _ => place.Name },
            _ => meant.ToString(),
        });
    }

    private string Form(Character character, string form)
    {
        bool clear = _known.Contains(character) && _last[character.IsFemale ? 1 : 0] == character && (!_inFull || _inSentence.Contains(character));
        switch (form)
        {
            case "": return clear && chance.Is(0.7) ? Pronoun(character, character.He) : Name(character, clear);
            case "!": return Name(character, false);
            case "he": return clear ? Pronoun(character, character.He) : Name(character, false);
            case "him": return clear ? Pronoun(character, character.Him) : Name(character, false);
            case "his": return clear ? Pronoun(character, character.His) : Name(character, false) + "'s";
            case "'s": return clear && chance.Is(0.5) ? Pronoun(character, character.His) : Name(character, false) + "'s";
            case "you": return character.Name.StartsWith("the ", StringComparison.Ordinal) ? character.Name[4..] : character.Name;
            case "himself": return character.Him + "self";
            case "kind": return character.Kind.Noun;
            case "trait": return character.Trait;
            default: throw new FormatException($"a character has no form '{form}'");
        }
    }

    private string Name(Character character, bool mayDescribe)
    {
        _last[character.IsFemale ? 1 : 0] = character;
        _inSentence.Add(character);
        _known.Add(character);
        bool describe = mayDescribe && !_inFull && !character.Kind.IsAdult && chance.Is(0.3) && _cast.Count(other => other.Kind.Noun == character.Kind.Noun) == 1;
        return describe ? (chance.Is(0.7) ? "the " : chance.Of("the little ", "the young ")) + character.Kind.Noun : character.Name;
    }

    private string Pronoun(Character character, string pronoun)
    {
        _inSentence.Add(character);
        return pronoun;
    }

    private string Form(Thing thing, string form) => form switch
    {
        "" => _inFull || chance.Is(0.3) ? thing.The : $"the {thing.Noun}",
        "a" => thing.A,
        "full" => thing.The,
        "noun" => thing.Noun,
        "bare" => thing.Bare,
        "it" => thing.It,
        "them" => thing.Them,
        "was" => thing.IsPlural ? "were" : "was",
        _ => throw new FormatException($"a thing has no form '{form}'"),
    };
}
