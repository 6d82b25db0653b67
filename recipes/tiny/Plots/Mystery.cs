namespace Gemma.Recipes.Tiny;

/// <summary>Something disappears night after night; a trail leads to somebody who needed it.</summary>
internal static class Mystery
{
    private static readonly (string Clue, string Found)[] Clues =
        [("small footprints in the flour", "the footprints"), ("a trail of crumbs", "the crumbs"), ("a gray feather", "more feathers"), ("muddy paw marks", "the marks"), ("a piece of red wool", "the wool"), ("a strange scratching sound", "the sound"), ("wet spots on the floor", "the wet spots"), ("a line of seeds", "the seeds"), ("tiny tooth marks", "the marks")];

    public static void Tell(Teller t)
    {
        Character hero = t.Open(animals: 0.25);
        Thing food = Things.Food(t.Chance);
        t["food"] = food;
        Character victim = t.Elder();
        t["victim"] = victim;
        Place[] places = Places.Near(t.Chance, 2, hero.Kind.IsAnimal);
        (t["place0"], t["place1"]) = (places[0], places[1]);
        string spot = t.Chance.Of<string>(places[1].Spots);
        t["spot"] = spot;
        (string clue, string found) = t.Chance.Of(Clues);
        (t["clue"], t["found"]) = (clue, found);
        var thief = new Character("the little " + t.Chance.Of("mouse", "raccoon", "magpie", "squirrel", "kitten", "badger", "jackdaw", "monkey", "puppy"), new Kind("thief", IsAnimal: true, IsAdult: true), t.Chance.Is(0.5), "hungry");
        t["thief"] = thief;
        t.About($"{food.Bare}/{clue}/{thief.Name}");
        t.OneDay("{one_day} {victim!} was very upset.", "{one_day} there was a great noise {place0.at}.", "something strange was going on {place0.at}.", "“a thief! a thief!” {cried} {victim!} {one_day}.");
        t.Tell(new StoryEvent(EventKind.Lose, victim, Thing: food, Where: places[0].At), "{victim} had lost {food.full} {place0.at}.", "in the night {victim} had lost {food.full}, {place0.at}.", "for the third time {victim} had lost {food.full} {place0.at}.");
        t.Say("“every morning something is missing,” {said} {victim!}.", "“yesterday {food.it} {food.was} still there,” {said} {victim!}.", "“who would do such a thing?” {asked} {victim!}.", "nobody had seen anything.");
        t.Say("“I will find out who it was,” {said} {hero!}.", "{hero} loved riddles. “leave it to me,” {hero.he} said.", "“let me look at it,” {said} {hero!}, and got down on the floor.");
        t.Go(hero, places[0], ask: false);
        t.Tell(new StoryEvent(EventKind.See, hero, What: clue, Where: places[0].At), "{place0.at} {hero} saw {clue}.", "there {hero} saw {clue}.", "{hero} looked closely and saw {clue}.", "then {hero} saw {clue}.");
        t.Maybe(0.7, "“aha!” {said} {hero}.", "“a clue!” {hero} {whispered}.", "“no {hero.kind} did this,” {hero} thought.", "{hero} drew a picture of it in the dust.", "“very interesting,” {hero} murmured, like a real detective.");
        t.Say("that night {hero} did not go to bed but [waited behind a barrel|hid in a corner|sat in the dark].", "{hero} followed {found}, [left and right|step by step|on hands and knees].", "as soon as it was dark, {hero} hid and waited.", "the moon rose, and {hero} kept very still.");
        t.Maybe(0.5, "an owl called. something moved.", "the clock struck twelve.", "{hero} almost fell asleep.", "the minutes went by like hours.", "there! a shadow!");
        t.Beat();
        t.Go(hero, places[1], ask: false);
        t.Tell(new StoryEvent(EventKind.Find, hero, thief, Where: spot), "there {hero} found {thief} {spot}.", "{spot} {hero} found {thief}.", "{at_last} {hero} found {thief} {spot}.");
        t.Say("{thief!} had {number} young ones, and all of them were hungry.", "beside {thief.him} lay {food.full}.", "“please do not be angry,” {said} {thief!}. “my children had nothing to eat.”", "{thief!} was thin and shook with cold.", "“it was me,” {said} {thief!}, “but the winter is so long.”");
        t.Beat();
        t.Say("{hero} told {victim!} everything.", "{next_day} {hero} brought {victim!} to the place.", "“the riddle is solved,” {hero} told {victim!}.");
        t.Tell(new StoryEvent(EventKind.Give, victim, thief, food), "{victim} was not angry any more and gave {food.full} to {thief}.", "{victim} laughed and gave {food.full} to {thief}.", "“poor thing,” said {victim}, and gave {food.full} to {thief}.");
        t.Say("from then on there was a full bowl at the door every evening.", "and from that night on nothing disappeared again.", "“next time, just ask,” {said} {victim!}.", "“what a clever {hero.kind} you are,” {said} {victim!} to {hero!}.");
        t.Moral("ask why before you are angry.", "who looks closely finds the truth.", "hunger is a bad adviser.");
        t.End();
        t.Titles("The Night Thief", "{hero!} Finds the Thief", "Who Took the {food.noun}?");
        t.Summaries("{hero!} found out that {thief} had taken {food.full}, and {victim!} forgave {thief.him}.", "When {food.full} disappeared, {hero!} followed {clue} and found {thief}.", "{hero!} solved a riddle: it was {thief} who had taken what {victim!} missed.");
        t.Requests("a {hero.kind} [named|called] {hero!} who looks for a thief", "{hero!}, who solves a riddle", "a thief who takes {food.a}", "a mystery");
    }
}
