namespace Gemma.Recipes.Tiny;

/// <summary>One thing is given for another, until the wanted one is there.</summary>
internal static class Trade
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        Thing first = Things.Food(t.Chance), second = Things.Tool(t.Chance), third = Things.Toy(t.Chance);
        (t["first"], t["second"], t["third"]) = (first, second, third);
        Place[] places = Places.Near(t.Chance, 3, hero.Kind.IsAnimal);
        t.About($"{first.Bare}/{second.Bare}/{third.Bare}");
        hero.Has.Add(first);
        t.Tell(new StoryEvent(EventKind.Want, hero, What: third.A), "{hero} wanted {third.a}.", "more than anything {hero} wanted {third.a}.", "{hero} had seen it in a dream: {hero.he} wanted {third.a}.", "for a long time {hero} wanted {third.a}.");
        t.Tell(new StoryEvent(EventKind.Own, hero, Thing: first), "but {hero} had only {first.a}.", "all that {hero} had {first.was} {first.a}.", "there was no money in the house, but {hero} had {first.a}.");
        t.OneDay("“perhaps somebody will trade with me,” {hero} thought {one_day}.", "{one_day} {hero} set out to trade.", "{one_day} {hero} took {first} and went to look for luck.");
        Character one = t.Elder();
        t["one"] = one;
        t.Go(hero, places[0]);
        t.Meet(hero, one);
        t.Say("“how good that looks!” {said} {one!}.", "“I have not eaten since morning,” {said} {one!}.", "{one!} looked at {first}. “I will give you something for {first.them},” {one.he} said.");
        Swap(t, hero, one, first, second);
        t.Episode(hero);
        t.Beat();
        Character two = t.Chance.Is(0.5) ? t.Elder() : t.Friend();
        t["two"] = two;
        t.Go(hero, places[1], ask: false);
        t.Meet(hero, two);
        t.Say("“{second.a}!” {said} {two!}. “that is just what I need.”", "“where did you get {second}?” {asked} {two!}. “I am looking for one like that.”", "{two!} was trying to work with bare hands. “if only I had {second.a},” {two.he} said.");
        Swap(t, hero, two, second, third);
        t.Say("{hero} could not believe {hero.his} luck.", "“{joyword}!” {cried} {hero}.", "{hero} ran home and did not stop once.", "and so everybody had what they needed.", "{hero} looked at {third} from all sides.");
        t.Moral("what one has too much of, another needs.", "a fair trade makes two people happy.", "with a little luck and a friendly word one gets far.");
        t.End();
        t.Titles("{hero!} Trades", "From {first.a} to {third.a}", "A Fair Trade");
        t.Summaries("{hero!} traded {first.full} for {second.a} and {second.full} for {third.a}.", "{hero!} wanted {third.a} and got it by trading with {one!} and {two!}.");
        t.Requests("a {hero.kind} [named|called] {hero!} who wants {third.a}", "{hero!}, who trades {first.a}", "trading things", "a fair trade");
    }

    private static void Swap(Teller t, Character hero, Character other, Thing given, Thing got)
    {
        (t["swapper"], t["given"], t["got"]) = (other, given, got);
        hero.Has.Remove(given);
        hero.Has.Add(got);
        t.Tell(new StoryEvent(EventKind.Give, hero, other, given), "{hero} gave {given.full} to {swapper!}.", "so {hero} gave {given.full} to {swapper!}.", "“agreed,” said {hero}, and gave {given.full} to {swapper!}.");
        t.Tell(new StoryEvent(EventKind.Give, other, hero, got), "for {given.them} {swapper} gave {got.a} to {hero!}.", "and {swapper} gave {got.a} to {hero!}.", "in return {swapper} gave {got.a} to {hero!}.");
    }
}
