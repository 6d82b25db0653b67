namespace Gemma.Recipes.Tiny;

/// <summary>Scenes that many plots share. Each tells something and changes the state accordingly.</summary>
internal sealed partial class Teller
{
    /// <summary>A child, or an animal that has a name.</summary>
    public Character Child(bool animal = false)
    {
        while (true)
        {
            bool female = chance.Is(0.5);
            var character = animal ? new Character(chance.Of<string>(Cast.PetNames), chance.Of<Kind>(Cast.Animals), female, chance.Of<string>(Cast.Traits))
                : new Character(chance.Of<string>(female ? Cast.Girls : Cast.Boys), female ? Cast.Girl : Cast.Boy, female, chance.Of<string>(Cast.Traits));
            if (Join(character)) return character;
        }
    }

    /// <summary>Another like the hero: animals have animals for friends.</summary>
    public Character Friend() => Child(Who("hero").Kind.IsAnimal);

    /// <summary>Somebody who knows more: a neighbor, a baker, a grandmother, an old animal.</summary>
    public Character Elder()
    {
        while (true)
        {
            Character character;
            if (Who("hero").Kind.IsAnimal)
            {
                bool female = chance.Is(0.5);
                Kind kind = chance.Of<Kind>(Cast.Animals);
                character = new Character($"the old {kind.Noun}", kind with { IsAdult = true }, female, "wise");
            }
            else if (chance.Is(0.3))
            {
                (string name, bool female) = chance.Of<(string, bool)>(Cast.Family);
                character = new Character(name, new Kind(name.ToLowerInvariant(), IsAdult: true), female, "kind");
            }
            else if (chance.Is(0.3))
            {
                bool female = chance.Is(0.5);
                string name = (female ? chance.Of("Aunt ", "Grandma ") : chance.Of("Uncle ", "Grandpa ")) + chance.Of<string>(female ? Cast.Girls : Cast.Boys);
                character = new Character(name, new Kind(name.Split(' ')[0].ToLowerInvariant(), IsAdult: true), female, "kind");
            }
            else
            {
                (string name, bool? female) = chance.Of<(string, bool?)>(Cast.Adults);
                character = new Character(name, new Kind(name[4..], IsAdult: true), female ?? chance.Is(0.5), "kind");
            }
            if (Join(character)) return character;
        }
    }

    /// <summary>Takes somebody into the story, if they cannot be mistaken for somebody who is in it.</summary>
    private bool Join(Character character)
    {
        bool isNew = _cast.All(other => !other.Name.Contains(character.Name, StringComparison.Ordinal) && !character.Name.Contains(other.Name, StringComparison.Ordinal)
            && (!character.Kind.IsAnimal || other.Kind.Noun != character.Kind.Noun));
        if (isNew) _cast.Add(character);
        return isNew;
    }

    /// <summary>Begins: who the hero is, where they live, what they like.</summary>
    public Character Open(double animals = 0.3)
    {
        Character hero = Child(chance.Is(animals));
        this["hero"] = hero;
        this["home"] = hero.Kind.IsAnimal ? Places.Den(chance) : Places.Home(chance);
        (this["pleasure"], this["pleasure2"]) = Pleasures();
        switch (chance.Below(10))
        {
            case < 5:
                Say("[once upon a time|once|long ago|a long time ago|many years ago], there [was|lived] a[| {little}| young] {hero.kind} [named|called] {hero!}.",
                    "there was once a[| {little}] {hero.trait} {hero.kind} [named|called] {hero!}.",
                    "{hero!} was a[| {little}| young] {hero.kind}.",
                    "{hero!} was a {hero.trait} {hero.kind}.",
                    "this is the story of {hero!}, a[| {little}| young] {hero.kind}.",
                    "[do you know|have you heard of] {hero!}, the {hero.trait} {hero.kind}?",
                    "in a land [far away|beyond the hills|by the sea] there lived a {hero.trait} {hero.kind} [named|called] {hero!}.",
                    "[everyone|everybody] knew {hero!}, the {hero.trait} {hero.kind}.");
                if (chance.Is(0.6))
                {
                    Tell(new StoryEvent(EventKind.Live, hero, Where: (string)_roles["home"]),
                        "{hero} lived {home}.", "{hero} lived {home}[| with {hero.his} family| with {hero.his} mother and father| with many brothers and sisters].", "the home of {hero!} was {home}.");
                }
                break;
            case < 7:
                Tell(new StoryEvent(EventKind.Live, hero, Where: (string)_roles["home"]),
                    "[once upon a time|once|long ago|many years ago], a[| {little}| young] {hero.kind} [named|called] {hero!} lived {home}.",
                    "a[| {little}| young] {hero.kind} [named|called] {hero!} lived {home}.",
                    "{home} there lived a {hero.trait} {hero.kind} whose name was {hero!}.",
                    "{hero!}, a {hero.trait} {hero.kind}, lived {home}.");
                break;
            case 7:
                Say("{one_day}, a {hero.kind} [named|called] {hero!} woke up very early.",
                    "the day began badly for {hero!}.", "it was the best day of the year, and {hero!} could hardly wait.",
                    "“[get up|wake up], {hero!}!” [somebody|a voice] called. “[the sun is shining|it is late|today is a big day]!”",
                    "{hero!} the {hero.kind} was [bored|in a hurry|wide awake|still half asleep].",
                    "nobody was awake yet but {hero!}, a {hero.trait} {hero.kind}.");
                break;
            default:
                Say("every [day|morning|evening|Sunday|Saturday], a {hero.kind} [named|called] {hero!} liked to {pleasure}.",
                    "there was nothing that {hero!} liked more than to {pleasure}.",
                    "{hero!} was a {hero.kind} who loved to {pleasure}.");
                (this["pleasure"], this["pleasure2"]) = Pleasures();
                break;
        }
        if (hero.Kind.IsAnimal)
        {
            Maybe(0.4, "{hero} had a [white|black|brown|gray] spot on {hero.his} [ear|back|left side|right side|chin].", "{hero} had [five|six|seven|nine|twelve] [brothers and sisters|cousins] and was the [smallest|loudest|slowest|fastest|youngest|oldest] of them all.",
                "all the animals knew {hero!}, and even the {petword} {beast} said hello.", "no other {hero.kind} could [run|hide|sing|climb|sleep|hop] so well.", "{hero.his} best friend was a {petword} {beast}.");
        }
        else
        {
            Maybe(0.5, "{hero} had {looks} hair and [always|often|usually|on Sundays] wore {garment}.", "in {hero.his} pocket {hero} always carried {pocket} and a dry {flower}.", "{hero} was [six|seven|eight|nine|ten|eleven|twelve] years old and wore {garment}.", "{hero} shared a room with a {petword} {pet}.",
                "there was also a {petword} {pet} that followed {hero.him} everywhere.", "{hero.his} {relative} [worked|had a little shop|sold vegetables|mended boats|taught music|baked bread] near {landmark}, and {hero.his} {relative} [told stories|kept bees|played the drum|made shoes|painted signs|grew roses].", "people knew {hero.him} by {garment}.");
        }
        if (Cast.Habits.TryGetValue(hero.Trait, out string[]? habits)) Maybe(0.5, habits);
        Maybe(0.35, "{hero} liked to {pleasure}[| and to {pleasure2}].", "most of all {hero} loved to {pleasure}.", "{hero.his} favorite thing was to {pleasure}.",
            "when {hero.he} had time, {hero} liked to {pleasure}.", "if it rained, {hero} would {pleasure2}; if it did not, {hero.he} would {pleasure}.");
        return hero;
    }

    private (string, string) Pleasures()
    {
        string one = Cast.Pleasure(chance), other = Cast.Pleasure(chance);
        return one[..4] == other[..4] ? Pleasures() : (one, other);
    }

    private static readonly string[] Seasons = ["spring", "summer", "autumn", "winter"];

    private static readonly Dictionary<string, string[]> SeasonSigns = new()
    {
        ["spring"] = ["the first flowers were out", "the days grew longer", "the birds were back from the south", "the snow had melted", "the lambs jumped in the fields", "everything was green again", "the roads were muddy", "a mild wind blew", "the streams were full of water", "the swallows built their nests"],
        ["summer"] = ["the days were long", "the grass was dry and yellow", "the sun burned on the roofs", "crickets sang all day", "the nights were short and warm", "the cherries were ripe", "thunder rolled every evening", "dust lay on the roads", "children swam in the river", "the hay was drying in the fields"],
        ["autumn"] = ["the leaves were falling", "fog lay over the fields", "the apples were ripe", "wild geese flew over the house", "the evenings grew cold", "mushrooms stood in the woods", "the wind shook the trees", "the nuts fell from the bushes", "spiders' threads hung in the air", "smoke rose from every chimney"],
        ["winter"] = ["snow lay on the roofs", "the days were short", "ice covered the pond", "the wind was as sharp as a knife", "frost flowers grew on the windows", "crows sat in the bare trees", "everyone stayed near the stove", "the stars were bright and cold", "the paths were slippery", "icicles hung from the gutters"],
    };

    /// <summary>Day and weather.</summary>
    public void OneDay(params ReadOnlySpan<string> ways)
    {
        string season = chance.Of<string>(Seasons);
        (this["season"], this["season_sign"]) = (season, chance.Of<string>(SeasonSigns[season]));
        Paragraph();
        Maybe(0.4, "it was {season}, and {season_sign}.", "that {season}, {season_sign}.", "{season} had come, and {season_sign}.", "{season_sign}, and the air smelled of {smell}.", "the air smelled of {smell}, and {season_sign}.");
        Say(ways);
    }

    /// <summary>Somebody goes somewhere, if they are not there.</summary>
    public void Go(Character who, Place place, bool ask = true)
    {
        if (who.Place == place) return;
        who.Place = place;
        this["goer"] = who;
        this["place"] = place;
        var going = new StoryEvent(EventKind.Go, who, Where: place.To);
        if (ask)
        {
            Tell(going, "{then} {goer} {went} {place.to}.", "{goer} {went} {place.to}.", "so {goer} {went} {place.to}[| as fast as {goer.he} could| all alone| without looking back| with a song].",
                who.Kind.IsAnimal ? "{goer} shook {goer.his} [head|ears|tail] and {went} {place.to}." : "{goer} put on {goer.his} [shoes|coat|cap] and {went} {place.to}.",
                "it was not far, and {goer} {went} {place.to}.", "{goer} took the [short|long|narrow|sandy|stony|winding|old|muddy] {trail} {place.to}.", "past {landmark} and along a {touch} {trail}, {goer} {went} {place.to}.",
                "{goer} {went} [past|behind|around] {landmark} and {place.to}.", "{goer} asked {passer} {carries} for the way and {went} {place.to}.");
        }
        else
        {
            Note(going);
            Say("{then} {goer} came {place.to}.", "{goer} came {place.to}.", "{goer} followed the {trail} {place.to}.", "the [short|long|narrow|sandy|stony|winding] {trail} led {goer.him} {place.to}.", "soon {goer} was {place.at}.", "past {landmark} {goer} came {place.to}.", "behind {landmark} the {trail} turned, and {goer} came {place.to}.",
                "{goer} passed {landmark} and a {touch} wall and came {place.to}.", "{goer} followed {passer} {carries} {place.to}.");
        }
        Detail(place, 0.55);
    }

    /// <summary>What a place is like.</summary>
    public void Detail(Place place, double probability)
    {
        if (chance.Is(0.5)) Maybe(probability, place.Details);
        else
        {
            Maybe(probability, "a {beast} {does} {spot0}.", "a {bug} {does} {spot0}.", "{far} {noise}.", "it smelled of {smell}.", "the [air|ground|wind|grass|wall|light] was {touch}, and {far} {noise}.",
                "{passer} {carries} went by.", "a {beast} and a {bug} looked at each other {spot0}.", "a single {flower} grew {spot0}.", "one of the clouds looked like {cloud}.", "the shadow of a {tree} lay on the ground.", "nobody was there but {passer} {carries}.");
        }
        Maybe(probability * 0.3, place.Details);
    }

    /// <summary>Two meet where the first one is.</summary>
    public void Meet(Character who, Character other)
    {
        this["meeter"] = who;
        this["met"] = other;
        Place place = who.Place!;
        this["place"] = place;
        other.Place = place;
        string introduction = Introduction(other);
        this["intro"] = introduction;
        Tell(new StoryEvent(EventKind.Meet, who, other, Where: place.At),
            "{place.at} {meeter} met {intro}.", "{meeter} met {intro} {place.at}.", "there, {place.at}, {meeter} saw {intro}.", "{intro} was sitting {place.at} when {meeter!} came.",
            "{meeter} [found|ran into|came upon] {intro} {place.at}.");
        Introduced(other);
        if (!other.Kind.IsAnimal) Maybe(0.35, "{met!} was {work} {stuff}.", "{met!} was busy {work} {stuff} and looked up.", "{met!} stood there, {work} {stuff}.", "{met!} had just stopped {work} {stuff}.");
        else Maybe(0.35, "{met!} was sitting {spot0}.", "{met!} was looking for {pocket} {spot0}.", "{met!} was hiding {spot0} and came out.", "a {bug} was sitting on {met!}'s nose.");
        Maybe(0.3, "“[good morning|good day|hello|hello there|hey|how are you], {met.you},” {said} {meeter!}.", "“[hello|hi|good day|welcome|ah], {meeter.you},” {said} {met!}. “[what brings you here|where are you going|how are you today|what are you looking for|why are you in such a hurry]?”",
            "the two [were glad to see each other|nodded to each other|said hello|shook hands].", "{met} [waved|smiled|looked up|yawned|was busy] and said hello.");
    }

    /// <summary>How somebody who may be new is named for the first time.</summary>
    private string Introduction(Character other)
    {
        if (_known.Contains(other) || other.Name.StartsWith("the ", StringComparison.Ordinal)) return other.Name;
        if (other.Kind.IsAdult) return other.Name;
        return chance.Of($"a {other.Kind.Noun} named {other.Name}", $"a {other.Trait} {other.Kind.Noun} called {other.Name}", $"{other.Name} the {other.Kind.Noun}");
    }

    /// <summary>Marks somebody as named by other words than a template's own.</summary>
    private void Introduced(Character other)
    {
        _known.Add(other);
        _last[other.IsFemale ? 1 : 0] = other;
    }

    /// <summary>Presents somebody who is near the hero from the beginning.</summary>
    public void Present(Character friend)
    {
        this["friend"] = friend;
        string relation = friend.Kind.IsAdult ? "" : chance.Of("best friend", "friend", "little " + (friend.IsFemale ? "sister" : "brother"), "big " + (friend.IsFemale ? "sister" : "brother"), "neighbor", "cousin");
        if (friend.Kind.IsAnimal) relation = chance.Of("best friend", "friend", "neighbor");
        if (friend.Kind.IsAdult)
        {
            Say("{hero} often visited {friend!}.", "{hero} knew {friend!} well.", "nobody told better stories than {friend!}, and {hero!} loved to listen.", "{friend!} was always kind to {hero!}.");
            return;
        }
        this["relation"] = relation;
        Say("{hero} had a {relation} [named|called] {friend!}.", "{hero!} and {friend!} [did everything together|were always together|played together every day|lived next door to each other|went everywhere side by side].",
            "{hero's} {relation} was a {friend.trait} {friend.kind} [named|called] {friend!}.", "{friend!} was {hero.his} {relation}.");
        if (friend.Trait != Who("hero").Trait) Maybe(0.3, "{hero!} was {hero.trait}, and {friend!} was {friend.trait}.");
    }

    /// <summary>Something small by the way that changes nothing.</summary>
    public void Episode(Character who)
    {
        this["goer"] = who;
        Maybe(0.6,
            "on the way {goer} saw a {beast} that {does} {spot0}.", "on the way {goer} saw a {bug} {spot0} and stopped to look at it.",
            "a {beast} [crossed the path|looked at {goer.him} and ran away|came very close|hopped along for a while|followed {goer.him} for a while].",
            who.Kind.IsAnimal ? "the wind [played with|pulled at] {goer.his} [ears|tail] and [sang in the {tree}s|chased the leaves]." : "the wind [played with|pulled at] {goer.his} [hair|sleeves|coat] and [sang in the {tree}s|chased the leaves].",
            "{goer} picked a {flower} and [put it behind {goer.his} ear|smelled it|carried it along|counted its petals|gave it to {passer}].",
            "{goer} [hummed a tune|counted {goer.his} steps|jumped over a puddle|kicked a little stone|whistled|sang a song about a {beast}|looked for shapes in the clouds|told a {bug} a secret|walked backward for a while|balanced on a wall].",
            "{passer} {carries} [came by|went past|asked for the way|said good day], and {goer} waved.", "{far} {noise}, and {goer} [listened|stopped|smiled|walked faster|looked around].",
            "{number} [geese|crows|swans|ducks|pigeons|butterflies|storks|gulls] flew [over the {tree}s|over the roofs|across the sky|low over the field|toward the sun|in a long line].",
            "a cloud that looked like {cloud} [moved over the sky|hid the sun for a while|grew and grew|turned into {cloud}].",
            "a drop of rain fell on {goer.his} nose, but [the cloud passed|it was only one|the sun came out again].",
            "{goer} was hungry and ate [an apple|a piece of bread|a handful of berries|a carrot|some nuts|a cold pancake|a pear] [on the way|under a {tree}|in the shade|on a bench|beside the road].",
            "under a {tree} {goer} rested for a [minute|while|moment] and listened to [the birds|the wind|the bees|the leaves|the rain|a woodpecker].", "it smelled of {smell}, and {goer} [took a deep breath|thought of home|sneezed|walked on].",
            "{goer} thought of {smell}, of {cloud} and of supper.", "the [path|ground|grass|sand|moss] under {goer.his} feet was {touch}.");
    }

    /// <summary>How it ends.</summary>
    public void End()
    {
        Paragraph();
        switch (chance.Below(5))
        {
            case 0:
                Say("that [evening|night] {hero} [slept well|fell asleep with a smile|was too happy to sleep|told everyone at home about it|lay in bed and thought about the day|dreamed of it].",
                    "when the [moon rose|stars came out|lamps were lit], {hero} [went home|was already asleep|sat at the window and smiled|was still talking about it].",
                    "and so a {sky} day came to [a good|its] end.", "that [evening|night] {hero} {resting} and thought of {memory}.", "{hero} {resting} and remembered {memory}.", "{far} {noise}, but {hero} was already asleep.",
                    "before {hero} fell asleep, {hero.he} thought of {memory} and of home.", "outside, {far} {noise}. {hero} {resting} and smiled.");
                break;
            case 1:
                Say("from that day on, {hero} [never forgot it|was a little wiser|was not the same|told this story to everyone who would listen|smiled whenever {hero.he} thought of it].",
                    "{hero} remembered that day for the rest of {hero.his} life.", "years later, {hero} still liked to tell this story.",
                    "and if you ask {hero!} today, {hero.he} will tell you [the same story|of {memory}|about it with a smile].", "whenever {far} {noise}, {hero} thought of that day.", "of all that, {hero} remembered {memory} best.");
                break;
            case 2:
                Say("at home there was {meal} for supper, and it had never tasted better.", "{then} there was {meal} for everyone.", "{hero} was hungry now, and there was {meal} on the table.",
                    "that evening everyone ate {meal} and talked [until it was late|about {memory}|of old times|until the fire went out].", "there was {meal} for {hero!} and a crumb for the {bug} {spot0}.", "{hero} ate {meal} and thought of {memory}.");
                break;
            case 3:
                Say("{hero} was {happy}.", "everyone was {happy}, and {hero!} was the happiest of all.", "{hero} had never been so {happy}.", "what a day it had been!", "[the end|and that was that|and that is the end of the story].",
                    "and they all lived happily ever after.");
                break;
            default:
                if (_moral is null) Say("it had been a [good|long|strange|wonderful] day.", "{hero} went home {happily}.", "{hero} looked up at the [sky|stars|moon|clouds] and {smiled}.", "above the {tree}s hung a cloud like {cloud}, and {hero} {smiled}.", "{hero} walked home past {landmark}, thinking of {memory}.");
                break;
        }
        if (_moral is not null && chance.Is(0.5)) Say(_moral);
    }

    private string? _moral;

    /// <summary>What is to be learned, if the story says so.</summary>
    public void Moral(params ReadOnlySpan<string> ways) => _moral = chance.Of(ways);
}
