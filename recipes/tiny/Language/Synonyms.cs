using System.Text.RegularExpressions;

namespace Gemma.Recipes.Tiny;

/// <summary>Words and phrases that may stand for one another wherever a template has one of them.</summary>
internal static class Synonyms
{
    /// <summary>How often the template's own word stays.</summary>
    public const double Kept = 0.5;

    private static readonly string[] Groups =
    [
        "nobody=no one", "everyone=everybody", "everybody=everyone", "somebody=someone", "began to=started to", "did not=didn't", "could not=couldn't", "was not=wasn't",
        "do not=don't", "I will=I'll", "I am=I'm", "that is=that's", "you are=you're", "it is=it's", "had not=hadn't", "would not=wouldn't", "every day=each day|day after day", "every morning=each morning",
        "every evening=each evening|night after night", "in the evening=toward evening|at dusk|when evening came|at nightfall", "for a while=for some time|for a little while", "for a moment=for an instant|for a second",
        "for a long time=for ages|for a very long while|for quite some time", "quickly=swiftly", "ran=raced|rushed|dashed|hurried", "laughed=giggled|chuckled",
        "looked around=glanced around|gazed around|looked about", "sat down=took a seat|settled down", "jumped up=leaped up|sprang up", "far away=a long way off|far, far away", "all night=the whole night|all night long", "all day=the whole day|all day long",
        "of course=naturally|to be sure", "the others=the rest of them|the other ones", "from then on=ever after|from that time on", "at first=in the beginning|to begin with",
        "by now=by this time", "tired=weary|worn out",
        "shouted=yelled|called|roared", "carefully=with great care|gently", "stared=gazed|gaped", "the sun=the bright sun|the warm sun",
        "the stars=the first stars|all the stars|a thousand stars", "the grass=the tall grass|the soft grass|the green grass", "the water=the clear water|the cool water|the dark water",
        "took a deep breath=breathed in deeply|filled both lungs", "without a word=silently|in silence|saying nothing", "it was no use=it was hopeless|nothing helped", "nothing happened=nothing at all happened|nothing came of it",
        "again and again=over and over|time after time", "suddenly=all at once|all of a sudden", "perhaps=maybe", "almost=nearly", "although=even though|though",
        "wonderful=marvelous|splendid|glorious", "gladly=with pleasure|willingly", "the road=the path|the lane|the track", "strange=odd|curious", "beautiful=lovely|pretty", "big=large|great",
    ];

    /// <summary>What nouns behind "the" or "a" can be.</summary>
    private static readonly string[] Nouns =
    [
        "day=long|bright|great|lovely|cold|busy", "night=dark|long|cold|quiet|warm|starry", "evening=mild|quiet|golden|cool|long", "morning=fresh|clear|cold|golden|misty", "wall=old|stone|white|crooked|low", "tree=old|tall|bare|green|big|crooked", "table=round|long|wooden|old|big",
        "stove=hot|iron|old|warm", "bed=soft|warm|narrow|big|little", "fire=warm|bright|small|crackling", "chair=old|soft|broken|wooden|high", "corner=dark|quiet|cozy|dusty|far", "floor=cold|wooden|dusty|clean|stone", "shelf=high|dusty|narrow|old", "lid=heavy|wooden|rusty|old",
        "rope=thick|long|old|strong", "bell=big|old|iron|little|silver", "gate=old|rusty|wooden|green|high", "fence=old|white|low|broken|wooden", "hill=green|steep|high|lonely", "river=wide|cold|quick|brown", "field=wide|yellow|empty|wet", "roof=red|old|leaking|steep", "street=narrow|busy|empty|long",
        "song=old|merry|sad|long|new|strange", "story=long|old|funny|strange|new|sad", "dream=strange|long|bad|sweet", "voice=small|deep|soft|strange|thin", "question=good|hard|strange|simple", "idea=good|wild|new|clever|strange", "face=kind|round|pale|red|serious", "nose=red|wet|cold|long|little",
        "leaf=yellow|green|dry|red|fallen", "branch=thick|low|bare|broken|long", "flower=wild|white|tiny|late|blue", "rain=cold|warm|soft|gray|heavy", "snow=deep|white|soft|fresh|wet", "shadow=long|dark|strange|thin", "light=soft|yellow|pale|last|warm", "lamp=old|little|oil|bright", "bread=fresh|warm|brown|dry",
        "cup=old|blue|empty|chipped", "board=thick|loose|old|wide", "stick=long|thin|dry|strong", "hole=deep|small|dark|round", "stairs=steep|narrow|creaking|old", "cat=old|gray|black|fat|lazy", "dog=big|old|brown|shaggy|friendly", "bird=small|gray|blue|little", "horse=old|brown|white|tired",
        "cow=brown|old|white|patient", "goat=white|old|cheeky|brown", "stone=flat|big|warm|gray|smooth", "cloud=dark|white|small|pink|big", "sea=gray|blue|wide|wild", "boat=little|old|green|rowing", "bench=old|wooden|green|low", "window=open|little|dusty|broken", "door=front|heavy|old|green|little", "oven=hot|big|old",
        "clock=old|big|kitchen|slow", "blanket=thick|old|warm|woolen", "letter=long|short|old", "path=narrow|stony|winding|sandy|old", "puddle=deep|big|muddy", "wind=cold|wild|soft|warm|strong", "sky=wide|gray|blue|pale", "sand=warm|white|wet|soft", "ground=hard|cold|soft|wet", "crowd=big|noisy|happy",
        "seller=fat|friendly|tired|old", "lie=big|little|stupid", "friend=good|true|real|old", "secret=great|little|dark|old", "present=small|lovely|strange", "prize=great|fine", "trick=old|clever|simple", "wish=foolish|secret|great",
    ];

    private static readonly string[] Short = ["I am", "I will", "that is", "it is", "you are"];

    private static readonly Dictionary<string, string[]> All = Phrases(Groups).Concat(Phrases(Nouns).SelectMany(noun => new[] { "the", "a" }
        .Select(article => ($"{article} {noun.Phrase}", noun.Others.Select(adjective => $"{article} {adjective} {noun.Phrase}").ToArray())))).DistinctBy(entry => entry.Item1).ToDictionary();

    private static IEnumerable<(string Phrase, string[] Others)> Phrases(string[] groups) => groups.Select(group => group.Split('=')).Select(parts => (parts[0], parts[1].Split('|')));

    /// <summary>The text in pieces, each with what may stand for it; null where nothing may.</summary>
    public static IEnumerable<(string Text, string[]? Others)> Split(string text)
    {
        int start = 0;
        foreach (Match match in Pattern.Matches(text))
        {
            if (match.Index > start) yield return (text[start..match.Index], null);
            yield return (match.Value, All[match.Value]);
            start = match.Index + match.Length;
        }
        if (start < text.Length) yield return (text[start..], null);
    }

    // Longer phrases first, and no word that a hyphen or an apostrophe joins to another. "You are" is not short where nothing follows it.
    private static readonly Regex Pattern = new(
        $@"(?<![\w'-])({string.Join('|', All.Keys.OrderByDescending(key => key.Length).Select(key => Regex.Escape(key) + (Short.Contains(key) ? "(?= [a-z])" : "")))})(?![\w'-])",
        RegexOptions.CultureInvariant);
}
