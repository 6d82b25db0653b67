namespace Gemma.Recipes.Tiny;

/// <summary>A wish comes true, and is not what one had thought.</summary>
internal static class Wish
{
    private static readonly (string Wished, string Bad, string Back)[] Wishes =
    [
        ("to be as big as a tree", "no house was big enough, and nobody could hear the others", "small again"), ("to fly like a bird", "the wind was cold, and there was nobody to talk to", "on the ground"), ("to have it Sunday every day", "all the shops were closed, and soon there was no bread", "in an ordinary week"),
        ("to be invisible", "nobody said hello, and people stepped on every toe", "seen again"), ("to be rich", "everyone wanted something, and nobody wanted to play", "poor and merry"), ("to eat only sweets", "everything hurt, from the teeth to the belly", "at a table with soup"),
        ("to understand all animals", "they talked all night, and mostly complained", "in peace and quiet"), ("to be the king", "there were papers to sign from morning to night", "free to play"), ("to never have to sleep", "the nights were long and lonely", "in a warm bed"), ("to be the fastest of all", "there was nobody left to run with", "as slow as the others"),
        ("to have snow in summer", "the flowers froze, and the bees were hungry", "in the sun"), ("to make no mistakes", "everything was boring, and nobody laughed", "allowed to be wrong"), ("to be grown up", "there was work to do and no time for games", "a child again"), ("to have everything made of gold", "the bread was hard and the bed was cold", "among simple things"),
    ];

    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        (string wish, string bad, string back) = t.Chance.Of(Wishes);
        Place place = Places.Near(t.Chance, 1, wild: true)[0];
        string creature = t.Chance.Of("fish", "fairy", "frog", "star", "gnome", "mouse", "spirit", "swan", "snake", "dwarf", "firefly", "owl", "unicorn", "beetle");
        var magic = new Character("the " + t.Chance.Of("golden ", "tiny ", "silver ", "strange ", "white ", "old ") + creature, new Kind(creature, IsAnimal: true, IsAdult: true), t.Chance.Is(0.5), "magic");
        (t["magic"], t["wish"], t["bad"], t["back"], t["place0"]) = (magic, wish, bad, back, place);
        t["trap"] = t.Chance.Of("in a net", "between two stones", "in a thorn bush", "in a bottle", "under a fallen branch", "in a spider's web", "in the mud", "in a hunter's trap");
        t.About($"{wish}/{magic.Name}/{place.Name}");
        t.OneDay("{one_day} {hero} was not content.", "{one_day} {hero} could not sleep and went out.", "{one_day} {hero} went to fetch water.", "{one_day} {hero} lost the way.");
        t.Go(hero, place, ask: false);
        t.Tell(new StoryEvent(EventKind.See, hero, What: magic.Name, Where: place.At), "{place0.at} {hero} saw {magic}.", "there {hero} saw {magic}.", "{suddenly} {hero} saw {magic} {place0.at}.");
        t.Say("{magic!} was caught {trap} and could not get out.", "“help,” {said} {magic!}, who was caught {trap}.", "it hung {trap} and did not move any more.");
        t.Tell(new StoryEvent(EventKind.Save, hero, magic, Where: place.At), "{hero} saved {magic}.", "very carefully {hero} saved {magic}.", "{hero} did not think twice and saved {magic}.");
        t.Say("“you may make a wish,” {said} {magic!}.", "“for that you have one wish,” {said} {magic!}. “but think well.”", "{magic!} began to shine. “what do you wish for?” {magic.he} asked.");
        t.Tell(new StoryEvent(EventKind.Want, hero, What: wish), "{hero} wanted {wish}.", "{hero} did not have to think: {hero.he} wanted {wish}.", "“I know,” said {hero}, who wanted {wish}.");
        t.Say("there was a flash, and it was so.", "“so be it,” {said} {magic!}.", "nothing happened. but {next_day} it had come true.", "and before {hero} could blink, it had happened.");
        t.Beat();
        t.Say("at first it was wonderful.", "the first day was the best day of all.", "{hero} shouted for joy.", "for a whole week {hero} was happy.");
        t.Say("but {then} {bad}.", "but there was something {hero} had not thought of: {bad}.", "after some time, however, {bad}.", "then it began: {bad}.");
        t.Maybe(0.6, "{hero} was {sad} and lonely.", "“if only I had never wished for it,” {hero} sighed.", "{hero} missed [the old days|the friends|home].", "nobody could help.");
        t.Beat();
        t.Say("so {hero} went back {place0.to} and called.", "{at_last} {hero} ran {place0.to}. “{magic.kind}, where are you?” {hero.he} cried.", "three times {hero} had to call before {magic!} came.");
        t.Say("“I want to be {back},” {said} {hero!}.", "“please,” {said} {hero!}, “let me be {back}.”", "{hero} wished for one thing only: to be {back}.");
        t.Say("{magic!} {smiled}. “now you have learned something,” {magic.he} said, and was gone.", "“that is the wisest wish of all,” {said} {magic!}.", "and so it was. Everything was as before, and yet {hero!} saw it with other eyes.", "“most people come back,” {said} {magic!}, and winked.");
        t.Moral("be careful what you wish for.", "what we have is often what we need.", "who is content is rich.");
        t.End();
        t.Titles("The Wish", "{hero!} and {magic!}", "Be Careful, {hero!}");
        t.Summaries("{hero!} saved {magic}, wished {wish}, and was glad to be {back} in the end.", "{hero!} got a wish from {magic}, but it was not as good as {hero.he} had thought.");
        t.Requests("a {hero.kind} [named|called] {hero!} who has a wish", "{hero!}, who wishes {wish}", "a wish that comes true", "a {magic.kind} that grants a wish");
    }
}
