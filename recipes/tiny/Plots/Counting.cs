namespace Gemma.Recipes.Tiny;

/// <summary>Things are gathered, given away and counted.</summary>
internal static class Counting
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        Character friend = t.Friend();
        t["friend"] = friend;
        string noun = t.Chance.Of("apples", "nuts", "shells", "stones", "eggs", "berries", "buttons", "coins", "pears", "feathers", "acorns", "cookies", "flowers", "stamps", "marbles", "leaves", "carrots", "mushrooms", "plums", "candles");
        Place place = Places.Near(t.Chance, 1, hero.Kind.IsAnimal)[0];
        t["place0"] = place;
        int first, second;
        do
        {
            (first, second) = (t.Chance.Between(3, 40), t.Chance.Between(2, 30));
        }
        while (first == second || HeldOut.IsHeldOut(first, second));
        bool takes = t.Chance.Is(0.5) && first - second > 1 && !HeldOut.IsHeldOut(first - second, second);
        int third = takes ? first - second : first + second;
        (t["noun"], t["n1"], t["n2"], t["n3"]) = (noun, Number(first), Number(second), Number(third));
        t["vessel"] = t.Chance.Of("basket", "bag", "bucket", "box", "hat", "jar", "apron", "bowl", "wagon");
        t.About($"{noun}/{first}/{second}/{friend.Name}");
        t.OneDay("{one_day} {hero} took a {vessel} and went to look for {noun}.", "{one_day} {hero} wanted to gather {noun}.", "“how many {noun} can I find?” {hero} thought {one_day}.");
        t.Go(hero, place);
        t.Episode(hero);
        var heap = new Thing(noun, Number(first), true);
        t["heap"] = heap;
        t.Tell(new StoryEvent(EventKind.Find, hero, Thing: heap, What: $"{Number(first)} {noun}", Where: place.At), "{place0.at} {hero} found {n1} {noun}.", "there {hero} found {n1} {noun}.", "{hero} looked {all_day} and found {n1} {noun}.");
        t.Say("{hero} put them into the {vessel}, one by one.", "“that is a lot,” {hero} thought.", "the {vessel} was getting heavy.", "{hero} counted them twice.");
        t.Meet(hero, friend);
        if (takes)
        {
            t.Say("{friend!} had an empty {vessel} and looked {sad}.", "“I have found nothing,” {said} {friend!}.", "“oh, {noun}!” {said} {friend!}. “may I have some?”", "{friend!} had not had such luck.");
            t.Tell(new StoryEvent(EventKind.Give, hero, friend, new Thing(noun, Number(second), true), What: $"{Number(second)} {noun}"), "{hero} gave {n2} {noun} to {friend!}.", "so {hero} gave {n2} {noun} to {friend!}.", "{hero} counted and gave {n2} {noun} to {friend!}.");
            t.Say("now {hero} had {n3} {noun} left.", "then there were {n3} {noun} left in the {vessel}.", "{n1} take away {n2} is {n3}: so many {noun} were left.");
        }
        else
        {
            t.Say("“I have too many,” {said} {friend!}.", "{friend!} had been lucky too.", "“show me yours,” {said} {friend!}. “is that all?”", "{friend!} laughed at the half-empty {vessel}, but not in a bad way.");
            t.Tell(new StoryEvent(EventKind.Give, friend, hero, new Thing(noun, Number(second), true), What: $"{Number(second)} {noun}"), "{friend} gave {n2} {noun} to {hero!}.", "so {friend} gave {n2} {noun} to {hero!}.", "{friend} counted and gave {n2} {noun} to {hero!}.");
            t.Say("now {hero} had {n3} {noun}.", "then there were {n3} {noun} in the {vessel}.", "{n1} and {n2} is {n3}: so many {noun} were in the {vessel} now.");
        }
        t.Say(takes ? "“{thanks},” {said} {friend!}." : "“{thanks},” {said} {hero!}.", "they sat down together and talked.", "“that is what friends are for,” {said} one to the other.", "together they carried everything home.", "“let us go together next time,” {said} {friend!}.");
        t.Maybe(0.6, "at home they [made a fire|put everything on the table|counted once more|showed them to everyone].", "on the way home they [sang|told jokes|made plans|lost only one].", "the {vessel} swung between them.");
        t.Moral("half of much is still enough.", "who gives away gets back.", "it is good to be able to count.");
        t.End();
        t.Titles("Many {noun}", "{hero!} Counts", "How Many {noun}?");
        if (takes) t.Summaries("{hero!} found {n1} {noun} and gave {n2} of them to {friend!}, so that {n3} were left.", "{hero!} shared {noun} with {friend!} and kept {n3}.");
        else t.Summaries("{hero!} found {n1} {noun}, and with {n2} from {friend!} there were {n3}.", "{hero!} gathered {noun}, and {friend!} gave {hero.him} some more.");
        t.Requests("a {hero.kind} [named|called] {hero!} who looks for {noun}", "{hero!}, who counts {noun}", "{noun}", "somebody who gathers {noun}");
    }

    private static string Number(int number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
