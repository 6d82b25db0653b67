namespace Gemma.Recipes.Tiny;

/// <summary>An animal that is hungry, hurt or far from home is cared for.</summary>
internal static class LostAnimal
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open(animals: 0);
        Place place = Places.Near(t.Chance, 1, wild: true)[0];
        t["place0"] = place;
        string noun = t.Chance.Of("puppy", "kitten", "lamb", "duckling", "fawn", "foal", "owl", "rabbit", "hedgehog", "goat", "crow", "swan", "turtle", "squirrel", "seal", "sparrow", "donkey", "parrot", "calf", "bat");
        var animal = new Character("the " + t.Chance.Of("little ", "small ", "young ", "white ", "brown ", "thin ") + noun, new Kind(noun, IsAnimal: true, IsAdult: true), t.Chance.Is(0.5), "lost");
        string spot = t.Chance.Of<string>(place.Spots);
        (t["animal1"], t["spot"], t["noun"]) = (animal, spot, noun);
        Thing food = new(t.Chance.Of("milk", "bread", "oats", "fish", "grass", "corn", "clover", "seeds", "cheese", "rice"), t.Chance.Of("warm", "fresh", "soft", "good"), true);
        t["food"] = food;
        t["illness"] = t.Chance.Of("a hurt leg", "a broken wing", "a thorn in the foot", "no mother", "a cold nose and wet fur", "a rope around the neck", "an empty belly", "no strength left");
        t.About($"{animal.Name}/{place.Name}/{food.Bare}");
        t.OneDay("{one_day} {hero} [was on the way home|was out for a walk|was looking for berries|had nothing to do].", "after the storm {hero} went to see if everything was all right.", "{one_day} {hero} took the long way home.");
        t.Go(hero, place, ask: false);
        t.Tell(new StoryEvent(EventKind.Hear, hero, What: "a small sound"), "{suddenly} {hero} heard a small sound.", "there {hero} heard a small sound.", "{hero} stopped. {hero.he} had heard a small sound.");
        t.Maybe(0.5, "it was like crying.", "it came again, and then it was still.", "“who is there?” {asked} {hero!}.", "{hero} held {hero.his} breath and listened.");
        t.Tell(new StoryEvent(EventKind.Find, hero, animal, Where: spot), "{spot} {hero} found {animal1}.", "there {hero} found {animal1} {spot}.", "{hero} looked and found {animal1} {spot}.");
        t.Say("{animal1.he} had {illness}.", "the poor thing had {illness}.", "“you have {illness},” {hero} {whispered}.", "{animal1!} looked at {hero!} with big eyes.");
        t.Say("“do not be afraid,” {said} {hero!}.", "{hero} knelt down and held out a hand.", "very slowly {hero} came nearer.", "{hero} wrapped {animal1!} in a [coat|scarf|blanket|shirt] and carried {animal1.him} home.", "“I will take care of you,” {said} {hero!}.");
        t.Beat();
        t.Tell(new StoryEvent(EventKind.Give, hero, animal, food), "at home {hero} gave {food.a} to {animal1}.", "{hero} gave {food.a} to {animal1}.", "{then} {hero} gave {food.a} to {animal1}.");
        t.Maybe(0.6, "{hero} made a bed of straw in a box beside the stove.", "for {number} days and nights {hero} hardly slept.", "every day {animal1!} grew a little stronger.", "“eat,” {said} {hero!}, “so that you get strong.”", "Mother shook her head, but she smiled.");
        if (t.Chance.Is(0.5))
        {
            Character owner = t.Elder();
            t["owner"] = owner;
            t.Beat();
            t.Say("{one_day} there was a knock at the door. it was {owner!}.", "{then} {owner!} came down the road and called a name again and again.", "a week later {hero} saw {owner!} looking for something.");
            t.Say("“have you seen my {noun}?” {asked} {owner!}. “I have looked everywhere.”", "“my {noun} has run away,” {said} {owner!} {sadly}.");
            t.Tell(new StoryEvent(EventKind.Give, hero, owner, new Thing(noun, "", false)), "it was hard, but {hero} gave the {noun} to {owner!}.", "{hero} swallowed hard and gave the {noun} to {owner!}.", "so {hero} gave the {noun} to {owner!}.");
            t.Say("“you may come and visit whenever you like,” {said} {owner!}.", "“you saved a life,” {said} {owner!}. “{thanks}.”", "{owner!} saw {hero's} tears. “in spring there will be young ones,” {owner.he} said, “and one is for you.”");
            t.Summaries("{hero!} found {animal1} {spot}, took care of {animal1.him} and gave {animal1.him} back to {owner!}.", "{hero!} helped {animal1}, who had {illness}. Then {owner!} came, and {hero!} let the {noun} go.");
        }
        else
        {
            t.Say("{at_last} {animal1!} was well again.", "in spring {animal1!} was as strong as any other {noun}.", "{one_day} {animal1!} stood up and [ran|jumped|danced] through the room.");
            t.Say("{hero} opened the door. {animal1!} went out, turned around, and came back.", "“now you are free,” {said} {hero!}. but {animal1!} did not want to leave.", "{hero} took {animal1!} back {place0.to} and said goodbye. But every evening there was a scratching at the door.", "they became friends for life.", "and where {hero!} went, there went {animal1!}.");
            t.Summaries("{hero!} found {animal1} {spot} and took care of {animal1.him} until {animal1.he} was well.", "{hero!} helped {animal1}, who had {illness}, and they became friends.");
        }
        t.Moral("kindness is a language that every animal understands.", "whoever helps the small is great.", "love sometimes means to let go.");
        t.End();
        t.Titles("{hero!} and the {noun}", "A {noun} in Need", "The Little {noun}");
        t.Requests("a {hero.kind} [named|called] {hero!} who finds a {noun}", "{hero!}, who helps a {noun}", "a {noun} that needs help", "an animal");
    }
}
