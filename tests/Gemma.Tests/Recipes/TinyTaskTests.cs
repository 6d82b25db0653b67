using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gemma.Recipes.Tiny;
using Gemma.Tests.Formats;

namespace Gemma.Tests.Recipes;

/// <summary>What the recipe's models learn from and are asked.</summary>
public class TinyTaskTests
{
    [Fact]
    public void The_same_seed_writes_the_same_bytes_and_no_held_out_sum_or_story_is_learnt()
    {
        using var folder = new TemporaryFolder();
        string first = folder["first"], second = folder["second"];
        Generator.Write(first, 3, 0.02, TextWriter.Null);
        Generator.Write(second, 3, 0.02, TextWriter.Null);
        string[] files = [.. Directory.GetFiles(first).Select(file => Path.GetFileName(file)!).Order()];
        Assert.Equal(13, files.Length);
        foreach (string file in files) Assert.Equal(File.ReadAllBytes(Path.Combine(first, file)), File.ReadAllBytes(Path.Combine(second, file)));

        HashSet<string> learnt = [], heldOut = [];
        foreach (string file in files.Where(file => file.EndsWith(".jsonl", StringComparison.Ordinal)))
        {
            bool isHeldOut = file.Contains(".heldout.", StringComparison.Ordinal);
            foreach (string line in File.ReadLines(Path.Combine(first, file)))
            {
                string text = Text(line);
                foreach (Match sum in Regex.Matches(text, @"\b(\d+) ([+-]) (\d+) = (\d+)\b"))
                {
                    int a = Number(sum.Groups[1].Value), b = Number(sum.Groups[3].Value), result = Number(sum.Groups[4].Value);
                    bool subtracts = sum.Groups[2].Value == "-";
                    Assert.Equal(subtracts ? a - b : a + b, result);
                    Assert.Equal(isHeldOut, new Sum(a, b, subtracts).IsHeldOut);
                }
                foreach (string paragraph in text.Split('\n').Where(paragraph => paragraph.Length > 150)) (isHeldOut ? heldOut : learnt).Add(paragraph);
            }
        }
        Assert.True(learnt.Count > 1000 && heldOut.Count > 100);
        Assert.Empty(learnt.Intersect(heldOut));
    }

    [Fact]
    public void A_story_is_held_out_by_what_it_is_about_however_it_is_worded()
    {
        var chance = new Chance(1);
        HashSet<string> learnt = [], heldOut = [];
        for (int i = 0; i < 1000; i++)
        {
            Story story = Plot.Write(chance.Next(), StoryLength.Brief);
            (HeldOut.IsHeldOut(story) ? heldOut : learnt).Add(story.Key);
        }
        Assert.InRange(heldOut.Count, 10, 50); // one in forty
        Assert.Empty(learnt.Intersect(heldOut));
        Assert.InRange(Enumerable.Range(0, 100).Sum(a => Enumerable.Range(0, 100).Count(b => HeldOut.IsHeldOut(a, b))), 1000, 1500); // one in eight
        Assert.All(Enumerable.Range(0, 99), a => Assert.Equal(HeldOut.IsHeldOut(a, a + 1), HeldOut.IsHeldOut(a + 1, a)));
    }

    [Fact]
    public void Conversations_take_turns_and_fit_the_context()
    {
        var chance = new Chance(5);
        HashSet<string> kinds = [];
        for (int i = 0; i < 1500; i++)
        {
            var conversation = Conversation.Any(chance, heldOut: i % 4 == 0);
            kinds.Add(conversation.Kind);
            Assert.NotEmpty(conversation.Turns);
            Assert.All(conversation.Turns, turn => Assert.True(turn.Says.Length > 0 && turn.Reply.Length > 0));
            Assert.InRange(conversation.Turns.Sum(turn => turn.Says.Length + turn.Reply.Length), 1, 1950);
        }
        Assert.Equal(["continuation", "python", "questions", "summary", "sums", "talk", "words", "writing"], kinds.Order());
    }

    [Fact]
    public void Problems_in_words_are_solved_rightly()
    {
        var chance = new Chance(8);
        for (int i = 0; i < 500; i++)
        {
            (string question, string answer) = Sum.Told(chance, heldOut: false);
            int[] asked = [.. Regex.Matches(question, @"\d+").Select(match => Number(match.Value))], said = [.. Regex.Matches(answer, @"\d+").Select(match => Number(match.Value))];
            Assert.Equal(2, asked.Length);
            bool subtracts = question.Contains("fewer", StringComparison.Ordinal) || question.Contains(" of them to ", StringComparison.Ordinal) || question.Contains("takes", StringComparison.Ordinal) || question.Contains("lost", StringComparison.Ordinal);
            int result = subtracts ? asked[0] - asked[1] : asked[0] + asked[1];
            Assert.Equal([asked[0], asked[1], result, result], said);
        }
    }

    [Fact]
    public void Python_says_the_same_of_every_function()
    {
        var chance = new Chance(13);
        PythonFunction[] functions = [.. Enumerable.Range(0, 1000).Select(_ => PythonFunction.Any(chance))];
        Assert.True(functions.Select(function => function.Does.Split(' ')[0]).Distinct().Count() > 8);
        var program = new StringBuilder("import sys\n");
        foreach (PythonFunction function in functions)
            program.Append(CultureInfo.InvariantCulture, $"{function.Code}\nif repr({function.Call}) != {JsonSerializer.Serialize(function.Gives)}: sys.exit({JsonSerializer.Serialize(function.Reply)} + ' It gives ' + repr({function.Call}))\n");
        using var folder = new TemporaryFolder();
        string file = folder["functions.py"];
        File.WriteAllText(file, program.ToString());
        Process? python = null;
        try
        {
            python = Process.Start(new ProcessStartInfo("python3", file) { RedirectStandardError = true });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("there is no python3 on this machine");
        }
        string mistakes = python!.StandardError.ReadToEnd();
        python.WaitForExit();
        Assert.True(python.ExitCode == 0, mistakes);
    }

    [Fact]
    public void An_answer_to_a_sum_counts_by_its_result()
    {
        var sum = new Sum(27, 58, false);
        Assert.All(["27 + 58 = 85.", "85", "85.", " 27 + 58 = 85"], answer => Assert.True(Measure.IsRight(sum, answer)));
        Assert.All(["27 + 58 = 86.", "", "27 + 58 =", "85 apples", "858"], answer => Assert.False(Measure.IsRight(sum, answer)));
    }

    [Fact]
    public void Repetition_and_shares_are_counted_as_published()
    {
        Assert.False(Measure.Repeats([.. "a b c d e a b c d".Split(' ')]));
        Assert.True(Measure.Repeats([.. "a b c d x a b c d y A b c d".Split(' ')]));
        Assert.False(Measure.Repeats(["a", "b"]));
        (double low, double high) = new Proportion("", 80, 100, null).Interval();
        Assert.Equal(0.7112, low, 0.0001); // Wilson
        Assert.Equal(0.8666, high, 0.0001);
        Assert.Equal(["It's", "Anna's", "can't", "he", "said"], EnglishWords.Split("It's Anna's 12 can't, 'he' said."));
    }

    [Fact]
    public void Without_a_dictionary_it_is_said_what_to_do()
    {
        UsageException missing = Assert.Throws<UsageException>(() => EnglishWords.Load("/there/is/none"));
        Assert.Contains("wamerican", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_corpus_the_receipt_says_so()
    {
        using var folder = new TemporaryFolder();
        Corpus.Write(folder["none"], folder["corpus"], TextWriter.Null);
        Assert.Contains("\"corpus_found\": false", File.ReadAllText(Path.Combine(folder["corpus"], "receipt.json")), StringComparison.Ordinal);
        Assert.Single(Directory.GetFiles(folder["corpus"]));
    }

    private static int Number(string digits) => int.Parse(digits, CultureInfo.InvariantCulture);

    private static string Text(string line)
    {
        JsonElement root = JsonDocument.Parse(line).RootElement;
        return root.TryGetProperty("text", out JsonElement text) ? text.GetString()! : string.Join('\n', root.GetProperty("messages").EnumerateArray().Select(message => message.GetProperty("content").GetString()));
    }
}
