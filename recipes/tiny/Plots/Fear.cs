namespace Gemma.Recipes.Tiny;

/// <summary>Somebody is afraid of something, until it matters more to be brave.</summary>
internal static class Fear
{
    private static readonly (string What, string Sign, string Truth)[] Fears =
    [
        ("the dark", "held a candle all night", "the dark is only the day asleep"), ("thunder", "hid under the blanket when clouds came", "thunder is only loud air"), ("deep water", "never went in above the knees", "water carries those who trust it"),
        ("big dogs", "crossed the road when one barked", "most dogs only want to play"), ("high places", "held on to every railing", "one need not look down"), ("spiders", "screamed at every web", "they are more afraid than we are"),
        ("strangers", "hid when there was a knock at the door", "a stranger is a friend one does not know yet"), ("the wind", "covered both ears at night", "the wind only sings in the chimney"), ("ghosts", "looked under the bed {number} times a night", "a white sheet is only a sheet"),
        ("the old well", "walked around it in a wide circle", "it was only an echo that answered"), ("the forest", "always took the long way around", "the trees only whisper"), ("snakes", "jumped at every stick", "most snakes run away"),
        ("speaking in front of others", "turned red and silent", "everybody has a beating heart"), ("being alone", "followed others from room to room", "one is good company for oneself"), ("cows", "climbed on the fence at once", "cows are only curious"),
    ];

    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        (string what, string sign, string truth) = t.Chance.Of(Fears);
        (t["what"], t["truth"]) = (what, truth);
        t["sign"] = sign.Replace("{number}", "three", StringComparison.Ordinal);
        Character other = t.Chance.Is(0.6) ? t.Friend() : t.Elder();
        t["other"] = other;
        Place[] places = Places.Near(t.Chance, 2, hero.Kind.IsAnimal);
        (t["danger"], t["place0"]) = (places[0], places[1]);
        t.About($"{what}/{other.Name}/{places[0].Name}");
        t.Tell(new StoryEvent(EventKind.Fear, hero, What: what), "there was one thing: {hero} was afraid of {what}.", "but {hero} was afraid of {what}.", "{hero} was afraid of {what}.", "only one thing was wrong. {hero} was afraid of {what}.", "nobody knew that {hero} was afraid of {what}.");
        t.Maybe(0.8, "{hero} {sign}.", "if there was any talk of it, {hero.he} [went pale|began to shake|left the room].", "the others laughed about it, and that made it worse.", "{hero} did not tell anyone.");
        t.OneDay("{one_day} {hero!} and {other!} were {place0.at}.", "{one_day} {other!} asked {hero!} to come along {place0.to}.", "{one_day} {hero} was {place0.at} when {other!} came by.");
        (hero.Place, other.Place) = (places[1], places[1]);
        t.Detail(places[1], 0.5);
        t.Say("{then} {other!} wanted to have a look at {danger} and went on alone.", "“I will only be gone for a minute,” {said} {other!}, and went {danger.to}.", "{other!} ran ahead {danger.to}.");
        other.Place = places[0];
        t.Tell(new StoryEvent(EventKind.Hear, hero, What: "a cry"), "{suddenly} {hero} heard a cry.", "{then} {hero} heard a cry.", "it was quiet. {then} {hero} heard a cry.");
        t.Say("“help! I cannot get out!” It was {other!}.", "“help me!” {cried} {other!} from far away.", "it was the voice of {other!}. “please come!”");
        t.Say("but the way there led through what {hero} feared most: {what}.", "{hero} wanted to run, but between {hero.him} and {other!} there was {what}.", "and of all things there had to be {what}!");
        t.Say("{hero.his} knees shook. {hero.his} heart beat like a drum.", "{hero} closed {hero.his} eyes, took a deep breath and went.", "“I am afraid,” {hero} thought, “but I will go.”", "{hero} counted to three and ran.", "step by step {hero} went on, although {hero.his} legs did not want to.");
        t.Go(hero, places[0], ask: false);
        t.Tell(new StoryEvent(EventKind.Save, hero, other, Where: places[0].At), "{danger.at} {hero} saved {other!}.", "{hero} saved {other!} {danger.at}.", "with both hands {hero} pulled and pulled and saved {other!} {danger.at}.");
        t.Say("“you came!” {said} {other!}. “and I thought you were afraid.”", "“how brave you are!” {cried} {other!}.", "“{thanks},” {whispered} {other!}.", "{other!} held on to {hero!} for a long time.");
        t.Say("only then did {hero} notice that the fear was gone.", "and {what}? {hero} had forgotten all about it.", "“you know,” {said} {hero!}, “{truth}.”", "“I was afraid all the time,” {said} {hero!}. “but you needed me.”", "since that day {hero} knew: {truth}.");
        t.Moral("to be brave is to be afraid and to go all the same.", "{truth}.", "fear is big only as long as one runs away from it.", "love is stronger than fear.");
        t.End();
        t.Titles("{hero!} Is Afraid", "The Brave {hero.kind}", "{hero!} and {what}");
        t.Summaries("{hero!} was afraid of {what}, but {hero.he} saved {other!} all the same.", "{hero!} was afraid of {what}. When {other!} was in danger, {hero.he} forgot the fear and helped.");
        t.Requests("a {hero.kind} [named|called] {hero!} who is afraid of {what}", "{hero!}, who is afraid of {what}", "somebody who is afraid of {what}", "being brave");
    }
}
