namespace Gemma.Recipes.Tiny;

/// <summary>A fable: the strong one is greedy, the small one is clever.</summary>
internal static class Trickster
{
    private static readonly (string Lie, string Effect)[] Tricks =
    [
        ("there is an even bigger one in the well", "looked into the well and fell in"), ("the hunters are coming", "ran away and did not look back"), ("your tail is on fire", "jumped into the water"), ("the moon in the pond is made of cheese", "dived after it and got nothing but a wet nose"),
        ("whoever sings loudest may have it", "opened a big mouth to sing, and everything fell out"), ("the bees want to thank you for the honey", "put a paw into the hive"), ("I taste much better when I have been washed", "let go"), ("close your eyes and count to a hundred", "counted and counted until nobody was there any more"),
        ("if you pull this rope, the sky will hold", "held the rope until evening"), ("strong ones like you can carry that log", "carried it up the hill until no strength was left"), ("there is a party at the lion's den", "hurried off to the other end of the land"), ("the king wants to give you a medal", "went to look for the king"),
    ];

    public static void Tell(Teller t)
    {
        string[] small = t.Chance.Some<string>(1, ["rabbit", "mouse", "hen", "frog", "hedgehog", "sparrow", "turtle", "monkey", "goat", "squirrel", "cricket", "duck", "lamb"]);
        string big = t.Chance.Of("wolf", "bear", "lion", "tiger", "crocodile", "fox", "hyena", "leopard", "eagle", "snake");
        bool named = t.Chance.Is(0.5);
        var hero = new Character(named ? t.Chance.Of<string>(Cast.PetNames) : "the " + small[0], new Kind(small[0], IsAnimal: true, IsAdult: !named), t.Chance.Is(0.5), t.Chance.Of("clever", "small", "quick", "cheerful", "poor", "young", "merry"));
        var villain = new Character("the " + big, new Kind(big, IsAnimal: true, IsAdult: true), t.Chance.Is(0.3), "greedy");
        (t["hero"], t["villain"]) = (hero, villain);
        t["vice"] = t.Chance.Of("greedy", "proud", "mean", "vain", "foolish", "lazy", "selfish", "hungry");
        Thing food = Things.Food(t.Chance);
        t["food"] = food;
        Place place = Places.Near(t.Chance, 1, wild: true)[0];
        t["place0"] = place;
        (string lie, string effect) = t.Chance.Of(Tricks);
        (t["lie"], t["effect"], t["den"]) = (lie, effect, Places.Den(t.Chance));
        t.About($"{hero.Kind.Noun}/{big}/{food.Bare}/{lie}");
        if (named) t.Say("{hero!} was a {hero.trait} {hero.kind}.", "once there was a {hero.trait} {hero.kind} [named|called] {hero!}.", "long ago, when animals could talk, there was a {hero.kind} [named|called] {hero!}.");
        else t.Say("once there was a {hero.trait} {hero.kind}.", "long ago, when animals could still talk, there lived a {hero.trait} {hero.kind}.", "a {hero.trait} {hero.kind} had a hard life.");
        t.Tell(new StoryEvent(EventKind.Live, hero, Where: t.Text("den")), "{hero} lived {den}.", "{hero} lived {den}, not far from {place0}.", "{hero} lived {den} and was content.");
        t.Say("not far away lived {villain!}, who was {vice}.", "all were afraid of {villain!}, because {villain.he} was {vice}.", "{villain!} was {vice} and took whatever {villain.he} wanted.");
        t.OneDay("{one_day} {hero} went out to look for food.", "{one_day}, when there was little to eat, {hero} went out.", "{one_day} {hero} was lucky.");
        t.Tell(new StoryEvent(EventKind.Find, hero, Thing: food, Where: place.At), "{hero} found {food.a} {place0.at}.", "{place0.at} {hero} found {food.a}.", "{then} {hero} found {food.a} {place0.at}.");
        hero.Place = place;
        t.Detail(place, 0.5);
        t.Tell(new StoryEvent(EventKind.Meet, hero, villain, Where: place.At), "but {place0.at} {hero} met {villain}.", "there {hero} met {villain}, {place0.at}.", "{hero} wanted to go home, but {hero.he} met {villain} {place0.at}.");
        t.Say("“give me that, or I will eat you,” {said} {villain!}.", "“{joyword},” {said} {villain!}. “first I will eat that, and then you.”", "{villain!} showed all {villain.his} teeth. “mine,” {villain.he} said.", "“you are small, and I am big,” {said} {villain!}. “so it belongs to me.”");
        t.Maybe(0.6, "{hero} trembled, but {hero.he} thought quickly.", "to run was no use.", "{hero} had only a moment to think.", "“who cannot be strong must be clever,” {hero} thought.");
        t.Say("“gladly,” {said} {hero!}, “but you should know: {lie}.”", "“of course,” {said} {hero!}. “only, {lie}.”", "{hero} bowed low. “have you not heard? {lie}!”");
        t.Say("{villain!} was so {vice} that {villain.he} {effect}.", "when {villain!} heard that, {villain.he} {effect}.", "and what did {villain!} do? {villain.He} {effect}.");
        t.Say("meanwhile {hero!} took {food} and went home, laughing.", "{hero} did not wait. {hero.He} was at home before one could count to ten.", "{hero} laughed so hard that {hero.his} belly hurt.", "by then {hero!} was far away.");
        t.Tell(new StoryEvent(EventKind.Eat, hero, Thing: food), "in the evening {hero} ate {food.full} in peace.", "at home {hero} ate {food.full}.", "that night {hero} ate {food.full} and shared with friends.");
        t.Maybe(0.5, "{villain!} never bothered anyone again.", "when {villain!} comes by today, everyone laughs.", "{villain!} was so ashamed that {villain.he} moved to another forest.");
        t.Moral("a quick mind is better than strong teeth.", "greed makes one blind.", "the small are not always weak.", "who wants everything ends with nothing.");
        t.End();
        t.Titles("{hero!} and {villain!}", "The Clever {hero.kind}", "How {villain!} Was Tricked");
        t.Summaries("{hero!} tricked {villain}, who wanted to take {food.full}.", "{villain!} wanted {food.full}, but {hero!} was too clever for {villain.him}.", "With a trick {hero!} got away from {villain}.");
        t.Requests("a clever {hero.kind}", "a {hero.kind} and a {villain.kind}", "a {hero.kind} that tricks a {villain.kind}", "a trick");
    }
}
