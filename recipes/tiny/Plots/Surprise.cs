namespace Gemma.Recipes.Tiny;

/// <summary>Everybody seems to have forgotten a birthday.</summary>
internal static class Surprise
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open();
        Character friend = t.Friend();
        t.Present(friend);
        Character elder = t.Elder();
        t["elder"] = elder;
        Place[] places = Places.Near(t.Chance, 2, hero.Kind.IsAnimal);
        (t["place0"], t["place1"]) = (places[0], places[1]);
        Thing gift = Things.Belonging(t.Chance), cake = new(t.Chance.Of("cake", "pie", "tart", "pudding"), t.Chance.Of("big", "round", "chocolate", "cherry", "honey", "apple", "nut", "lemon"), false);
        (t["gift"], t["cake"]) = (gift, cake);
        t["excuse"] = t.Chance.Of("I have no time today", "I must go to the dentist", "I have to wash my hair", "my foot hurts", "I have so much to do", "perhaps tomorrow", "I am in a hurry", "I promised to help at home");
        t.About($"{gift.Bare}/{cake.Bare}/{places[1].Name}");
        t.OneDay("it was {hero's} birthday.", "{hero} woke up and knew at once what day it was: {hero.his} birthday!", "“today is my birthday,” {hero} thought when {hero.he} woke up.", "{hero} had a birthday, and it was a {sky} one.");
        t.Say("but nobody said a word about it.", "{hero} ran into the kitchen, but nobody was there.", "on the table there was no cake and no present.", "“good morning,” was all that anybody said.");
        t.Go(hero, places[0]);
        t.Meet(hero, friend);
        t.Say("“do you know what day it is?” {asked} {hero!}. “Tuesday,” {said} {friend!}.", "“shall we play?” {asked} {hero!}. “{excuse},” {said} {friend!}, and ran away.", "{friend!} said only, “{excuse},” and was gone.", "{friend!} hid something behind {friend.his} back and did not stay.");
        t.Say("{hero} was {sad}. had everyone forgotten?", "“nobody thinks of me,” {hero} sighed.", "{hero} walked around alone and kicked a stone.", "it was the saddest birthday in the world.");
        t.Maybe(0.5, "even the {animal} on the fence seemed to look away.", "{hero} counted the clouds. there were seven.", "{hero} ate an apple and pretended it was cake.");
        t.Beat();
        t.Say("in the {time_of_day} {elder!} came. “will you help me carry something {place1.to}?”", "{then} {elder!} called, “{hero!}, come quickly {place1.to}!”", "“I have lost something {place1.at},” {said} {elder!}. “please help me look for it.”");
        t.Go(hero, places[1], ask: false);
        elder.Place = friend.Place = places[1];
        t.Say("“surprise!” {cried} many voices.", "it was dark. {then} all the lights went on. “surprise!”", "and there they all were, with lanterns and flowers.", "{suddenly} everyone jumped out and sang.");
        t.Tell(new StoryEvent(EventKind.Make, elder, Thing: cake), "{elder} had made {cake.a}.", "on the table stood a candle for every year, because {elder} had made {cake.a}.", "{elder} had got up early and made {cake.a}.");
        t.Tell(new StoryEvent(EventKind.Give, friend, hero, gift), "{friend} gave {gift.a} to {hero!}.", "then {friend} gave {gift.a} to {hero!}.", "last of all {friend} gave {gift.a} to {hero!}.");
        t.Say("“did you think we had forgotten?” {asked} {friend!}.", "“you should have seen your face,” {said} {friend!}, and laughed.", "“I almost told you,” {said} {friend!}. “it was so hard.”", "{hero} laughed and cried.", "now {hero} understood why everyone had been so strange.");
        t.Maybe(0.6, "they danced until the moon came up.", "they played games, and {hero!} won twice.", "there was music, and even {elder!} danced.", "every guest got a piece, and the {animal} got the crumbs.");
        t.Moral("friends do not forget.", "the best surprises need a secret.", "one should not be sad too early.");
        t.End();
        t.Titles("The Surprise", "{hero!} Has a Birthday", "The Forgotten Birthday");
        t.Summaries("{hero!} thought that everyone had forgotten the birthday, but there was a surprise party {place1.at}.", "It was {hero!}'s birthday, and {friend!} and {elder!} had planned a surprise.", "{hero!} was sad on the birthday until the friends jumped out and {friend!} gave {hero.him} {gift.a}.");
        t.Requests("a {hero.kind} [named|called] {hero!} who has a birthday", "the birthday of {hero!}", "a surprise party", "a birthday");
    }
}
