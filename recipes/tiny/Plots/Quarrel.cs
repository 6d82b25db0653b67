namespace Gemma.Recipes.Tiny;

/// <summary>Two friends quarrel over a thing, and make peace.</summary>
internal static class Quarrel
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        Character friend = t.Friend();
        t.Present(friend);
        Thing thing = t.Chance.Is(0.5) ? Things.Toy(t.Chance) : Things.Treasure(t.Chance);
        t["thing"] = thing;
        Place place = Places.Near(t.Chance, 1, hero.Kind.IsAnimal)[0];
        t["place0"] = place;
        string spot = t.Chance.Of<string>(place.Spots);
        t["spot"] = spot;
        t.About($"{thing.Bare}/{place.Name}/{friend.Name}");
        t.OneDay("{one_day} {hero!} and {friend!} played {place0.at}.", "{one_day} the two of them were {place0.at}.", "{one_day} {hero!} and {friend!} {went} {place0.to}.");
        (hero.Place, friend.Place) = (place, place);
        t.Detail(place, 0.5);
        Character finder = t.Chance.Is(0.5) ? hero : friend, other = finder == hero ? friend : hero;
        (t["finder"], t["other"]) = (finder, other);
        t.Tell(new StoryEvent(EventKind.Find, finder, Thing: thing, Where: spot), "{finder} found {thing.a} {spot}.", "{then} {finder} found {thing.a} {spot}.", "{suddenly} {finder} found {thing.a} {spot}.", "{spot} {finder} found {thing.a}.");
        t.Say("“I saw it first!” {cried} {other!}.", "“give it to me!” {cried} {other!}. “I want it.”", "“it is mine,” {said} {finder!}. “no, it is mine,” {said} {other!}.", "“we must share it,” {said} {other!}. “never!” {cried} {finder!}.");
        t.Say("they pulled and pushed until both were red in the face.", "the two of them began to shout.", "soon they were [shouting|pulling|calling each other names] so loudly that the birds flew away.", "they had never quarreled like this before.", "one pulled here, the other pulled there.");
        if (t.Chance.Is(0.55))
        {
            t.Tell(new StoryEvent(EventKind.Break, other, Thing: thing), "{other} pulled too hard and broke {thing.full}.", "and then {other} broke {thing.full}.", "{other} let go, fell down and broke {thing.full}.");
            t.Maybe(0.6, "it went crack, and there was silence.", "both of them looked at the pieces.", "now nobody had it.");
        }
        t.Say("{hero} went home {sadly}. so did {friend!}.", "“I do not want to see you again,” {said} {hero!}, and walked away.", "{friend!} ran off without a word, and {hero!} stayed behind.", "each of them went home by another way.");
        t.Beat();
        t.Maybe(0.8, "{next_day} {hero} [sat at the window|played alone|kicked stones|did not want to eat], and nothing was any fun.", "{next_day} was long and [empty|gray|quiet].", "that night {hero} could not sleep.", "{hero} missed {friend!}, but {hero.he} was too proud to say so.");
        t.Maybe(0.5, "“what is [wrong|the matter]?” {asked} [Grandma|Mother|Father|the neighbor]. there was no answer.", "“is a thing worth more than a friend?” {hero} asked {hero.himself}.", "{hero} thought of all the good days they had had.");
        Character first = t.Chance.Is(0.6) ? hero : friend, second = first == hero ? friend : hero;
        (t["first"], t["second"]) = (first, second);
        t.Beat();
        t.Say("{then} {first!} {went} to {second!}. “I am sorry,” {first.he} said.", "{at_last} {first!} knocked at the door of {second!}. “I was wrong,” {first.he} said.", "{next_day} {first!} came to {second!} and said, “I am sorry. I miss you.”");
        t.Say("“I am sorry too,” {said} {second!}.", "{second!} [smiled|nodded|took {first.him} by the hand]. “so am I,” {second.he} said.", "“I have thought of nothing else,” {said} {second!}.", "{second!} did not speak, but {second.his} eyes were bright.");
        Character gift = t.Chance.Is(0.5) ? first : second;
        t["giver"] = gift;
        t["taker"] = gift == hero ? friend : hero;
        Thing food = Things.Food(t.Chance);
        t["food"] = food;
        if (t.Chance.Is(0.6))
            t.Tell(new StoryEvent(EventKind.Give, gift, gift == hero ? friend : hero, food), "{giver} gave {food.a} to {taker!}, and they ate together.", "{then} {giver} gave {food.a} to {taker!}.", "to make peace, {giver} gave {food.a} to {taker!}.");
        t.Say("from then on they [took turns|shared everything|laughed about the quarrel|were better friends than before].", "and soon they were playing again as if nothing had happened.", "“you can have it today and I tomorrow,” said one. “no, you first,” said the other.", "they shook hands, and that was the end of the quarrel.");
        t.Moral("a friend is worth more than any treasure.", "it takes courage to say sorry.", "two who share have twice as much.", "a quarrel has two sides, and so has peace.");
        t.End();
        t.Titles("The Quarrel", "{hero!} and {friend!} Make Peace", "Who Owns the {thing.noun}?");
        t.Summaries("{hero!} and {friend!} quarreled over {thing.a}, but then {first!} said sorry and they were friends again.", "{hero!} had a quarrel with {friend!} about {thing.a}. In the end they made peace.", "When {finder!} found {thing.a}, both {hero!} and {friend!} wanted it, but their friendship was worth more.");
        t.Requests("a quarrel between {hero!} and {friend!}", "two friends who quarrel over {thing.a}", "{hero!} and {friend!}, who make peace", "saying sorry");
    }
}
