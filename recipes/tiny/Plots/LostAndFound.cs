namespace Gemma.Recipes.Tiny;

/// <summary>Something dear is lost, looked for, and found, alone or with help.</summary>
internal static class LostAndFound
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        Thing thing = Things.Belonging(t.Chance);
        t["thing"] = thing;
        hero.Has.Add(thing);
        Place[] places = Places.Near(t.Chance, 3, hero.Kind.IsAnimal);
        string spot = t.Chance.Of<string>(places[1].Spots);
        t["spot"] = spot;
        t["lostplace"] = places[1];
        t.About($"{thing.Bare}/{places[1].Name}");
        t.Tell(new StoryEvent(EventKind.Own, hero, Thing: thing), "{hero} had {thing.a}.", "{hero} had {thing.a} and [loved|treasured] {thing.them} [dearly|more than anything].",
            "{hero} had {thing.a}, a present from [Grandma|Grandpa|an uncle|a good friend].", "for {hero's} birthday there had been {thing.a}.", "{hero} owned {thing.a} and took {thing.them} everywhere.");
        t.OneDay("{one_day} {hero} took {thing.them} along.", "{one_day} {hero} wanted to [play outside|visit a friend|go for a walk|look for adventures].", "{one_day} {hero} left the house early.");
        t.Go(hero, places[0]);
        t.Episode(hero);
        t.Go(hero, places[1], ask: false);
        hero.Has.Remove(thing);
        t.Tell(new StoryEvent(EventKind.Lose, hero, Thing: thing, Where: places[1].At),
            "there, {lostplace.at}, {hero} lost {thing.full}.", "while {hero.he} was playing, {hero} lost {thing.full} {lostplace.at}.", "{lostplace.at} {hero} lost {thing.full}, but {hero.he} did not notice it.",
            "{hero} [ran and jumped|climbed about|lay in the sun and dreamed], and so {hero.he} lost {thing.full} {lostplace.at}.");
        t.Go(hero, places[2], ask: false);
        t.Say("{suddenly} {hero} [noticed|saw|felt] that {thing} {thing.was} gone.", "only then did {hero} see that {thing} {thing.was} missing.",
            thing.IsPlural ? "“{ohno}!” {cried} {hero}. “where are my {thing.noun}?”" : "“{ohno}!” {cried} {hero}. “where is my {thing.noun}?”");
        t.Maybe(0.7, "{hero} [looked|searched] everywhere, [high and low|left and right|under every leaf|behind every stone], but {thing} {thing.was} nowhere to be seen.",
            "{hero} felt {sad} and began to cry.", "tears ran down {hero.his} [cheeks|face|nose].", "“what shall I do?” {hero} {whispered}.", "{hero} could think of nothing else.");
        if (t.Chance.Is(0.65)) FindTogether(t, hero, thing, places[1], spot);
        else
        {
            t.Say("{hero} sat down and thought hard. where had {hero.he} been?", "“think,” {hero.he} told {hero.himself}. “where did I have {thing.them} last?”", "so {hero} went back, step by step, the way {hero.he} had come.");
            hero.Place = places[1];
            t.Note(new StoryEvent(EventKind.Go, hero, Where: places[1].To));
            t.Say("{then} {hero} came {lostplace.to} once more.", "the way led back {lostplace.to}.", "{hero} ran back {lostplace.to}.");
            t.Tell(new StoryEvent(EventKind.Find, hero, Thing: thing, Where: spot), "there {hero} found {thing.full} {spot}.", "{at_last} {hero} found {thing.full} {spot}.", "{spot} {hero} found {thing.full}.",
                "{hero} looked twice, and then {hero.he} found {thing.full} {spot}.");
            t.Summaries("{hero!} lost {thing.full} {lostplace.at} and found {thing.them} again {spot}.", "{hero!} could not find {thing.full}. {hero.He} went back and found {thing.them} {spot}.");
        }
        hero.Has.Add(thing);
        t.Maybe(0.6, "{hero} held {thing.them} tight.", "{hero} [laughed and cried at once|danced with joy|jumped up and down|could hardly believe it].", "“I will never let you out of my sight again,” {hero} told {thing}.",
            "{hero} promised to take better care of {thing.them}.");
        t.Moral("whoever looks with a friend finds twice as fast.", "what we love we should keep an eye on.", "sometimes one must go back to go on.", "lost things wait for those who look for them.");
        t.End();
        t.Titles("The Lost {thing.noun}", "{hero!} and the {thing.bare}", "Where Is the {thing.noun}?");
        t.Requests("a {hero.kind} [named|called] {hero!} who loses {thing.a}", "{hero!}, who loses {thing.a}", "something that is lost {lostplace.at}", "a lost {thing.noun}");
    }

    private static void FindTogether(Teller t, Character hero, Thing thing, Place place, string spot)
    {
        Character friend = t.Chance.Is(0.6) ? t.Friend() : t.Elder();
        t["friend"] = friend;
        t.Beat();
        t.Meet(hero, friend);
        t.Say("“why are you so [sad|quiet|pale]?” {asked} {friend!}. “I have lost my {thing.noun},” {said} {hero}.", "{hero} told {friend.him} everything.",
            "“have you seen my {thing.noun}?” {asked} {hero!}. {friend!} shook {friend.his} head.");
        t.Say("“let us [look|search] together,” {said} {friend!}.", "“do not cry,” {said} {friend!}. “we will find {thing.them}.”", "“where were you before?” {asked} {friend!}. “think back, step by step.”",
            "“four eyes see more than two,” {said} {friend!}.", "{friend!} thought for a moment. “[come|follow me|let us go back the way you came],” {friend.he} said.");
        (hero.Place, friend.Place) = (place, place);
        t.Note(new StoryEvent(EventKind.Go, hero, Where: place.To));
        t.Say("together they went back {lostplace.to}.", "so they walked back {lostplace.to} and looked [behind every stone|in every corner|under every bush].", "they went {lostplace.to} again.");
        t.Maybe(0.4, "at first they found only [an old shoe|a rusty nail|a broken cup|a snail|some feathers|a dead leaf].", "they looked [for a long time|until their feet hurt|until the shadows were long].", "“nothing here,” sighed {hero!}.");
        t.Tell(new StoryEvent(EventKind.Find, friend, Thing: thing, Where: spot), "{then} {friend} found {thing.full} {spot}.", "{at_last} {friend} found {thing.full} {spot}.", "it was {friend} who found {thing.full} {spot}.",
            "{spot} {friend} found {thing.full}.");
        t.Note(new StoryEvent(EventKind.Give, friend, hero, thing));
        t.Say("“here you are,” {said} {friend!}.", "“{look}!” {cried} {friend!}. “look what I have here!”", "{friend!} held {thing.them} up and laughed.");
        t.Tell(new StoryEvent(EventKind.Help, friend, hero), "{friend} had helped {hero!}, and {hero!} did not forget it.", "“{thanks}!” {cried} {hero}. “without {friend!} I would still be looking.”", "{hero} thanked {friend!}, who had helped so much.");
        t.Summaries("{hero!} lost {thing.full} {lostplace.at}, and {friend!} found {thing.them} {spot}.", "{hero!} lost {thing.full}. With the help of {friend!}, {thing.it} {thing.was} found {spot}.",
            "{hero!} was {sad} because {thing.full} {thing.was} gone, but {friend!} helped and found {thing.them}.");
    }
}
