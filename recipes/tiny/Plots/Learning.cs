namespace Gemma.Recipes.Tiny;

/// <summary>Something is difficult, somebody teaches it, and practice does the rest.</summary>
internal static class Learning
{
    private static readonly (string Skill, string Done, string Failure, string Advice)[] Skills =
    [
        ("to swim", "swam across the pond", "swallowed water and coughed", "lie on the water as on a bed"), ("to whistle", "whistled a whole tune", "blew nothing but air", "make your mouth round like a cherry"),
        ("to ride a bicycle", "rode down the whole street", "fell into the bushes", "look ahead, not at your feet"), ("to juggle", "juggled with three apples", "dropped every ball", "watch the highest ball"),
        ("to bake bread", "took a golden loaf out of the oven", "made a loaf as hard as a stone", "give the dough time to rest"), ("to read", "read a whole page aloud", "mixed up all the letters", "say each letter softly to yourself"),
        ("to skate", "skated across the ice", "sat down hard on the ice", "bend your knees"), ("to dance", "danced until the music stopped", "stepped on everyone's toes", "listen to the drum"),
        ("to climb trees", "climbed to the very top", "slid down again and again", "test every branch before you trust it"), ("to sing", "sang so well that people stopped", "made the dogs howl", "breathe from deep down"),
        ("to knit", "knitted a whole sock", "made nothing but knots", "count the loops"), ("to fish", "pulled out a silver fish", "caught an old boot", "be still like a stone"),
        ("to row a boat", "rowed to the other shore", "went round in circles", "pull both oars at the same time"), ("to tie knots", "tied a knot that nobody could open", "tied two fingers together", "go around once more before you pull"),
        ("to play the flute", "played a sweet song", "made a noise like an angry goose", "blow as if you cooled your soup"), ("to draw horses", "drew a horse that seemed to run", "drew something like a table", "begin with the back"),
        ("to tell the time", "knew at once that it was ten past four", "came an hour late", "look at the short hand first"), ("to write letters", "wrote a letter without one mistake", "made a big black spot", "do not press so hard"),
        ("to do a handstand", "walked three steps upside down", "fell over like a sack", "tighten your belly"), ("to skip rope", "skipped a hundred times", "got tangled up in the rope", "jump low and light"),
        ("to count to a hundred", "counted to a hundred without a stop", "always forgot seventy", "count in tens first"), ("to throw far", "threw the ball over the barn", "threw the ball into the soup", "turn your whole body"),
    ];

    public static void Tell(Teller t)
    {
        Character hero = t.Open(animals: 0.25);
        (string skill, string done, string failure, string advice) = t.Chance.Of(Skills);
        (t["skill"], t["done"], t["failure"], t["advice"]) = (skill, done, failure, advice);
        Place place = Places.Near(t.Chance, 1, hero.Kind.IsAnimal)[0];
        t["place0"] = place;
        Character teacher = t.Chance.Is(0.7) ? t.Elder() : t.Friend();
        t["teacher"] = teacher;
        t.About($"{skill}/{teacher.Name}");
        t.OneDay("{hero} saw [some children|the others|a girl|an old man] who knew how {skill}.", "everybody {hero} knew had learned how {skill}, only {hero.he} had not.", "“when I grow up,” {hero} thought, “I want to be good at something.”",
            "“you are too small for that,” the others always told {hero!}.");
        t.Tell(new StoryEvent(EventKind.Want, hero, What: skill), "{hero} wanted {skill}.", "{hero} wanted {skill} more than anything.", "more than anything, {hero} wanted {skill}.", "from that moment on {hero} wanted {skill}.");
        t.Say("so {hero} tried it alone, but {hero.he} {failure}.", "the first time {hero} tried, {hero.he} {failure}.", "{hero} tried and tried, but {hero.he} only {failure}.", "it looked easy, but {hero} {failure}.");
        t.Maybe(0.6, "the others laughed.", "“I will never learn it,” {said} {hero}.", "{hero} [kicked a stone|stamped a foot|sat down in the grass|hid behind a wall and cried].", "{hero} was {sad} and wanted to give up.", "everything hurt, and {hero} was tired.");
        t.Beat();
        hero.Place = place;
        t.Meet(hero, teacher);
        t.Say("“why do you look so {sad}?” {asked} {teacher!}.", "{teacher!} had seen everything.", "“may I tell you something?” {asked} {teacher!}.", "{teacher!} sat down next to {hero!}.", "“everybody falls at first,” {said} {teacher!}.");
        t.Tell(new StoryEvent(EventKind.Teach, teacher, hero, What: skill), "{teacher} taught {hero!} {skill}.", "so {teacher} taught {hero!} {skill}, a little every day.", "it was {teacher} who taught {hero!} {skill}.", "{then} {teacher} taught {hero!} {skill}, {place0.at}.");
        t.Say("“{advice},” {said} {teacher!}.", "“the secret is this,” {teacher!} {whispered}: “{advice}.”", "“{advice}, and do not be in a hurry,” {said} {teacher!}.", "again and again {teacher!} said, “{advice}.”");
        t.Maybe(0.7, "{hero} practiced every [day|morning|evening], in sun and rain.", "every day it went a little better.", "{hero} [practiced before breakfast|practiced until the stars came out|did not miss one day].", "a week went by, and then another.",
            "sometimes {hero} still {failure}, but {hero.he} laughed about it.");
        t.Beat();
        t.Say("and {then} {hero} {done}!", "{at_last} the day came when {hero} {done}.", "{one_day} {hero} {done}, and everyone [clapped|cheered|was amazed].", "{suddenly} it worked: {hero} {done}.");
        t.Say("“{joyword}!” {cried} {teacher!}.", "{teacher!} clapped the loudest.", "“I did it!” {cried} {hero}.", "{hero} could hardly believe it.", "“you see?” {said} {teacher!}. “it was in you all the time.”");
        t.Maybe(0.4, "now the others asked {hero!} to show them.", "{hero} showed it to everyone who wanted to see it.", "and what did {hero} do then? {hero.He} did it again.");
        t.Moral("nobody is born a master.", "practice makes things easy that looked impossible.", "those who do not give up will learn it in the end.", "a good teacher is worth more than a good start.");
        t.End();
        t.Titles("How {hero!} Learned {skill}", "{hero!} Learns Something New", "Try Again, {hero!}");
        t.Summaries("{hero!} wanted {skill}, and {teacher!} taught {hero.him}.", "{hero!} wanted {skill} but {failure}. Then {teacher!} helped, and at last {hero.he} {done}.", "With the help of {teacher!} and a lot of practice, {hero!} learned {skill}.");
        t.Requests("a {hero.kind} [named|called] {hero!} who learns {skill}", "{hero!}, who wants {skill}", "somebody who learns {skill}", "practice");
    }
}
