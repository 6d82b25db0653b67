namespace Gemma.Recipes.Tiny;

/// <summary>Somebody is sent to buy something, forgets or is held up, and comes home with more, or less.</summary>
internal static class Errand
{
    public static void Tell(Teller t)
    {
        Character hero = t.Open(animals: 0.15);
        Character sender = t.Elder();
        t["sender"] = sender;
        Thing goods = t.Chance.Is(0.6) ? Things.Food(t.Chance) : Things.Tool(t.Chance);
        t["goods"] = goods;
        string shop = t.Chance.Of("at the market", "at the little shop", "at the corner store", "at the mill", "at the fair", "at the harbor", "at the bakery", "at the dairy", "in the next village", "at the big store", "at the flea market", "at the farm gate");
        t["shop"] = shop;
        Place[] places = Places.Near(t.Chance, 2, hero.Kind.IsAnimal);
        (t["place0"], t["place1"]) = (places[0], places[1]);
        Character met = t.Chance.Is(0.5) ? t.Friend() : t.Elder();
        t["other"] = met;
        t.About($"{goods.Bare}/{shop}/{met.Name}");
        t.OneDay("{one_day} {sender!} was [busy|ill|expecting guests|too tired to walk].", "{one_day} {sender!} called {hero!}.", "{one_day} there was nothing left in the house.");
        t.Say("“please bring me {goods.a},” {said} {sender!}.", "“we need {goods.a},” {said} {sender!}. “will you go?”", "{sender!} put {number} coins into {hero's} hand. “{goods.a},” {sender.he} said, “and do not forget it.”");
        t.Say("“{goods.bare}, {goods.bare},” {hero} repeated, so as not to forget.", "{hero} was proud, for it was the first time that {hero.he} went alone.", "{hero} nodded and {went} off.", "“I am as good as back,” {said} {hero}.");
        t.Go(hero, places[0], ask: false);
        t.Episode(hero);
        t.Meet(hero, met);
        t.Say("“come and play with me,” {said} {other!}.", "“can you help me for a moment?” {asked} {other!}.", "{other!} was trying to lift something heavy.", "“do you want to see something?” {asked} {other!}.");
        bool helps = t.Chance.Is(0.6);
        if (helps)
        {
            t.Tell(new StoryEvent(EventKind.Help, hero, met), "{hero} helped {other!}.", "so {hero} helped {other!}, although it was getting late.", "of course {hero} helped {other!}.");
            t.Maybe(0.6, "it took longer than {hero.he} had thought.", "“{thanks},” {said} {other!}.", "when it was done, the sun stood low.");
        }
        else
        {
            t.Say("they played and played, and {hero} forgot everything.", "only one game, {hero} thought. But it became two, and three.", "it was so much fun that {hero} did not think of {goods} any more.");
            t.Say("{then} the church bell rang, and {hero} jumped up.", "“what was it that I had to bring?” {hero} thought, {suddenly}.", "when {hero} looked up, the shadows were long.");
        }
        t.Say("{hero} ran as fast as {hero.he} could.", "now {hero} had to hurry.", "was it too late?");
        hero.Has.Add(goods);
        t.Tell(new StoryEvent(EventKind.Buy, hero, Thing: goods, Where: shop), "{shop} {hero} bought {goods.a}.", "{hero} bought {goods.a} {shop}.", "just before they closed, {hero} bought {goods.a} {shop}.");
        t.Maybe(0.5, "the seller gave {hero.him} a plum for the way.", "there was even a coin left.", "“you were lucky,” {said} the seller. “that was the last.”", "{hero} held it with both arms.");
        t.Beat();
        t.Go(hero, places[1], ask: false);
        hero.Has.Remove(goods);
        t.Tell(new StoryEvent(EventKind.Give, hero, sender, goods), "at home {hero} gave {goods.full} to {sender!}.", "{at_last} {hero} gave {goods.full} to {sender!}.", "out of breath, {hero} gave {goods.full} to {sender!}.");
        t.Say("“where have you been so long?” {asked} {sender!}.", "“you are late,” {said} {sender!}, “but you are here.”", "{sender!} had been waiting at the door.", "“well done,” {said} {sender!}.");
        if (helps) t.Say("{hero} told about {other!}, and {sender!} nodded. “then it was right to be late,” {sender.he} said.", "“I had to help {other!},” {said} {hero!}. “then I am proud of you,” {said} {sender!}.");
        else t.Say("{hero} told the truth, and {sender!} had to laugh. “next time, first the work and then the game,” {sender.he} said.", "“I played too long,” {said} {hero!}. “at least you are honest,” {said} {sender!}.");
        t.Moral("first the work, then the play.", "a promise is a promise.", "who helps on the way arrives with a light heart.");
        t.End();
        t.Titles("{hero!} Goes Shopping", "The Errand", "Do Not Forget the {goods.noun}!");
        t.Summaries("{sender!} sent {hero!} to get {goods.a}, and {hero.he} bought {goods.them} {shop}.", "{hero!} had to bring {goods.a} to {sender!} but met {other!} on the way and came home late.");
        t.Requests("a {hero.kind} [named|called] {hero!} who has to buy {goods.a}", "{hero!}, who is sent to buy something", "an errand", "{hero!} and {other!}");
    }
}
