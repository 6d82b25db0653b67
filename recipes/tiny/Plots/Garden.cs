namespace Gemma.Recipes.Tiny;

/// <summary>A seed is planted, cared for and waited for.</summary>
internal static class Garden
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open(animals: 0.25);
        Character giver = t.Elder();
        t["giver"] = giver;
        var seed = new Thing(t.Chance.Of("seed", "bean", "bulb", "acorn", "nut", "cherry stone", "pea", "potato"), t.Chance.Of("tiny", "brown", "wrinkled", "round", "black", "strange", "golden", "striped"), false);
        t["seed"] = seed;
        Place place = Places.Near(t.Chance, 1, wild: true)[0];
        t["place0"] = place;
        string spot = t.Chance.Of("behind the house", "beside the gate", "under the kitchen window", "next to the well", "on a sunny slope", "at the end of the path", "in an old pot", "between two stones", "near the fence", "in the middle of the yard");
        t["spot"] = spot;
        t["plant"] = t.Chance.Of("a sunflower as tall as a house", "a pumpkin as big as a wheel", "a tree full of white flowers", "a bush with red berries", "a beanstalk that climbed over the roof", "the reddest rose in the village", "a melon that three people could not lift", "a small apple tree", "a row of yellow tulips", "a plant with blue bells");
        t["pest"] = t.Chance.Of("a goat", "a snail", "a crow", "a mole", "a hungry rabbit", "a cold wind", "a hailstorm", "a flock of sparrows");
        t.About($"{seed.Bare}/{spot}/{giver.Name}");
        t.OneDay("{one_day} {hero} was helping {giver!}.", "{one_day} {hero} carried a heavy bag home for {giver!}.", "{one_day} {hero} visited {giver!}.", "{one_day} {giver!} called {hero!} to the fence.");
        t.Tell(new StoryEvent(EventKind.Give, giver, hero, seed), "{giver} gave {seed.a} to {hero!}.", "as a reward {giver} gave {seed.a} to {hero!}.", "then {giver} gave {seed.a} to {hero!}.");
        hero.Has.Add(seed);
        t.Say("“it looks like nothing,” {said} {giver!}, “but wait and see.”", "“what is it?” {asked} {hero!}. “a surprise,” {said} {giver!}.", "“only that?” {hero} thought, but {hero.he} said thank you.", "“give it water and time,” {said} {giver!}.");
        hero.Has.Remove(seed);
        t.Tell(new StoryEvent(EventKind.Plant, hero, Thing: seed, Where: spot), "{hero} planted {seed.full} {spot}.", "{spot} {hero} planted {seed.full}.", "so {hero} dug a hole and planted {seed.full} {spot}.");
        t.Say("every morning {hero} brought water, and every evening {hero.he} looked.", "the first day nothing happened. the second day nothing happened.", "{hero} waited and waited.", "“grow,” {hero} {whispered} to the earth.", "a week went by, and there was only black earth.");
        t.Maybe(0.6, "“you must be patient,” {said} {giver!}.", "the others laughed. “you are watering mud,” they said.", "{hero} sang to it, because plants like songs.", "{hero} wanted to dig it up and see, but {hero.he} did not.");
        t.Beat();
        t.Tell(new StoryEvent(EventKind.See, hero, What: "a green tip", Where: spot), "{one_day} {hero} saw a green tip.", "and then, after the rain, {hero} saw a green tip.", "{at_last} {hero} saw a green tip.");
        t.Maybe(0.7, "{then} {pest} came and nearly spoiled everything, but {hero} [built a little fence|stood guard|covered it with a basket].", "{pest} wanted to have it, but {hero} was faster.", "once {pest} bent it to the ground, and {hero} tied it to a stick.");
        t.Say("it grew and grew, first to the knee, then to the belt, then over everybody's head.", "leaf after leaf came out.", "the sun was warm, the rain was soft, and it grew.", "by summer it was as tall as {hero!}.");
        t.Say("and what was it? {plant}!", "it was {plant}!", "in the end there stood {plant}.", "and so, from one {seed.noun}, there came {plant}.");
        t.Say("people came from far away to look at it.", "“you see,” {said} {giver!}, “it was not nothing.”", "{hero} gave a part of it to everyone who had laughed.", "{giver!} came and nodded. “you have a good hand,” {giver.he} said.", "{hero} kept {number} seeds for the next year.");
        t.Moral("great things begin small.", "patience makes things grow.", "what one cares for will bloom.");
        t.End();
        t.Titles("The {seed.noun}", "{hero!} Waits", "Something Grows");
        t.Summaries("{hero!} got {seed.a} from {giver!}, planted it {spot}, and in the end there was {plant}.", "{hero!} planted {seed.full} {spot} and was patient until it grew.", "With water and patience, {hero!} grew {plant}.");
        t.Requests("a {hero.kind} [named|called] {hero!} who plants {seed.a}", "{hero!}, who plants something", "a {seed.noun} that grows", "a garden");
    }
}
