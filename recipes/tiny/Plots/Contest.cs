namespace Gemma.Recipes.Tiny;

/// <summary>A contest, won or lost, where something else turns out to be worth more.</summary>
internal static class Contest
{
    private static readonly (string Name, string Start, string Boast)[] Contests =
    [
        ("the race", "they all ran", "nobody is as fast as I am"), ("the swimming race", "they all jumped into the water", "I swim like a fish"), ("the baking contest", "they all stirred and kneaded", "nobody bakes like me"), ("the singing contest", "one after the other stepped forward and sang", "the birds learn from me"),
        ("the kite contest", "the kites went up one after the other", "my kite will touch the moon"), ("the boat race", "the boats left the shore", "my boat is like an arrow"), ("the sack race", "they all hopped off", "I hop like a rabbit"), ("the riddle contest", "the first riddle was read", "there is no riddle I cannot solve"),
        ("the snowman contest", "they all rolled big balls of snow", "mine will be the tallest"), ("the jumping contest", "one after the other took a run", "I jump like a frog"), ("the painting contest", "they all opened their paints", "I am the best painter far and wide"), ("the climbing contest", "they all grabbed the first branch", "I climb like a cat"),
        ("the dancing contest", "the music began", "my feet never get tired"), ("the quiz", "the first question came", "I know everything"),
    ];

    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        Character rival = t.Friend(), judge = t.Elder();
        (string contest, string start, string boast) = t.Chance.Of(Contests);
        Place place = Places.Near(t.Chance, 1, hero.Kind.IsAnimal)[0];
        Thing prize = t.Chance.Is(0.5) ? Things.Treasure(t.Chance) : Things.Food(t.Chance);
        (t["rival"], t["judge"], t["contest"], t["start"], t["boast"], t["place0"], t["prize"]) = (rival, judge, contest, start, boast, place, prize);
        t.About($"{contest}/{rival.Name}/{prize.Bare}");
        t.OneDay("{one_day} {judge!} [hung up a sign|rang a bell|told everyone]: soon there would be {contest}.", "once a year there was {contest}, {place0.at}.", "“will you come to {contest}?” {asked} {judge!}.", "all were talking about {contest}.");
        t.Tell(new StoryEvent(EventKind.Want, hero, What: $"to win {contest}"), "{hero} wanted to win {contest}.", "this time {hero} wanted to win {contest}.", "{hero} had only one thought: {hero} wanted to win {contest}.");
        t.Say("the prize was {prize.a}.", "the winner would get {prize.a}.", "{prize.a} would be the prize.");
        t.Maybe(0.6, "{hero} practiced every day.", "the night before {hero} could not sleep.", "“just do your best,” they told {hero!} at home.", "{hero} got up before the sun to practice.");
        t.Say("“{boast},” {said} {rival!}.", "{rival!} laughed at {hero!}. “{boast},” {rival.he} said.", "“you have no chance,” {rival!} told {hero!}. “{boast}.”", "{rival!} was there too and wished {hero!} good luck.");
        t.Beat();
        t.Go(hero, place, ask: false);
        rival.Place = judge.Place = place;
        t.Say("“ready, steady, go!” {cried} {judge!}, and {start}.", "{judge!} gave the sign, and {start}.", "{then} {judge!} blew a horn, and {start}.");
        t.Maybe(0.6, "{hero.his} heart beat like a drum.", "at first {rival!} was ahead.", "for a long time nobody could say who was better.", "the people clapped and shouted.", "{hero} did not look left or right.");
        switch (t.Chance.Below(3))
        {
            case 0:
                t.Say("{rival!} was so sure of {rival.his} luck that {rival.he} stopped for a little rest.", "{rival!} kept looking at the people and waving, and did not pay attention.", "in the middle of it {rival!} began to laugh at the others.");
                t.Say("but {hero} went on, slowly and surely.", "{hero} did not stop.", "{hero} saw nothing and heard nothing and did {hero.his} best.");
                t.Tell(new StoryEvent(EventKind.Win, hero, What: contest), "and so {hero} won {contest}.", "in the end {hero} won {contest}.", "nobody had expected it, but {hero} won {contest}.");
                Prize(t, judge, hero, prize, "winner");
                t.Say("“next time I will not laugh,” {said} {rival!}.", "{rival!} looked at the ground. “well done,” {rival.he} said.", "{hero} shared the prize with {rival!}.", "“that was fair,” {said} {rival!}.");
                t.Summaries("{hero!} won {contest} because {rival!} was too sure of {rival.himself}.", "{hero!} took part in {contest} and won {prize.a}.", "Although {rival!} had laughed, {hero!} won {contest}.");
                t.Moral("slow and steady wins the race.", "pride comes before a fall.", "do not laugh before the end.");
                break;
            case 1:
                t.Say("{suddenly} {rival!} fell and cried out.", "{then} something went wrong: {rival!} got hurt.", "not far from the end {rival!} stumbled and stayed on the ground.");
                t.Say("{hero} could have won now. but {hero.he} turned around.", "{hero} stopped. what was a prize worth now?", "the others went on, but {hero} did not.");
                t.Tell(new StoryEvent(EventKind.Help, hero, rival), "{hero} helped {rival!}.", "so {hero} helped {rival!} and came in last.", "{hero} went back and helped {rival!}.");
                Prize(t, judge, hero, prize, "kindest");
                t.Say("“one can win in many ways,” {said} {judge!}.", "everyone clapped, and {rival!} clapped loudest of all.", "“I would not have done that,” {said} {rival!} softly. “but next time I will.”");
                t.Summaries("{hero!} could have won {contest} but helped {rival!} instead.", "In {contest}, {hero!} stopped to help {rival!} and got a prize for it.");
                t.Moral("a good heart is the best prize.", "there are things that count more than winning.");
                break;
            default:
                t.Tell(new StoryEvent(EventKind.Win, rival, What: contest), "but it was {rival} who won {contest}.", "in the end {rival} won {contest}.", "{rival} was better that day and won {contest}.");
                Prize(t, judge, rival, prize, "winner");
                t.Say("{hero} was {sad}, but {hero.he} went over and shook {rival!}'s hand.", "{hero} swallowed {hero.his} tears and said, “well done.”", "“you were very good,” {said} {hero!} to {rival!}.");
                t.Say("“will you teach me?” {asked} {hero!}. “gladly,” {said} {rival!}.", "“let us practice together,” {said} {rival!}, and so they did.", "{rival!} shared the prize with {hero!}, and they became friends.", "“next year,” {said} {hero!}, and {smiled}.");
                t.Summaries("{hero!} wanted to win {contest}, but {rival!} won, and the two became friends.", "{hero!} lost {contest} to {rival!} and was a good loser.");
                t.Moral("who can lose with a smile has won too.", "there is always a next time.");
                break;
        }
        t.End();
        t.Titles("{contest}", "{hero!} at {contest}", "Who Will Win?");
        t.Requests("a {hero.kind} [named|called] {hero!} who wants to win {contest}", "{hero!} and {contest}", "{contest}", "a contest");
    }

    private static void Prize(Teller t, Character judge, Character winner, Thing prize, string role)
    {
        t["champion"] = winner;
        t["role"] = role;
        t.Tell(new StoryEvent(EventKind.Give, judge, winner, prize), "{judge} gave {prize.full} to {champion!}.", "then {judge} gave {prize.full} to {champion!}, the {role} of the day.", "with a bow {judge} gave {prize.full} to {champion!}.");
    }
}
