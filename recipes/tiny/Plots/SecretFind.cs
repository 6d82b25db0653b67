namespace Gemma.Recipes.Tiny;

/// <summary>Something hidden long ago is found, and leads to somebody.</summary>
internal static class SecretFind
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open(animals: 0.15);
        Place[] places = Places.Near(t.Chance, 2, hero.Kind.IsAnimal);
        string spot = t.Chance.Of<string>(places[0].Spots);
        (t["place0"], t["place1"], t["spot"]) = (places[0], places[1], spot);
        Thing box = new(t.Chance.Of("box", "chest", "bottle", "bag", "jar", "tin", "trunk", "envelope"), t.Chance.Of("small", "rusty", "dusty", "old", "wooden", "green", "leather", "strange"), false);
        Thing inside = t.Chance.Is(0.5) ? Things.Treasure(t.Chance) : Things.Paper(t.Chance);
        if (inside.Noun == box.Noun) inside = new Thing("medal", inside.Adjective, false);
        (t["box"], t["inside"]) = (box, inside);
        Character owner = t.Elder();
        t["owner"] = owner;
        t.About($"{box.Bare}/{inside.Bare}/{places[0].Name}");
        t.OneDay("{one_day} {hero} was bored.", "{one_day} it rained and rained.", "{one_day} {hero} looked for a place to hide.", "{one_day} {hero} was sent to fetch [wood|water|an old chair|some herbs].", "{one_day} {hero} followed a {animal}.");
        t.Go(hero, places[0]);
        t.Tell(new StoryEvent(EventKind.Find, hero, Thing: box, Where: spot), "{spot} {hero} found {box.a}.", "there {hero} found {box.a} {spot}.", "{then} {hero} found {box.a} {spot}.", "{hero} could not believe it: {hero.he} found {box.a} {spot}.");
        hero.Has.Add(box);
        t.Maybe(0.7, "it was [heavy|light|cold|covered with dust|tied with a string] and made a [soft|strange|dull] sound.", "{hero.his} heart beat faster.", "who had put it there?", "{hero} looked around, but nobody was there.", "there were two letters on it, but they were hard to read.");
        t.Say("{hero} opened {box}. inside lay {inside.a}.", "in {box} there was {inside.a}.", "it took a long time to open. inside there was {inside.a}.", "the lid [creaked|fell off|jumped open], and there was {inside.a}.");
        hero.Has.Add(inside);
        t.Note(new StoryEvent(EventKind.Own, hero, Thing: inside));
        t.Maybe(0.6, "“it must belong to somebody,” {hero} thought.", "“a treasure!” {hero} {whispered}.", "for three days {hero} told nobody.", "{hero} wanted to keep it, but it did not feel right.", "“finders keepers,” said a voice in {hero.his} head. another said, “ask first.”");
        t.Beat();
        t.Go(hero, places[1], ask: false);
        t.Meet(hero, owner);
        t.Say("“what do you have there?” {asked} {owner!}.", "{hero} showed {inside} to {owner!}.", "“do you know what this is?” {asked} {hero!}.", "when {owner!} saw {inside}, {owner.he} [grew quiet|had to sit down|put a hand on {owner.his} heart].");
        t.Tell(new StoryEvent(EventKind.Hide, owner, Thing: inside, Where: spot), "long ago {owner} had hidden {inside.full} {spot}.", "as a child {owner} had hidden {inside.full} {spot}.", "it was {owner} who had hidden {inside.full} {spot}, many years ago.");
        t.Maybe(0.6, "“I was as old as you,” {owner!} {said}.", "“and then I could not find it again,” {said} {owner!}.", "“it was a present from somebody I loved,” {said} {owner!}.", "“it has been fifty years!” {said} {owner!}.");
        hero.Has.Remove(inside);
        t.Tell(new StoryEvent(EventKind.Give, hero, owner, inside), "{hero} gave {inside.full} to {owner!}.", "so {hero} gave {inside.full} to {owner!}.", "{hero} did not think long and gave {inside.full} to {owner!}.");
        t.Say("“you have made me very happy,” {said} {owner!}.", "{owner!} laughed and cried at the same time.", "“keep {box},” {said} {owner!}, “and put your own treasures into it.”", "“you are an honest {hero.kind},” {said} {owner!}.", "{then} {owner!} told the whole story, and {hero!} listened until it was dark.");
        t.Moral("a secret is best when it is shared.", "honest hands sleep well.", "old things have stories to tell.");
        t.End();
        t.Titles("The Secret of the {box.noun}", "{hero!} Finds a {box.noun}", "The {inside.bare}");
        t.Summaries("{hero!} found {box.a} with {inside.a} in it and gave {inside.them} back to {owner!}.", "{hero!} found {box.a} {spot}. It belonged to {owner!}, who was very happy to get it back.");
        t.Requests("a {hero.kind} [named|called] {hero!} who finds {box.a}", "{hero!}, who finds something {place0.at}", "a secret {box.noun}", "a secret");
    }
}
