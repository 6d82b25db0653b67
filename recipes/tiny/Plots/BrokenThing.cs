namespace Gemma.Recipes.Tiny;

/// <summary>Something is broken and hidden, and the truth is told in the end.</summary>
internal static class BrokenThing
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open(animals: 0.15);
        Thing thing = new(t.Chance.Of("vase", "plate", "lamp", "clock", "window", "cup", "mirror", "bowl", "jar", "teapot", "chair", "statue", "fiddle", "lantern"), t.Chance.Of("blue", "old", "big", "white", "pretty", "green", "painted", "fine", "glass", "yellow"), false);
        t["thing"] = thing;
        Character owner = t.Elder();
        t["owner"] = owner;
        Place place = Places.Near(t.Chance, 1, wild: false)[0];
        t["place0"] = place;
        string spot = t.Chance.Of<string>(place.Spots);
        t["spot"] = spot;
        t.About($"{thing.Bare}/{owner.Name}/{spot}");
        t.Tell(new StoryEvent(EventKind.Own, owner, Thing: thing), "{owner} had {thing.a}[| and was very proud of it| that nobody was allowed to touch| from old times].", "{owner} had {thing.a}, and {hero!} was told to be careful with it.", "the most beautiful thing that {owner} had was {thing.a}.");
        t.OneDay("{one_day} {hero} was alone and [played with a ball|danced through the room|ran around|chased a fly|jumped over chairs].", "{one_day} {hero} wanted to look at {thing} from close by.", "{one_day} {hero} reached for something on the shelf.", "“do not run,” they always said. {one_day} {hero} ran.");
        t.Tell(new StoryEvent(EventKind.Break, hero, Thing: thing), "{hero} slipped and broke {thing.full}.", "one wrong step, and {hero} broke {thing.full}.", "there was a crash. {hero} had broken {thing.full}.", "before {hero.he} knew it, {hero} had broken {thing.full}.");
        t.Maybe(0.7, "{hero} stood there and did not breathe.", "nobody had seen it.", "the pieces lay everywhere.", "only the cat had seen it.", "{hero.his} face was hot, and {hero.his} hands were cold.");
        t.Tell(new StoryEvent(EventKind.Hide, hero, Thing: thing, Where: spot), "quickly {hero} hid {thing.full} {spot}.", "{hero} hid {thing.full} {spot}.", "in {hero.his} fright {hero} hid {thing.full} {spot}, {place0.at}.");
        t.Beat();
        t.Say("{then} {owner!} came and saw that {thing} was gone. “who did this?” {owner.he} asked.", "in the evening {owner!} {asked}, “where is {thing}?”", "“has anybody seen {thing}?” {asked} {owner!}.");
        t.Say("“perhaps it was the wind,” {said} {hero!}.", "“I do not know,” {said} {hero!}, and looked at the floor.", "{hero} said nothing.", "“it was the cat,” {said} {hero!}.");
        t.Maybe(0.8, "that night {hero} lay awake and stared into the dark.", "the supper tasted of nothing.", "the lie was like a stone in {hero's} belly.", "every time {owner!} was kind to {hero!}, it got worse.", "{hero} dreamed of broken pieces that talked.");
        t.Beat();
        t.Say("{next_day} {hero} could bear it no longer. “it was me,” {hero.he} said.", "{at_last} {hero} went to {owner!}. “I have to tell you something,” {hero.he} began.", "“I did it,” {said} {hero!} {next_day}. “I broke it, and then I lied.”");
        t.Say("{owner!} was silent for a while.", "{owner!} looked at {hero!} for a long time.", "{owner!} sighed, but then {owner.he} smiled.", "{hero} waited for hard words, but they did not come.");
        t.Say("“a {thing.noun} can break,” {said} {owner!}, “but you have told the truth, and that is worth more.”", "“I knew it,” {said} {owner!}. “I was waiting for you.”", "“that was harder than breaking a {thing.noun}, was it not?” {said} {owner!}.", "“once I broke something too,” {said} {owner!}, “and I was just as afraid.”");
        t.Say("together they glued the pieces, and it looked almost like new.", "they put the pieces together again, one by one.", "{hero} worked in the garden for a week to pay for it.", "{hero} promised to be careful and never to lie again.", "and {hero} felt as light as a feather.");
        t.Moral("the truth is heavy only until it is told.", "a lie makes a small thing big.", "who tells the truth sleeps well.", "things can be mended, and trust can too.");
        t.End();
        t.Titles("The Broken {thing.noun}", "{hero!} Tells the Truth", "Who Broke the {thing.noun}?");
        t.Summaries("{hero!} broke {thing.full} and hid it {spot}, but then {hero.he} told {owner!} the truth.", "{hero!} broke {thing.a} that belonged to {owner!}. After a bad night {hero.he} told the truth and was forgiven.");
        t.Requests("a {hero.kind} [named|called] {hero!} who breaks {thing.a}", "{hero!}, who tells the truth", "a broken {thing.noun}", "telling the truth");
    }
}
