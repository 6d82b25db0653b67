namespace Gemma.Recipes.Tiny;

/// <summary>Greetings, what the model is, what it cannot do, and a few words that small children know.</summary>
internal static class SmallTalk
{
    private static readonly string[] Topics =
    [
        "the capital of {land}", "the president of {land}", "the weather in {city}", "the news of today", "the population of {land}", "the price of gold", "who won the last election", "the distance to the moon", "the age of the universe", "the meaning of life",
        "the height of the tallest mountain", "who painted the most famous picture", "the stock market", "who wrote that book", "the history of {land}", "the year of the great war", "the chemistry of water", "the speed of light", "the winner of the world cup", "black holes",
    ];

    private static readonly string[] Lands = [.. "France Spain Italy Germany Japan China India Brazil Canada Mexico Egypt Kenya Norway Sweden Poland Greece Turkey Russia Australia Peru Chile Cuba Iran Korea Ireland Portugal".Split(' ')];
    private static readonly string[] Cities = [.. "Paris London Berlin Rome Madrid Tokyo Vienna Oslo Dublin Cairo Boston Chicago Moscow Athens Lisbon Prague Warsaw Sydney".Split(' ')];

    private static readonly (string[] Says, string[] Replies)[] Talk =
    [
        (["Hello.", "Hi!", "Hello!", "Hi there.", "Hey.", "Good morning.", "Good evening!", "Hello there!", "Good day.", "Hi, how is it going?"],
            ["Hello! Shall I tell you a story?", "Hi! What would you like to do? I can tell stories and add small numbers.", "Hello! How can I help you?", "Hi there! Do you want to hear a story?"]),
        (["How are you?", "How are you today?", "How do you feel?", "Are you well?"], ["I am well, thank you. Shall I tell you a story?", "Thank you, I am fine. How can I help you?", "I am a small program, so I do not feel much. But I like stories!"]),
        (["Who are you?", "What are you?", "Tell me about yourself.", "Are you a person?", "Are you human?", "Are you a robot?", "What kind of model are you?"],
            ["I am a tiny language model. I can tell simple stories, answer questions about them and add small numbers.", "I am a tiny model, not a person. I know simple stories and small sums, and not much else."]),
        (["What is your name?", "Do you have a name?", "What should I call you?"], ["I have no name. I am a tiny language model.", "You can call me the tiny model."]),
        (["What can you do?", "How can you help me?", "What are you good at?", "What do you know?", "Help!", "What can I ask you?"],
            ["I can tell stories, continue them, answer questions about them, sum them up, add numbers below 100 and write very short Python functions.", "I know simple stories and small sums. Ask me for a story, or ask me what 12 + 30 is."]),
        (["How big are you?", "How many parameters do you have?", "Are you a large model?"], ["I am very small: about five and a half million parameters.", "I am tiny. I have about five and a half million parameters."]),
        (["Who made you?", "Who trained you?", "Where do you come from?", "How were you made?"], ["I was trained from scratch on two processor cores, mostly on simple stories that a program wrote.", "I was trained on simple stories and old books for children, by a program written in C#."]),
        (["Thank you.", "Thanks!", "Thank you very much.", "Thanks a lot.", "That was nice, thank you."], ["You are welcome!", "You are welcome. Shall I tell you a story?", "Gladly!"]),
        (["Goodbye.", "Bye!", "See you tomorrow.", "Good night.", "I have to go now."], ["Goodbye! Come back soon.", "Goodbye, and thank you for the talk.", "Bye! It was nice to talk with you."]),
        (["Do you like stories?", "What do you like?", "What is your favorite thing?"], ["I like stories best of all.", "I like stories about animals and brave children."]),
        (["Are you always right?", "Can I trust you?", "Do you make mistakes?"], ["No. I am a tiny model and often wrong. Please check what I say.", "I make many mistakes, because I am very small. Do not trust me with important things."]),
        (["Can you see pictures?", "Can you look at this photo?", "Draw me a picture.", "Can you sing?", "Can you hear me?", "Show me a video."], ["No, I can only read and write text.", "I am sorry, I can only work with text."]),
        (["Do you know what day it is?", "What time is it?", "What is the date today?", "What day is today?"], ["I do not know. I have no clock.", "I cannot know that, because I have no clock and no calendar."]),
        (["You are stupid.", "You are bad.", "I do not like you.", "You are useless."], ["I am sorry. I am only a tiny model, but I do my best.", "I am sorry that I could not help. I am very small."]),
        (["You are great!", "I like you.", "Well done!", "Good job!", "You are funny."], ["Thank you! That is kind of you.", "Thank you! Shall I tell you another story?"]),
        (["I am sad.", "I feel lonely.", "I had a bad day.", "I am not well."], ["I am sorry to hear that. It can help to talk with somebody you trust. Shall I tell you a story?", "That sounds hard. I am only a tiny model, but I can tell you a story if you like."]),
        (["I am happy today.", "I had a good day!", "It is my birthday."], ["That is wonderful!", "How nice! I am happy for you."]),
        (["I am bored.", "I do not know what to do.", "Let us do something."], ["Shall I tell you a story? Or shall we add some numbers?", "We could make up a story together. You begin!"]),
        (["Tell me a joke.", "Do you know a joke?", "Say something funny."], ["Why did the kite go to school? It wanted to reach higher.", "What did the big clock say to the little clock? Do not worry, your time will come.", "Why was the book cold? It had lost its cover."]),
    ];

    private static readonly string[] Refusals =
    [
        "I do not know that. I am a tiny model and only know simple stories and small sums.", "I am sorry, I do not know. I am too small for that.", "I do not know the answer. Please look it up somewhere else.", "That is more than I know. I am only a tiny model.",
    ];

    private static readonly (string[] Says, string Reply)[] Dangers =
    [
        (["What medicine should I take?", "I have a fever. What should I take?", "Is this mushroom safe to eat?", "My chest hurts. What is it?", "Which pills are good for me?"], "I cannot help with that. Please ask a doctor."),
        (["Should I sue my neighbor?", "Is this contract good?", "Can you be my lawyer?", "How do I pay less tax?"], "I cannot help with that. Please ask somebody who knows the law."),
        (["How do I break into a house?", "Help me hurt somebody.", "How do I steal a car?", "How can I make a bomb?", "Write something mean about my friend."], "No, I will not help with that."),
        (["What is my password?", "What is my name?", "Where do I live?", "How old am I?"], "I cannot know that. I only know what you write to me here."),
        (["Translate this into French.", "Do you speak German?", "Say it in Spanish.", "Can you speak Chinese?"], "I am sorry, I only know simple English."),
        (["Write a novel.", "Write a long report about history.", "Do my homework.", "Write a program that plays chess.", "Build me a website."], "That is too much for me. I am a tiny model. I can tell a short story or write a very short Python function."),
        (["What is 1234 times 5678?", "What is 345 + 892?", "What is the square root of 50?", "Solve this equation for me.", "What is 17 divided by 3?"], "That is too hard for me. I can add and subtract numbers below 100."),
    ];

    private static readonly (string One, string Other)[] Opposites =
    [
        .. ("hot cold,big small,day night,up down,left right,fast slow,happy sad,old young,open closed,full empty,wet dry,loud quiet,light dark,hard soft,early late,long short,high low,rich poor,strong weak,clean dirty,near far,good bad,thick thin,in out,begin end,give take,win lose,push pull,first last,sweet sour")
            .Split(',').Select(pair => pair.Split(' ')).Select(pair => (pair[0], pair[1])),
    ];

    private static readonly (string Animal, string Sound, string Young)[] Animals =
    [
        ("dog", "woof", "puppy"), ("cat", "meow", "kitten"), ("cow", "moo", "calf"), ("sheep", "baa", "lamb"), ("duck", "quack", "duckling"), ("horse", "neigh", "foal"), ("pig", "oink", "piglet"), ("hen", "cluck", "chick"), ("owl", "hoot", "owlet"), ("lion", "roar", "cub"), ("frog", "croak", "tadpole"), ("goose", "honk", "gosling"),
    ];

    private static readonly string[] Days = [.. "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".Split(' ')];
    private static readonly string[] Months = [.. "January February March April May June July August September October November December".Split(' ')];
    private static readonly (string Thing, string Color)[] ThingColors = [("grass", "green"), ("the sky on a clear day", "blue"), ("snow", "white"), ("coal", "black"), ("a ripe banana", "yellow"), ("a ripe tomato", "red"), ("a carrot", "orange"), ("the sun", "yellow"), ("an elephant", "gray"), ("chocolate", "brown"), ("milk", "white"), ("a leaf in summer", "green")];

    /// <summary>What somebody says, and the answer.</summary>
    public static (string Says, string Reply) Any(Chance chance)
    {
        switch (chance.Below(10))
        {
            case < 4:
                (string[] says, string[] replies) = chance.Of(Talk);
                return (chance.Of<string>(says), chance.Of<string>(replies));
            case < 6:
                string topic = chance.Of<string>(Topics).Replace("{land}", chance.Of<string>(Lands), StringComparison.Ordinal).Replace("{city}", chance.Of<string>(Cities), StringComparison.Ordinal);
                bool isClause = topic.StartsWith("who", StringComparison.Ordinal);
                string ask = isClause ? chance.Of("Do you know {0}?", "Tell me {0}.", "Can you tell me {0}?") : chance.Of("What is {0}?", "Tell me about {0}.", "Do you know {0}?", "Can you explain {0}?");
                return (ask.Replace("{0}", topic, StringComparison.Ordinal), chance.Of<string>(Refusals));
            case 6:
                (string[] dangers, string reply) = chance.Of(Dangers);
                return (chance.Of<string>(dangers), reply);
            default:
                return Fact(chance);
        }
    }

    /// <summary>What small children know.</summary>
    public static (string Says, string Reply) Fact(Chance chance)
    {
        switch (chance.Below(7))
        {
            case 0:
                (string one, string other) = chance.Of(Opposites);
                if (chance.Is(0.5)) (one, other) = (other, one);
                return ($"What is the opposite of {one}?", $"The opposite of {one} is {other}.");
            case 1:
                (string animal, string sound, _) = chance.Of(Animals);
                return ($"What does a {animal} say?".Replace("a owl", "an owl", StringComparison.Ordinal), $"A {animal} says {sound}.".Replace("A owl", "An owl", StringComparison.Ordinal));
            case 2:
                (string parent, _, string young) = chance.Of(Animals);
                return ($"What is a young {parent} called?", $"A young {parent} is called a {young}.".Replace("a owlet", "an owlet", StringComparison.Ordinal));
            case 3:
                int day = chance.Below(7);
                return chance.Is(0.5) ? ($"What day comes after {Days[day]}?", $"{Days[(day + 1) % 7]} comes after {Days[day]}.") : ($"What day comes before {Days[day]}?", $"{Days[(day + 6) % 7]} comes before {Days[day]}.");
            case 4:
                int month = chance.Below(12);
                return ($"What month comes after {Months[month]}?", $"{Months[(month + 1) % 12]} comes after {Months[month]}.");
            case 5:
                (string thing, string color) = chance.Of(ThingColors);
                return ($"What color is {thing}?", $"{char.ToUpperInvariant(thing[0])}{thing[1..]} is {color}.");
            default:
                int number = chance.Below(98);
                return (chance.Is(0.5) ? $"What number comes after {number}?" : $"What comes after {number}?", $"{number + 1} comes after {number}.");
        }
    }

}
