using System.Globalization;

namespace Gemma.Recipes.Tiny;

/// <summary>The parts of the recipe that are not verbs of <c>gemma</c>; run.sh calls them in order.</summary>
internal static class Program
{
    private const string Usage = """
        usage: dotnet run -c Release --project recipes/tiny -- COMMAND
          generate FOLDER [SEED] [SCALE]      texts and conversations, for training and held out; scale 1 is about 30 million tokens of each
          corpus SOURCE FOLDER                documents of the corpus folder SOURCE that may be used, as JSONL, and what was used and why
          variety [WORDS] [FILE...]           how varied a million words of the generator's stories are, and other texts beside them
          sample [SEED] [COUNT]               some stories, questions and conversations to read
          publish WORK MODELS                 copy the models of run.sh's folder WORK into MODELS, with receipt, loss curve, log and card
          measure MODEL [--words FILE] [--json FILE]   the four held-out tests of a tuned model; exit code 1 where a bar is missed
        """;

    public static int Main(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        try
        {
            switch (args)
            {
                case ["generate", string folder, .. var rest]:
                    Generator.Write(folder, rest.Length > 0 ? ulong.Parse(rest[0]) : 1, rest.Length > 1 ? double.Parse(rest[1]) : 1, Console.Out);
                    return 0;
                case ["corpus", string source, string folder]:
                    Corpus.Write(source, folder, Console.Out);
                    return 0;
                case ["variety", .. var rest]:
                    Variety.Print(rest.Length > 0 ? int.Parse(rest[0]) : 1_000_000, rest.Length > 1 ? rest[1..] : [], Console.Out);
                    return 0;
                case ["sample", .. var rest]:
                    Sample(rest.Length > 0 ? ulong.Parse(rest[0]) : 1, rest.Length > 1 ? int.Parse(rest[1]) : 3);
                    return 0;
                case ["publish", string work, string models]:
                    Publish.Write(work, models, Console.Out);
                    return 0;
                case ["measure", string model, .. var rest]:
                    return Measure.Run(model, Option(rest, "--words") ?? EnglishWords.DefaultFile, Option(rest, "--json"), Console.Out) ? 0 : 1;
                default:
                    Console.Error.WriteLine(Usage);
                    return 2;
            }
        }
        catch (Exception failure) when (failure is GemmaException or FormatException or IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine(failure.Message);
            return failure is UsageException or FormatException ? 2 : 1;
        }
    }

    private static string? Option(string[] args, string name) => Array.IndexOf(args, name) is int at and >= 0 && at + 1 < args.Length ? args[at + 1] : null;

    private static void Sample(ulong seed, int count)
    {
        var chance = new Chance(seed);
        for (int i = 0; i < count; i++)
        {
            Story story = Plot.Write(chance.Next(), chance.Of(StoryLength.Brief, StoryLength.Normal, StoryLength.Long));
            Console.WriteLine($"--- {story.Key}: {story.Title}\n{story.Text}\n\nSummary: {story.Summary}\nRequest: a story about {story.Request}");
            foreach (Question question in StoryQuestions.Of(story)) Console.WriteLine($"{question.Text} {question.Reply}");
        }
        for (int i = 0; i < count; i++)
        {
            var conversation = Conversation.Any(chance, heldOut: false);
            Console.WriteLine($"=== {conversation.Kind}");
            foreach ((string says, string reply) in conversation.Turns) Console.WriteLine($"user: {says}\nmodel: {reply}");
        }
    }
}
