using System.Text.Json;

namespace Gemma.Recipes.Tiny;

/// <summary>How much a text repeats itself: different words, and different runs of four words, in the same number of words.</summary>
internal static class Variety
{
    /// <param name="words">So many words of each text are looked at.</param>
    /// <param name="files">Other texts: .jsonl with a field "text", or plain.</param>
    /// <param name="log">Where the table goes.</param>
    public static void Print(int words, string[] files, TextWriter log)
    {
        log.WriteLine("text                              words   different   once only   different 4-grams   of 100");
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var chance = new Chance(99);
        List<string> stories = [];
        for (long count = 0; count < words;)
        {
            string story = PlainText.StoryAlone(chance, heldOut: false);
            stories.Add(story);
            count += story.Count(c => c == ' ') + 1;
        }
        double seconds = clock.Elapsed.TotalSeconds;
        Print("the generator's stories", stories, words, log);
        foreach (string file in files) Print(Path.GetFileName(file), Texts(file), words, log);
        log.WriteLine($"one thread wrote the stories in {seconds:F2} s; {stories.Count} stories, {words / stories.Count} words each on average");
    }

    private static IEnumerable<string> Texts(string file) => file.EndsWith(".jsonl", StringComparison.Ordinal)
        ? File.ReadLines(file).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("text").GetString()!) : [File.ReadAllText(file)];

    private static void Print(string name, IEnumerable<string> texts, int most, TextWriter log)
    {
        var vocabulary = new Dictionary<string, int>();
        HashSet<(int, int, int, int)> grams = [];
        List<int> counts = [];
        int total = 0, all = 0;
        foreach (string text in texts)
        {
            List<int> ids = [];
            foreach (string word in EnglishWords.Split(text).Take(most - total))
            {
                string key = word.ToLowerInvariant();
                if (!vocabulary.TryGetValue(key, out int id))
                {
                    vocabulary.Add(key, id = vocabulary.Count);
                    counts.Add(0);
                }
                counts[id]++;
                ids.Add(id);
            }
            total += ids.Count;
            for (int i = 0; i + 3 < ids.Count; i++, all++) grams.Add((ids[i], ids[i + 1], ids[i + 2], ids[i + 3]));
            if (total >= most) break;
        }
        log.WriteLine($"{name,-28} {total,10:N0} {vocabulary.Count,11:N0} {counts.Count(count => count == 1),11:N0} {grams.Count,19:N0} {100.0 * grams.Count / Math.Max(1, all),8:F1}");
    }
}
