using System.Globalization;
using System.Text.Json;
using Gemma.Chat;
using Gemma.Generation;

namespace Gemma.Recipes.Tiny;

/// <summary>
/// The held-out tests of a tuned model. Nothing it is asked was in what it learnt from, see <see cref="HeldOut"/>; the questions are the same at every run.
/// Sums, questions and summaries are answered greedily, continuations are drawn as generation_config.json says, or as
/// <see cref="Publish.Sampling"/> where that says nothing, with seeds 1, 2, …
/// </summary>
internal sealed class Measure : IDisposable
{
    private const int SumCount = 500, QuestionCount = 300, SummaryCount = 100, ContinuationCount = 50, ContinuationTokens = 100;
    private const ulong Seed = 20240221;

    private readonly GemmaModel _model;
    private readonly Engine _engine;
    private readonly ChatTemplate _template;
    private readonly GenerationOptions _drawn;

    private Measure(string folder)
    {
        _model = GemmaModel.Load(folder);
        _engine = new Engine(_model);
        _template = ChatTemplate.For(_model);
        _drawn = _model.Defaults?.Temperature is null ? Publish.Sampling : GenerationOptions.For(_model.Defaults);
    }

    public void Dispose()
    {
        _engine.Dispose();
        _model.Dispose();
    }

    /// <summary>Prints a table; false where a bar is missed.</summary>
    public static bool Run(string folder, string dictionary, string? jsonFile, TextWriter log)
    {
        var words = EnglishWords.Load(dictionary);
        using var measure = new Measure(folder);
        List<Proportion> results = [measure.Sums(), .. measure.Questions(), measure.Summaries()];
        (Proportion[] continuations, List<string> unknown, double length, string sample) = measure.Continuations(words);
        results.AddRange(continuations);
        log.WriteLine($"{folder}: sums, questions and summaries greedy; continuations at temperature {measure._drawn.Temperature}, top-k {measure._drawn.TopK}, top-p {measure._drawn.TopP}, seeds 1 to {ContinuationCount}");
        log.WriteLine("test                                                     right    of   share   95 % interval     bar");
        foreach (Proportion result in results)
        {
            (double low, double high) = result.Interval();
            log.WriteLine($"{result.Name,-54} {result.Right,7} {result.Count,5} {100 * result.Share,6:F1} %   {100 * low,5:F1} … {100 * high,5:F1}   {(result.Bar is double bar ? $"{100 * bar,3:F0} % {(result.IsMet ? "met" : "MISSED")}" : "")}");
        }
        log.WriteLine($"continuations have {length:F0} tokens on average");
        log.WriteLine($"words the dictionary lacks: {(unknown.Count == 0 ? "none" : string.Join(", ", unknown.Take(100)))}{(unknown.Count > 100 ? $", and {unknown.Count - 100} more" : "")}");
        log.WriteLine($"\none of the continuations:\n{sample}");
        if (jsonFile is not null) WriteJson(jsonFile, folder, results, length, unknown);
        return results.All(result => result.IsMet);
    }

    private Proportion Sums()
    {
        var chance = new Chance(Seed);
        Sum[] sums = [.. Enumerable.Range(0, SumCount).Select(_ => Uniform(chance))];
        string[] answers = Answer([.. sums.Select(sum => sum.Question)], GenerationOptions.Greedy with { MaxTokens = 24 });
        return new Proportion("sums of two numbers below 100", sums.Zip(answers).Count(pair => IsRight(pair.First, pair.Second)), sums.Length, 0.8);
    }

    /// <summary>Every held-out pair of numbers below 100 is as likely as any other.</summary>
    private static Sum Uniform(Chance chance)
    {
        while (true)
        {
            var sum = new Sum(chance.Below(100), chance.Below(100), Subtracts: false);
            if (sum.IsHeldOut) return sum;
        }
    }

    /// <summary>The number behind the last equals sign, or else the only number, is the result.</summary>
    internal static bool IsRight(Sum sum, string answer)
    {
        string tail = answer[(answer.LastIndexOf('=') + 1)..].Trim().TrimEnd('.');
        return int.TryParse(tail, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number == sum.Result;
    }

    private IEnumerable<Proportion> Questions()
    {
        var chance = new Chance(Seed + 1);
        Dictionary<string, List<(Story Story, Question Question)>> asked = new() { ["Who"] = [], ["What"] = [], ["Where"] = [] };
        while (asked.Values.Any(list => list.Count < QuestionCount / 3))
        {
            Story story = Conversation.Story(chance, heldOut: true, StoryLength.Brief);
            List<Question> all = StoryQuestions.Of(story);
            if (all.Count == 0) continue;
            Question question = chance.Of<Question>([.. all]);
            if (asked[question.Word].Count < QuestionCount / 3) asked[question.Word].Add((story, question)); // one question a story
        }
        int right = 0;
        List<Proportion> kinds = [];
        foreach ((string word, List<(Story Story, Question Question)> list) in asked)
        {
            string[] answers = Answer([.. list.Select(item => Conversation.Ask(null, item.Story, item.Question))], GenerationOptions.Greedy with { MaxTokens = 32 });
            int rightHere = list.Zip(answers).Count(pair => pair.First.Question.IsAnsweredBy(pair.Second));
            kinds.Add(new Proportion($"  {word}", rightHere, list.Count, null));
            right += rightHere;
        }
        return [new Proportion("who, what, where on unseen stories, exact", right, kinds.Sum(kind => kind.Count), 0.6), .. kinds];
    }

    private Proportion Summaries()
    {
        var chance = new Chance(Seed + 2);
        Story[] stories = [.. Enumerable.Range(0, SummaryCount).Select(_ => Conversation.Story(chance, heldOut: true, chance.Is(0.5) ? StoryLength.Brief : StoryLength.Normal))];
        string[] answers = Answer([.. stories.Select(story => $"{Conversation.AskSummary}\n\n{story.Text}")], GenerationOptions.Greedy with { MaxTokens = 80 });
        return new Proportion("summaries that name the main character", stories.Zip(answers).Count(pair => Names(pair.Second, pair.First.Hero.Name)), stories.Length, 0.8);
    }

    private static bool Names(string text, string name) => $" {string.Join(' ', EnglishWords.Split(text))} ".Replace("'s ", " ", StringComparison.Ordinal).Contains($" {name} ", StringComparison.OrdinalIgnoreCase);

    private (Proportion[] Results, List<string> Unknown, double Length, string Sample) Continuations(EnglishWords dictionary)
    {
        var chance = new Chance(Seed + 3);
        string[] openings = [.. Enumerable.Range(0, ContinuationCount).Select(_ => Conversation.Story(chance, heldOut: true, StoryLength.Normal).Opening(3))];
        string[] texts = Answer([.. openings.Select(opening => $"{Conversation.AskContinuation}\n\n{opening}")], _drawn with { MaxTokens = ContinuationTokens }, seeds: true, wholeWords: true);
        string[][] words = [.. texts.Select(text => EnglishWords.Split(text).ToArray())];
        string[] unknown = [.. words.SelectMany(list => list).Where(word => !dictionary.Has(word))];
        int count = words.Sum(list => list.Length);
        return (
            [
                new Proportion("words of continuations that are English", count - unknown.Length, count, 0.98),
                new Proportion("continuations with no 4-gram more than twice", words.Count(list => !Repeats(list)), words.Length, 0.9),
            ],
            [.. unknown.GroupBy(word => word).OrderByDescending(group => group.Count()).Select(group => FormattableString.Invariant($"{group.Key} ({group.Count()})"))],
            texts.Average(text => _model.Tokenizer!.EncodeText(text).Length),
            $"{openings[0]} […] {texts[0]}");
    }

    /// <summary>Whether four words stand together in this order more than twice.</summary>
    internal static bool Repeats(string[] words) =>
        Enumerable.Range(0, Math.Max(0, words.Length - 3)).Select(i => string.Join(' ', words[i..(i + 4)]).ToLowerInvariant()).GroupBy(gram => gram).Any(group => group.Count() > 2);

    private string[] Answer(string[] prompts, GenerationOptions options, bool seeds = false, bool wholeWords = false)
    {
        Sequence[] sequences = [.. prompts.Select((prompt, i) => _engine.Submit(_template.Encode([ChatTurn.User(prompt)]),
            options with { Seed = seeds ? (ulong)i + 1 : 0, StopIds = [_template.EndOfTurnId] }))];
        return [.. sequences.Select(sequence =>
        {
            GenerationResult result = sequence.Completion.GetAwaiter().GetResult();
            // The last word of a text that was cut may be half a word.
            return wholeWords && result.FinishReason == FinishReason.Length ? result.Text[..Math.Max(0, result.Text.LastIndexOf(' '))] : result.Text;
        })];
    }

    private static void WriteJson(string path, string folder, List<Proportion> results, double length, List<string> unknown)
    {
        using FileStream file = File.Create(path);
        using var json = new Utf8JsonWriter(file, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("model", Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)));
        json.WriteStartArray("tests");
        foreach (Proportion result in results)
        {
            (double low, double high) = result.Interval();
            json.WriteStartObject();
            json.WriteString("test", result.Name.Trim());
            json.WriteNumber("right", result.Right);
            json.WriteNumber("of", result.Count);
            json.WriteNumber("share", Math.Round(result.Share, 4));
            json.WriteNumber("low", Math.Round(low, 4));
            json.WriteNumber("high", Math.Round(high, 4));
            if (result.Bar is double bar) json.WriteNumber("bar", bar);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNumber("continuation_tokens", Math.Round(length, 1));
        json.WriteStartArray("words_not_in_dictionary");
        foreach (string word in unknown) json.WriteStringValue(word);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
