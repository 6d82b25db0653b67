namespace Gemma.Recipes.Tiny;

/// <summary>Somebody far away is missed; a letter goes, and an answer comes.</summary>
internal static class Letter
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open(animals: 0.2);
        Character far = t.Chance.Is(0.5) ? t.Elder() : t.Friend(), carrier = t.Elder();
        (t["far"], t["carrier"]) = (far, carrier);
        Thing letter = new(t.Chance.Of("letter", "postcard", "parcel", "picture", "note", "card"), t.Chance.Of("long", "short", "blue", "thick", "little", "colorful", "white"), false);
        Thing gift = t.Chance.Is(0.5) ? Things.Treasure(t.Chance) : Things.Belonging(t.Chance);
        (t["letter"], t["gift"]) = (letter, gift);
        t["distance"] = t.Chance.Of("on the other side of the sea", "behind the mountains", "in another country", "at the end of the railroad", "on a ship", "in the big city", "three days away", "in the far north", "on an island", "in a hospital far from home");
        Place place = Places.Near(t.Chance, 1, hero.Kind.IsAnimal)[0];
        t["place0"] = place;
        t.About($"{letter.Bare}/{gift.Bare}/{far.Name}");
        t.Tell(new StoryEvent(EventKind.Live, far, Where: t.Text("distance")), "{far} now lived {distance}.", "{far} lived {distance}.", "for a year now {far} had lived {distance}.");
        t.Say("{hero} missed {far!} very much.", "{hero} thought of {far!} every evening.", "“how is {far!}?” {hero} often asked.", "without {far!} it was not the same.");
        t.OneDay("{one_day} {hero} could not bear it any longer.", "{one_day} {hero} had an idea.", "{one_day} {hero} sat at the window and looked at the road.");
        t.Tell(new StoryEvent(EventKind.Make, hero, Thing: letter), "{hero} made {letter.a}.", "with much care {hero} made {letter.a}.", "{hero} sat down and made {letter.a}.");
        hero.Has.Add(letter);
        t.Maybe(0.7, "there was so much to tell: [of the new calf|of the lost tooth|of the first snow|of the broken fence], and of everything else.", "{hero} bit the pencil and thought.", "it took {all_day}.", "there were three mistakes in it, but that did not matter.", "at the bottom {hero} drew a {animal}.");
        t.Go(hero, place, ask: false);
        hero.Has.Remove(letter);
        t.Meet(hero, carrier);
        t.Tell(new StoryEvent(EventKind.Give, hero, carrier, letter), "{hero} gave {letter.full} to {carrier!}.", "there {hero} gave {letter.full} to {carrier!}.", "so {hero} gave {letter.full} to {carrier!}, who was going that way.");
        t.Say("“I will take good care of it,” {said} {carrier!}.", "“it is a long way,” {said} {carrier!}, “but it will get there.”", "“have you written the name on it?” {asked} {carrier!}.");
        t.Beat();
        t.Say("then {hero} waited. a day went by, a week, a month.", "every morning {hero} ran to the gate.", "nothing came, and {hero} became {sad}.", "“it takes time,” they said at home.");
        t.Maybe(0.5, "had it been lost in the rain?", "perhaps {far!} had forgotten {hero.him}?", "{hero} counted the days on {hero.his} fingers until there were not enough fingers.");
        if (t.Chance.Is(0.5))
        {
            t.Say("{at_last} {carrier!} came back with something behind {carrier.his} back.", "{one_day} {carrier!} waved from far away.", "{suddenly} there was a knock. it was {carrier!}.");
            t.Tell(new StoryEvent(EventKind.Give, carrier, hero, gift), "{carrier} gave {gift.a} to {hero!}.", "with a smile {carrier} gave {gift.a} to {hero!}.", "then {carrier} gave {gift.a} to {hero!}.");
            t.Say("it was from {far!}.", "“from {far!},” {said} {carrier!}.", "a note hung on it: “I think of you. {far!}.”");
            t.Summaries("{hero!} missed {far!} and sent {letter.a}, and {carrier!} brought back {gift.a}.", "{hero!} sent {letter.a} to {far!} and got {gift.a} as an answer.");
        }
        else
        {
            t.Say("and then somebody came down the road. It was {far!}!", "{one_day} the door opened, and there stood {far!}.", "“is anybody home?” called a voice. It was {far!}!");
            t.Tell(new StoryEvent(EventKind.Give, far, hero, gift), "{far} gave {gift.a} to {hero!}.", "out of a big bag came a present: {far} gave {gift.a} to {hero!}.", "before anything else {far} gave {gift.a} to {hero!}.");
            t.Say("“I read what you wrote,” {said} {far!}, “and I came at once.”", "“I could not answer,” {said} {far!}. “I had to come.”", "“are you glad?” {asked} {far!}. {hero!} could only nod.");
            t.Summaries("{hero!} sent {letter.a} to {far!}, and {far!} came to visit.", "{hero!} missed {far!} so much that {hero.he} sent {letter.a}. The answer was a visit.");
        }
        t.Moral("a few words can travel far.", "who is loved is never far away.", "waiting is hard, but it ends.");
        t.End();
        t.Titles("The {letter.noun}", "{hero!} Writes to {far!}", "Far Away");
        t.Requests("a {hero.kind} [named|called] {hero!} who misses somebody", "{hero!}, who misses {far!}", "a {letter.noun} that goes far away", "{hero!} and {far!}");
    }
}
