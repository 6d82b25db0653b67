namespace Gemma.Recipes.Tiny;

/// <summary>Something cannot be done alone; many small helpers can do it.</summary>
internal static class HeavyLoad
{
    private static readonly (string Problem, string Done, string Place)[] Jobs =
    [
        ("to pull up a huge turnip", "out came the turnip, and they all fell over backward", "the garden"), ("to push a cart out of the mud", "with a sucking noise the cart came free", "the swamp"), ("to move a big rock from the road", "the rock rolled down the slope with a crash", "the rocky path"), ("to lift a fallen tree", "the tree was up, and the path was free", "the forest"),
        ("to open the rusty gate", "the gate groaned and swung open", "the rose garden"), ("to get a kite down from the roof", "the kite sailed down, only a little torn", "the farm"), ("to pull a boat onto the shore", "the boat lay dry on the sand", "the beach"), ("to carry a piano up the stairs", "the piano stood in its place and hummed", "the theater"),
        ("to roll a giant snowball up the hill", "the snowball stood on top like a second moon", "the windy hill"), ("to get the cow out of the ditch", "the cow stood on the grass and mooed", "the meadow"), ("to close the broken dam", "not a drop came through any more", "the stream"), ("to ring the big bell", "the bell rang so loudly that everyone heard it", "the village square"),
        ("to bring in the hay before the rain", "the last bundle was under the roof when the first drop fell", "the barn"), ("to paint the long fence", "the whole fence shone in the sun", "the farm"),
    ];

    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        (string job, string done, string where) = t.Chance.Of(Jobs);
        Place place = Places.Named(where);
        (t["job"], t["done"], t["place0"]) = (job, done, place);
        Character[] helpers = new Character[t.Length == StoryLength.Brief ? 2 : 3];
        t.About($"{job}/{place.Name}");
        t.OneDay("{one_day} {hero} came {place0.to}.", "{one_day} there was something to be done {place0.at}.", "{one_day} {hero} got up early, because there was work to do.");
        hero.Place = place;
        t.Detail(place, 0.5);
        t.Tell(new StoryEvent(EventKind.Want, hero, What: job), "{hero} wanted {job}.", "{place0.at} {hero} wanted {job}.", "all alone {hero} wanted {job}.");
        t.Say("{hero} pulled and pushed, but nothing moved.", "{hero} tried it with both hands, but it was no use.", "after an hour {hero} was red in the face, and nothing had happened.", "it was much too hard for one.");
        for (int i = 0; i < helpers.Length; i++)
        {
            Character helper = i == 1 || t.Chance.Is(0.4) ? t.Elder() : t.Friend();
            helpers[i] = helper;
            t[i == 0 ? "first" : i == 1 ? "second" : "third"] = helper;
            if (i > 0) t.Beat(0.15);
            t.Meet(hero, helper);
            t["helper"] = helper;
            t.Say("“will you help me?” {asked} {hero!}.", "“what are you doing there?” {asked} {helper!}.", "“that looks heavy,” {said} {helper!}.", hero.Kind.IsAnimal ? "{helper!} did not ask long." : "{helper!} rolled up both sleeves.");
            t.Tell(new StoryEvent(EventKind.Help, helper, hero), "{helper} helped {hero!}.", "so {helper} helped {hero!}.", "of course {helper} helped {hero!}.", "and {helper} helped {hero!} as well as {helper.he} could.");
            if (i + 1 < helpers.Length) t.Say("but it was still not enough.", "it moved a little, but only a little.", "it creaked, and that was all.", "“we need one more,” {said} {helper!}.", "they tried {number} times, but in vain.");
        }
        t.Say("“one, two, three!” {cried} {hero!}, and {done}.", "“all together now!” {cried} {helper!}. {done}.", "they took a deep breath, and {done}.", "once more, and {done}!");
        t.Say("they laughed until they could not stand.", "“the smallest of us made the difference,” {said} {first!}.", "they sat in the grass and wiped their faces.", "{hero} thanked them all, one after the other.", "“alone I would still be here tomorrow,” {said} {hero!}.");
        t.Moral("what one cannot do, many can.", "many hands make light work.", "the smallest help may be the one that was missing.");
        t.End();
        t.Titles("Too Heavy for One", "{hero!} Needs Help", "All Together");
        t.Summaries("{hero!} wanted {job} and could not do it alone, but {first!} and {second!} helped.", "{hero!} got help from {first!} and {second!}, and together they did it.", "Together with {first!}, {hero!} managed {job}.");
        t.Requests("a {hero.kind} [named|called] {hero!} who wants {job}", "{hero!}, who needs help", "somebody who wants {job}", "working together");
    }
}
