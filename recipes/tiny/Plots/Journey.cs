namespace Gemma.Recipes.Tiny;

/// <summary>A long way to a place one has heard of, with something in the way.</summary>
internal static class Journey
{
    private static readonly (string Name, string[] Sights)[] Goals =
    [
        ("the sea", ["a white ship", "waves as high as a house", "a whale far out"]), ("the blue mountains", ["snow that never melts", "an eagle above the clouds", "the whole world below"]), ("the big city", ["a thousand lights", "towers of glass", "a train under the ground"]),
        ("the end of the rainbow", ["a field of colored flowers", "a tiny lake full of light", "seven birds of seven colors"]), ("the glass lake", ["a fish with golden fins", "the moon in the water", "swans asleep on the water"]), ("the old castle", ["a rusty knight", "a tower with a flag", "a garden behind the wall"]),
        ("the warm south", ["orange trees", "white houses", "storks on every roof"]), ("the fair", ["a wheel that turned high above the roofs", "a dancing bear", "a man who ate fire"]), ("the ruins in the desert", ["stone lions", "writing that nobody could read", "sand up to the sky"]),
        ("the crystal cave", ["walls full of light", "a pool as green as glass", "stones that sang"]), ("the valley of the bells", ["bells in every tree", "goats with ribbons", "a church without a roof"]), ("the island of birds", ["nests on every rock", "birds as big as chairs", "feathers of every color"]),
    ];

    private static readonly (string Obstacle, string Trouble, string Way)[] Obstacles =
    [
        ("a wide river", "there was no bridge", "found a boat"), ("a high wall", "it had no gate", "climbed over it with a rope"), ("a dark forest", "the path was lost under the leaves", "followed the sound of a bell"), ("a thick fog", "one could not see one's own feet", "waited until it lifted"),
        ("a steep cliff", "the stones were loose", "went around it step by step"), ("a snowstorm", "the road was gone", "hid in a hut until morning"), ("a field of thistles", "the thorns were sharp", "laid down branches to walk on"), ("a broken bridge", "three planks were missing", "crossed it on a fallen tree"),
        ("a sleeping bull", "it lay right across the road", "crept past on tiptoe"), ("a muddy swamp", "every step sank in", "jumped from one dry spot to the next"),
    ];

    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        (string goal, string[] sights) = t.Chance.Of(Goals);
        string sight = t.Chance.Of<string>(sights);
        (t["goal"], t["sight"]) = (goal, sight);
        Thing bag = t.Chance.Is(0.5) ? Things.Tool(t.Chance) : Things.Food(t.Chance);
        t["bag"] = bag;
        Place[] places = Places.Near(t.Chance, 2, hero.Kind.IsAnimal);
        (string obstacle, string trouble, string way) = t.Chance.Of(Obstacles);
        (t["obstacle"], t["trouble"], t["way"]) = (obstacle, trouble, way);
        t.About($"{goal}/{obstacle}/{bag.Bare}");
        t.Say("{hero} had heard of {goal}[| from travelers| in an old song| from a sailor| in a letter| from Grandpa].", "in the evenings people talked about {goal}.", "“have you ever seen {goal}?” somebody asked {hero.him} once. {hero} had not.", "in a book there was a picture of {goal}.");
        t.Tell(new StoryEvent(EventKind.Want, hero, What: $"to see {goal}"), "{hero} wanted to see {goal}.", "more than anything {hero} wanted to see {goal}.", "{hero} wanted to see {goal} with {hero.his} own eyes.", "since then {hero} wanted to see {goal}.");
        t.OneDay("{one_day} {hero} packed {bag.a} and set out.", "{one_day} {hero} took {bag.a}, said goodbye and went.", "{one_day} {hero} could wait no longer. {hero.He} took {bag.a} along and [left|went out into the world|closed the door behind {hero.him}].");
        t.Note(new StoryEvent(EventKind.Own, hero, Thing: bag));
        hero.Has.Add(bag);
        t.Go(hero, places[0], ask: false);
        t.Episode(hero);
        Character friend = t.Chance.Is(0.5) ? t.Friend() : t.Elder();
        t["friend"] = friend;
        t.Meet(hero, friend);
        t.Say("“where are you going?” {asked} {friend!}. “to see {goal},” {said} {hero!}.", "“is it far to {goal}?” {asked} {hero!}. “[very far|three days|not so far, if you have good feet],” {said} {friend!}.");
        bool shares = t.Chance.Is(0.6);
        if (shares)
        {
            hero.Has.Remove(bag);
            t.Say("{friend!} looked [hungry|tired|poor|at {bag}].", "“I have had a bad day,” {said} {friend!}.", "“could you help me?” {asked} {friend!}.");
            t.Tell(new StoryEvent(EventKind.Give, hero, friend, bag), "{hero} gave {bag.full} to {friend!}.", "{hero} thought for a moment and gave {bag.full} to {friend!}.", "without a word {hero} gave {bag.full} to {friend!}.");
            t.Say("“that was kind,” {said} {friend!}. “I will show you the way.”", "“then I will come with you,” {said} {friend!}.", "“one good turn deserves another,” {said} {friend!}. “I know the road.”");
        }
        t.Beat();
        t.Say("{then} there was {obstacle} in the way, and {trouble}.", "the road led to {obstacle}. {trouble}.", "but what was that? {obstacle}! {trouble}.", "on the second day {hero} came to {obstacle}, and {trouble}.");
        t.Maybe(0.5, "“now what?” {said} {hero}.", "{hero} wanted to turn back.", "{hero} sat down on a stone and thought.", "“there is always a way,” {hero} told {hero.himself}.");
        if (shares) t.Tell(new StoryEvent(EventKind.Help, friend, hero, What: way), "{friend} helped {hero!}, and together they {way}.", "but {friend} helped {hero!}, and so they {way}.");
        else t.Say("{hero} did not give up and {way}.", "in the end {hero} {way}.", "so {hero} {way}.");
        t.Maybe(0.6, shares ? "on they went, over hills and through valleys." : "on {hero} went, over hills and through valleys.", "the nights were cold, and the stars were bright.", "the days went by, one after the other.", "the road was long, and the shoes grew thin.");
        t.Beat();
        t.Say("and then, {one_day}, there it was: {goal}!", "{at_last} the road went up a last hill, and behind it was {goal}.", "after many days {hero} stood before {goal}.");
        t.Tell(new StoryEvent(EventKind.See, hero, What: sight, Where: goal), "there {hero} saw {sight}.", "{hero} looked and saw {sight}.", "{hero} stood still and saw {sight}.", "and there, as in a dream, {hero} saw {sight}.");
        t.Say("“it is even more beautiful than I thought,” {hero} {whispered}.", "{hero} did not say a word for a long time.", "“now I know that it is true,” {said} {hero}.", "it had been worth every step.", "{hero} wanted to remember it forever.");
        t.Moral("every long road begins with one step.", "whoever helps others does not travel alone.", "the way is as good as the goal.", "who never leaves home never comes back with a story.");
        t.End();
        t.Titles("The Road to {goal}", "{hero!} Sees the World", "A Long Way");
        if (shares) t.Summaries("{hero!} wanted to see {goal}. {friend!} helped {hero.him} on the way, and in the end {hero.he} saw {sight}.", "{hero!} traveled to {goal} and got past {obstacle} with the help of {friend!}.");
        else t.Summaries("{hero!} wanted to see {goal} and went there, although {obstacle} was in the way.", "{hero!} made a long journey to {goal} and saw {sight}.");
        t.Requests("a {hero.kind} [named|called] {hero!} who travels to {goal}", "a long journey to {goal}", "{hero!}, who wants to see {goal}", "a journey");
    }
}
