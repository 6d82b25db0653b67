namespace Gemma.Recipes.Tiny;

/// <summary>Something is to be made, the parts come from here and there, and it becomes a present.</summary>
internal static class MakingSomething
{
    private static readonly (string Noun, string[] Parts, string Place, string Last)[] Works =
    [
        ("kite", ["paper", "string", "two thin sticks", "glue"], "at the table", "tied the string"), ("boat", ["wood", "a piece of cloth", "rope", "nails"], "in the yard", "hung up the sail"),
        ("birdhouse", ["boards", "nails", "a hammer", "straw"], "behind the house", "put on the roof"), ("cake", ["flour", "eggs", "butter", "honey"], "in the kitchen", "put the cherry on top"),
        ("scarf", ["blue wool", "red wool", "two needles", "a soft chair"], "by the fire", "knotted the last thread"), ("puppet", ["wood", "yellow wool", "buttons", "an old sock"], "on the floor", "sewed on the smile"),
        ("soup", ["carrots", "onions", "salt", "a big pot"], "over the fire", "stirred it once more"), ("lantern", ["paper", "wire", "a candle", "paint"], "in the evening light", "lit the candle"),
        ("drum", ["an old pot", "leather", "string", "two sticks"], "in the barn", "hit it for the first time"), ("crown", ["gold paper", "glue", "feathers", "glass beads"], "under the lamp", "stuck on the last bead"),
        ("doll", ["cloth", "buttons", "straw", "thread"], "at the window", "drew the mouth"), ("sled", ["boards", "nails", "rope", "iron"], "in the shed", "waxed the runners"),
        ("chair", ["wood", "nails", "glue", "a saw"], "in the yard", "rubbed it smooth"), ("blanket", ["wool", "cloth", "a needle", "thread"], "by the lamp", "closed the last hole"),
        ("bench", ["a thick board", "four logs", "nails", "green paint"], "under a tree", "painted it"), ("swing", ["rope", "a board", "a knife", "a strong branch"], "behind the house", "pulled the knots tight"),
        ("mask", ["paper", "feathers", "paint", "ribbon"], "at the table", "painted the eyes"), ("pie", ["apples", "flour", "butter", "sugar"], "in the kitchen", "closed the oven door"),
        ("necklace", ["shells", "a thin thread", "glass beads", "a needle"], "on the steps", "tied the knot"), ("basket", ["willow branches", "grass", "water", "a knife"], "by the water", "wove in the handle"),
    ];

    public static void Tell(Teller t)
    {
        Character hero = t.Open(animals: 0.2);
        (string noun, string[] parts, string where, string last) = t.Chance.Of(Works);
        var thing = new Thing(noun, t.Chance.Of("big", "little", "beautiful", "strong", "fine", "wonderful", "round", "special", "colorful", "simple"), false);
        t["thing"] = thing;
        t["where"] = where;
        t["last"] = last;
        Character friend = t.Chance.Is(0.5) ? t.Friend() : t.Elder();
        t["friend"] = friend;
        string[] some = t.Chance.Some<string>(3, parts);
        (t["part1"], t["part2"], t["part3"]) = (some[0], some[1], some[2]);
        t.About($"{thing.Bare}/{friend.Name}");
        t.OneDay("soon there would be a party for {friend!}.", "{friend!} had been ill for a long time.", "{friend!} was sad, and nobody knew why.", "{friend!} had always been good to {hero!}.");
        t.Tell(new StoryEvent(EventKind.Want, hero, What: $"to make {thing.A} for {friend.Name}"), "{hero} wanted to make {thing.a} for {friend!}.", "so {hero} wanted to make {thing.a} for {friend!}.", "{hero} [thought and thought|had an idea]: {hero.he} wanted to make {thing.a} for {friend!}.");
        t.Say("but {hero} had no {part1}, no {part2} and no {part3}.", "for that {hero.he} needed {part1}, {part2} and {part3}.", "“I need {part1}, {part2} and {part3},” {said} {hero!}.");
        Character helper = t.Elder();
        t["helper"] = helper;
        Place[] places = Places.Near(t.Chance, 2, hero.Kind.IsAnimal);
        t.Go(hero, places[0]);
        t.Meet(hero, helper);
        t.Say("“do you have {part1} for me?” {asked} {hero!}.", "“what are you looking for?” {asked} {helper!}. “for {part1},” {said} {hero!}.");
        var gift = new Thing(some[0], "", false);
        t["gift"] = gift;
        t.Tell(new StoryEvent(EventKind.Give, helper, hero, gift, What: some[0]), "{helper} gave {part1} to {hero!}.", "so {helper} gave {part1} to {hero!} and [smiled|wanted no money|wished good luck].", "{then} {helper} gave {part1} to {hero!}.");
        t.Go(hero, places[1], ask: false);
        t["seller"] = places[1];
        t.Say("there {hero} got {part2}[| for a small coin| in exchange for a song| after some asking| with a bit of luck].", "and there, as if waiting for {hero.him}, was {part2}.");
        t.Maybe(0.6, "only one thing was missing now, and that was {part3}.", "the last thing, {part3}, was at home in a drawer.", "for {part3} {hero} had to ask three times.");
        t.Beat();
        t.Tell(new StoryEvent(EventKind.Make, hero, Thing: thing, Where: where), "{where} {hero} made {thing.a}.", "{hero} sat {where} and made {thing.a}.", "{then} {hero} made {thing.a} {where}.", "{all_day} {hero} worked, and so {hero.he} made {thing.a} {where}.");
        t.Maybe(0.6, "it was not easy, and {hero} had to begin again {number} times.", "{hero} cut and glued and measured.", "once {hero} wanted to give up, but {hero.he} did not.", "{hero.his} hands were [tired|dirty|sore], but {hero.his} eyes were bright.");
        t.Say("{at_last} {hero} {last}, and it was done.", "{hero} {last}. it was finished.", "last of all {hero} {last}.");
        t.Beat();
        t.Tell(new StoryEvent(EventKind.Give, hero, friend, thing), "{next_day} {hero} gave {thing.full} to {friend!}.", "{hero} gave {thing.full} to {friend!}.", "{then} {hero} gave {thing.full} to {friend!}.", "with a beating heart {hero} gave {thing.full} to {friend!}.");
        t.Say("“did you make this for me?” {asked} {friend!}.", "“{joyword}!” {cried} {friend!}. “I have never had such a {thing.noun}.”", "{friend!} could not say a word for joy.", "{friend!} turned it around and around. “it is perfect,” {friend.he} said.",
            "“{thanks}, {hero!},” {said} {friend}. “I will keep it as long as I live.”");
        t.Moral("what is made with love is worth more than gold.", "the best presents cannot be bought.", "many small things make one great thing.");
        t.End();
        t.Titles("A {thing.noun} for {friend!}", "How {hero!} Made a {thing.noun}", "The {thing.bare}");
        t.Summaries("{hero!} made {thing.a} for {friend!}.", "{hero!} wanted to make {thing.a} and got what was needed from {helper!}. In the end {friend!} was very happy with the present.", "With {part1} from {helper!}, {hero!} made {thing.a} and gave it to {friend!}.");
        t.Requests("a {hero.kind} [named|called] {hero!} who makes {thing.a}", "{hero!}, who makes {thing.a} for {friend!}", "a present", "somebody who makes {thing.a}");
    }
}
