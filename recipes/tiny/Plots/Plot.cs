namespace Gemma.Recipes.Tiny;

/// <summary>One kind of story.</summary>
internal sealed record Plot(string Name, Action<Teller> Tell)
{
    public static readonly Plot[] All =
    [
        new("lost", LostAndFound.Tell), new("making", MakingSomething.Tell), new("learning", Learning.Tell), new("quarrel", Quarrel.Tell), new("journey", Journey.Tell), new("fear", Fear.Tell),
        new("secret", SecretFind.Tell), new("trade", Trade.Tell), new("mystery", Mystery.Tell), new("broken", BrokenThing.Tell), new("animal", LostAnimal.Tell), new("contest", Contest.Tell),
        new("garden", Garden.Tell), new("errand", Errand.Tell), new("friend", NewFriend.Tell), new("surprise", Surprise.Tell), new("trick", Trickster.Tell), new("wish", Wish.Tell),
        new("counting", Counting.Tell), new("storm", Storm.Tell), new("load", HeavyLoad.Tell), new("letter", Letter.Tell),
    ];

    /// <summary>The story of a seed.</summary>
    public static Story Write(ulong seed, StoryLength length)
    {
        var chance = new Chance(seed);
        Plot plot = chance.Of<Plot>(All);
        var teller = new Teller(chance, length);
        plot.Tell(teller);
        return teller.Finish(plot.Name);
    }
}
