namespace Gemma.Recipes.Tiny;

/// <summary>Somebody is new, or alone, and a small thing makes friends of two.</summary>
internal static class NewFriend
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        Character friend = t.Friend();
        t["friend"] = friend;
        Place place = Places.Near(t.Chance, 1, hero.Kind.IsAnimal)[0];
        t["place0"] = place;
        Thing thing = t.Chance.Is(0.5) ? Things.Toy(t.Chance) : t.Chance.Is(0.5) ? Things.Food(t.Chance) : Things.Instrument(t.Chance);
        t["thing"] = thing;
        t["from"] = t.Chance.Of("the other side of the mountains", "a faraway land", "the big city", "an island", "the north", "the next valley", "a ship", "a land without snow", "the desert", "the south");
        t["joint"] = t.Chance.Of("build a house of branches", "look for treasure", "fly a kite", "count the boats", "make a dam in the brook", "race to the corner", "play hide and seek", "draw pictures in the sand", "sing a song in two languages", "tell each other stories");
        t.About($"{thing.Bare}/{place.Name}/{friend.Name}");
        t.OneDay("{one_day} somebody new came to [the village|the town|the neighborhood|this part of the world].", "{one_day} {hero} was alone and did not know what to do.", "{one_day} there was a stranger {place0.at}.", "{one_day} {hero} heard a song in a language that {hero.he} did not know.");
        t.Go(hero, place);
        t.Meet(hero, friend);
        t.Say("{friend!} came from {from} and did not know anyone.", "“I come from {from},” {said} {friend!}, so softly that {hero!} could hardly hear it.", "{friend!} had come from {from} only the day before.", "nobody spoke to {friend!}, who came from {from}.");
        t.Maybe(0.7, "the others [looked and whispered|laughed|turned away|went on with their game].", "{friend!} looked at the ground.", "{hero} did not know what to say.", "for a while they only looked at each other.", "{hero} remembered how it was to be alone.");
        friend.Has.Add(thing);
        if (t.Chance.Is(0.5))
        {
            t.Tell(new StoryEvent(EventKind.Own, friend, Thing: thing), "{friend} had {thing.a}.", "in a bag {friend} had {thing.a}.", "{hero!} saw that {friend} had {thing.a}.");
            t.Say("“may I see {thing.them}?” {asked} {hero!}.", "“what do you have there?” {asked} {hero!}.", "“we do not have such a thing here,” {said} {hero!}.");
            friend.Has.Remove(thing);
            t.Tell(new StoryEvent(EventKind.Give, friend, hero, thing), "{friend} gave {thing.full} to {hero!}.", "without a word {friend} gave {thing.full} to {hero!}.", "{friend} smiled for the first time and gave {thing.full} to {hero!}.");
        }
        else
        {
            t.Note(new StoryEvent(EventKind.Own, hero, Thing: thing));
            t.Tell(new StoryEvent(EventKind.Give, hero, friend, thing), "{hero} had an idea and gave {thing.a} to {friend!}.", "{hero} went over and gave {thing.a} to {friend!}.", "{then} {hero} gave {thing.a} to {friend!}.");
            t.Say("{friend!} looked up and {smiled}.", "“for me?” {asked} {friend!}.", "{friend!} did not understand the words, but {friend.he} understood that.", "“{thanks},” {said} {friend!}. It was the first word they had heard from {friend.him}.");
        }
        t.Tell(new StoryEvent(EventKind.Want, hero, What: "to " + t.Text("joint")), "{hero} wanted to {joint}.", "“I know a game,” said {hero}, who wanted to {joint}.", "{then} {hero} wanted to {joint}.");
        t.Say("so they did, {all_day}.", "“let us do it together,” {said} {friend!}.", "and {friend!} knew how to do it even better.", "soon they were laughing so loudly that the others came to look.", "after an hour it was as if they had always known each other.");
        t.Maybe(0.6, "{friend!} taught {hero!} a word, and {hero!} taught one back.", "“at home we do it differently,” {said} {friend!}, and showed how.", "the others came closer. “may we join in?” they asked.", "when it got dark, neither of them wanted to go home.");
        t.Say("“will you come again tomorrow?” {asked} {friend!}.", "“see you tomorrow,” {said} {hero!}.", "from that day on one never saw {hero!} without {friend!}.", "and {friend!} was not a stranger any more.");
        t.Moral("a stranger is a friend one does not know yet.", "a smile is understood everywhere.", "it takes one to begin.", "there is always room for one more.");
        t.End();
        t.Titles("A New Friend", "{hero!} Meets {friend!}", "The Stranger");
        t.Summaries("{hero!} met {friend!}, who was new, and they became friends.", "{friend!} came from {from} and was alone until {hero!} came.", "{hero!} made friends with {friend!} {place0.at}.");
        t.Requests("a {hero.kind} [named|called] {hero!} who meets somebody new", "{hero!}, who finds a friend", "a new friend", "{hero!} and {friend!}");
    }

}
