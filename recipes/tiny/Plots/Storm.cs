namespace Gemma.Recipes.Tiny;

/// <summary>The weather turns, and something or somebody must be brought to safety.</summary>
internal static class Storm
{
    private static readonly (string Name, string Sign, string Rage, string After)[] Weathers =
    [
        ("a storm", "dark clouds came over the hills", "the wind howled and tore at the roofs", "the sky was as blue as if nothing had happened"), ("a thunderstorm", "it grew dark in the middle of the day", "lightning flashed and thunder rolled", "a rainbow stood over the land"),
        ("a snowstorm", "the first flakes fell", "the snow fell so thick that one could not see the next house", "the world was white and silent"), ("a flood", "it had rained for seven days", "the water rose and rose", "mud lay everywhere, but the sun was shining"),
        ("a sandstorm", "a yellow wall stood on the horizon", "sand got into ears and eyes", "the air was clear again"), ("a thick fog", "white mist crept up from the river", "one could not see one's own hand", "the sun broke through"),
        ("hail", "it became strangely cold", "balls of ice as big as eggs fell from the sky", "the ice melted in the grass"), ("a hot dry wind", "the leaves hung down and the birds were silent", "dust flew and the wells were dry", "it rained at last"),
    ];

    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        Character other = t.Chance.Is(0.5) ? t.Friend() : t.Elder();
        t["other"] = other;
        (string name, string sign, string rage, string after) = t.Chance.Of(Weathers);
        (t["weather"], t["sign"], t["rage"], t["after"]) = (name, sign, rage, after);
        Place[] places = Places.Near(t.Chance, 2, wild: true);
        (t["place0"], t["place1"]) = (places[0], places[1]);
        Thing tool = Things.Tool(t.Chance);
        t["tool"] = tool;
        t["saved"] = t.Chance.Of("the sheep", "the hens", "the boat", "the laundry", "the hay", "the goats", "the bees", "the nets", "the cows", "the young birds", "the books", "the baskets");
        t.About($"{name}/{places[0].Name}/{tool.Bare}");
        t.OneDay("{one_day} {hero} was working {place0.at}.", "{one_day} {hero} was {place0.at} and thought of nothing bad.", "{one_day} {hero} and {other!} were {place0.at}.");
        hero.Place = places[0];
        t.Detail(places[0], 0.6);
        t.Tell(new StoryEvent(EventKind.See, hero, What: $"that {sign}", Where: places[0].At), "{then} {hero} saw that {sign}.", "{hero} looked up and saw that {sign}.", "{suddenly} {hero} saw that {sign}.");
        t.Say("“{weather} is coming!” {cried} {other!}.", "“we must hurry,” {said} {other!}. “{weather} is on the way.”", "everybody knew what that meant: {weather}.", "“go home, all of you,” {cried} {other!}. “{weather}!”");
        t.Say("“and what about {saved}?” {asked} {hero!}.", "{hero} thought of {saved}. Somebody had to help.", "the others ran. {hero} did not, for there was no one to look after {saved}.");
        hero.Has.Add(tool);
        t.Tell(new StoryEvent(EventKind.Find, hero, Thing: tool, Where: places[0].At), "{place0.at} {hero} found {tool.a}.", "{hero} looked around and found {tool.a} {place0.at}.", "luckily {hero} found {tool.a} {place0.at}.");
        t.Say("with {tool} in {hero.his} hand, {hero} ran.", "“that will do,” {said} {hero}, and took {tool} along.", "{hero} did not know yet what for, but {hero.he} took {tool}.");
        t.Beat();
        t.Say("then it began: {rage}.", "and now {rage}.", "{rage}, and {hero} could hardly stand.");
        t.Go(hero, places[1], ask: false);
        t.Say("{hero} called and pulled and pushed until all were in a safe place.", "one after the other was brought in, and {hero} counted them.", "{hero} used {tool} to hold the door open.", "{hero} did not stop until {saved} were safe.");
        t.Maybe(0.6, "{hero.his} hands were cold, and {hero.his} feet were wet.", "twice {hero} fell, and twice {hero.he} got up.", "“only a little longer,” {hero} told {hero.himself}.", "nobody would have blamed {hero!} for giving up.");
        if (t.Chance.Is(0.6))
        {
            t.Tell(new StoryEvent(EventKind.Help, other, hero), "then {other} came back and helped {hero!}.", "out of the dark came {other} and helped {hero!}.", "{other} had not run away, but helped {hero!}.");
            t.Say("“did you think I would leave you alone?” {said} {other!}.", "“two are better than one,” {said} {other!}.", "together it was easier.");
        }
        t.Say("they waited [under a roof|behind thick walls|in a dry corner] and listened to it.", "there was nothing to do now but wait.", "all night it went on like that.", "the hours were long.");
        t.Beat();
        t.Say("in the morning {after}.", "when it was over, {after}.", "{at_last} it grew quiet, and {after}.");
        t.Say("not one was missing.", "“without {hero!} we would have lost {saved},” {said} {other!}.", "everyone thanked {hero!}.", "{hero} was too tired to be proud.", "{other!} put a blanket around {hero!} and said nothing, but it was enough.");
        t.Moral("after every storm the sun comes out.", "in a storm one sees who one's friends are.", "who thinks of others is strong.");
        t.End();
        t.Titles("The Storm", "{hero!} and the Storm", "When {weather} Came");
        t.Summaries("When {weather} came, {hero!} brought {saved} to safety.", "{hero!} saved {saved} although {rage}.", "{hero!} did not run home when {weather} came, but thought of {saved}.");
        t.Requests("a {hero.kind} [named|called] {hero!} and {weather}", "{hero!}, who is out in bad weather", "{weather}", "bad weather");
    }
}
