namespace Gemma.Recipes.Tiny;

/// <summary>A conversation to be tuned on: user and model in turn.</summary>
internal sealed record Conversation(string Kind, IReadOnlyList<(string Says, string Reply)> Turns)
{
    /// <summary>Characters of a story that fits a context of 512 with what is asked about it.</summary>
    public const int LongestStory = 1450;

    private static readonly string[] Lead = ["Read the story and answer the question.", "Read this story.", "Here is a story.", "Answer the question about the story.", "Please read this:"];

    public static Conversation Any(Chance chance, bool heldOut)
    {
        switch (chance.Below(100))
        {
            case < 38: return Questions(chance, heldOut);
            case < 49: return Summary(chance, heldOut);
            case < 61: return Continuation(chance, heldOut);
            case < 69: return Writing(chance, heldOut);
            case < 84: return Sums(chance, heldOut);
            case < 88:
                return new Conversation("words", [.. Enumerable.Range(0, chance.Between(1, 3)).Select(_ => Sum.Told(chance, heldOut))]);
            case < 93:
                PythonFunction function = PythonFunction.Any(chance);
                (string, string) write = (chance.Of($"Write a Python function that {function.Does}.", $"Write a function in Python that {function.Does}.", $"I need a Python function that {function.Does}.", $"Python: a function that {function.Does}."), function.Block);
                (string, string) run = ($"{function.Block}\n\nWhat does {function.Call} return?", function.Reply);
                (string, string) then = ($"What does {function.Call} return?", function.Reply);
                return new Conversation("python", chance.Below(3) switch { 0 => [write], 1 => [run], _ => [write, then] });
            default:
                return new Conversation("talk", [.. Enumerable.Range(0, chance.Between(1, 3)).Select(_ => SmallTalk.Any(chance))]);
        }
    }

    /// <summary>A story that may be learnt from, or one that must not be.</summary>
    public static Story Story(Chance chance, bool heldOut, StoryLength length)
    {
        for (int tries = 0; ; tries++)
        {
            Story story = Plot.Write(chance.Next(), tries < 300 ? length : StoryLength.Brief);
            if (story.Text.Length <= LongestStory && HeldOut.IsHeldOut(story) == heldOut) return story;
        }
    }

    /// <summary>The story, then a question a turn.</summary>
    public static Conversation Questions(Chance chance, bool heldOut)
    {
        while (true)
        {
            Story story = Story(chance, heldOut, chance.Is(0.75) ? StoryLength.Brief : StoryLength.Normal);
            Question[] all = [.. StoryQuestions.Of(story)];
            if (all.Length == 0) continue;
            Question[] asked = chance.Some<Question>(Math.Min(all.Length, chance.Between(1, 5)), all);
            var turns = asked.Select(question => (question.Text, question.Reply)).ToList();
            turns[0] = (Ask(chance, story, asked[0]), asked[0].Reply);
            return new Conversation("questions", turns);
        }
    }

    /// <summary>A question with the story that it is about, as models are measured by it where chance is null.</summary>
    public static string Ask(Chance? chance, Story story, Question question)
    {
        string lead = chance is null ? Lead[0] : chance.Of<string>(Lead);
        return chance is not null && chance.Is(0.15) ? $"{question.Text}\n\n{story.Text}" : $"{lead}\n\n{story.Text}\n\n{question.Text}";
    }

    public const string AskSummary = "Sum up this story.", AskContinuation = "Continue this story.";

    private static Conversation Summary(Chance chance, bool heldOut)
    {
        Story story = Story(chance, heldOut, chance.Is(0.5) ? StoryLength.Brief : StoryLength.Normal);
        string ask = chance.Is(0.5) ? AskSummary : chance.Of("Summarize this story.", "What is this story about?", "Tell me in one or two sentences what happens.", "Give me a short summary.");
        List<(string, string)> turns = [($"{ask}\n\n{story.Text}", story.Summary)];
        if (chance.Is(0.3)) turns.Add(chance.Is(0.5) ? ("Give the story a title.", story.Title) : ("Who is the story about?", story.Hero.Name[..1].ToUpperInvariant() + story.Hero.Name[1..] + "."));
        return new Conversation("summary", turns);
    }

    private static Conversation Continuation(Chance chance, bool heldOut)
    {
        Story story = Story(chance, heldOut, chance.Is(0.7) ? StoryLength.Normal : StoryLength.Long);
        string opening = story.Opening(chance.Between(2, 4));
        string ask = chance.Is(0.6) ? AskContinuation : chance.Of("Go on with this story.", "What happens next?", "Finish this story.", "Continue:");
        return new Conversation("continuation", [($"{ask}\n\n{opening}", story.Text[opening.Length..].Trim())]);
    }

    private static Conversation Writing(Chance chance, bool heldOut)
    {
        Story story = Story(chance, heldOut, chance.Is(0.5) ? StoryLength.Normal : StoryLength.Long);
        string ask = chance.Of("Write a story about {0}.", "Tell me a story about {0}.", "Please tell me a story about {0}.", "Write a short story about {0}.", "I would like to hear a story about {0}.");
        if (chance.Is(0.2)) return new Conversation("writing", [(chance.Of("Tell me a story.", "Write a story.", "Please tell me a story.", "Tell me another story.", "Do you know a story?"), story.Text)]);
        return new Conversation("writing", [(ask.Replace("{0}", story.Request, StringComparison.Ordinal), story.Text)]);
    }

    private static Conversation Sums(Chance chance, bool heldOut)
    {
        int count = chance.Of(1, 2, 4, 6, 8, 10);
        return new Conversation("sums", [.. Enumerable.Range(0, count).Select(_ => Sum.Any(chance, heldOut)).Select(sum => (sum.Asked(chance), sum.Reply))]);
    }
}
