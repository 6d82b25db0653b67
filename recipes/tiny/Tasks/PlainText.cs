using System.Text;

namespace Gemma.Recipes.Tiny;

/// <summary>The same knowledge as documents, for pretraining.</summary>
internal static class PlainText
{
    public static string StoryAlone(Chance chance, bool heldOut)
    {
        Story story;
        do story = Plot.Write(chance.Next(), chance.Below(10) switch { < 2 => StoryLength.Brief, < 7 => StoryLength.Normal, _ => StoryLength.Long });
        while (HeldOut.IsHeldOut(story) != heldOut);
        return chance.Is(0.2) ? $"{story.Title}\n\n{story.Text}" : story.Text;
    }

    /// <summary>A story, questions with answers, perhaps a summary.</summary>
    public static string StoryAsked(Chance chance, bool heldOut)
    {
        while (true)
        {
            Story story = Conversation.Story(chance, heldOut, chance.Is(0.7) ? StoryLength.Brief : StoryLength.Normal);
            Question[] all = [.. StoryQuestions.Of(story)];
            if (all.Length == 0) continue;
            var text = new StringBuilder(story.Text).Append("\n\n");
            foreach (Question question in chance.Some<Question>(Math.Min(all.Length, 6), all)) text.Append(question.Text).Append(' ').Append(question.Reply).Append('\n');
            if (chance.Is(0.5)) text.Append("\nSummary: ").Append(story.Summary);
            return text.ToString().TrimEnd();
        }
    }

    public static string SumList(Chance chance, bool heldOut)
    {
        bool plain = chance.Is(0.5);
        var text = new StringBuilder();
        for (int i = chance.Between(8, 24); i > 0; i--)
        {
            var sum = Sum.Any(chance, heldOut);
            text.Append(plain ? "" : sum.Question + " ").Append(sum.Reply).Append('\n');
        }
        if (chance.Is(0.3))
        {
            (string question, string answer) = Sum.Told(chance, heldOut);
            text.Append(question).Append(' ').Append(answer);
        }
        return text.ToString().TrimEnd();
    }

    public static string Python(Chance chance, bool heldOut)
    {
        _ = heldOut; // functions are not among what is held out
        var text = new StringBuilder();
        for (int i = chance.Between(1, 4); i > 0; i--)
        {
            PythonFunction function = PythonFunction.Any(chance);
            text.Append($"# A function that {function.Does}.\n{function.Code}\n\n");
            if (chance.Is(0.6)) text.Append($">>> {function.Call}\n{function.Gives}\n\n");
        }
        return text.ToString().TrimEnd();
    }

    public static string Facts(Chance chance, bool heldOut)
    {
        _ = heldOut;
        return string.Join('\n', Enumerable.Range(0, chance.Between(4, 12)).Select(_ => SmallTalk.Fact(chance)).Select(fact => chance.Is(0.5) ? $"{fact.Says} {fact.Reply}" : fact.Reply));
    }
}
