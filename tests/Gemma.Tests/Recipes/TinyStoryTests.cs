using System.Text.RegularExpressions;
using Gemma.Recipes.Tiny;

namespace Gemma.Tests.Recipes;

/// <summary>Stories of the recipe: told well, and asked about only where they answer.</summary>
public class TinyStoryTests
{
    private const int Count = 1500;

    private static readonly Story[] Stories = [.. Enumerable.Range(0, Count).Select(seed => Plot.Write((ulong)seed, (StoryLength)(seed % 3)))];

    [Fact]
    public void A_seed_gives_the_same_story()
    {
        for (ulong seed = 0; seed < 100; seed++) Assert.Equal(Plot.Write(seed, StoryLength.Long).Text, Plot.Write(seed, StoryLength.Long).Text);
        Assert.Equal(Count, Stories.Select(story => story.Text).Distinct().Count());
    }

    [Fact]
    public void Every_plot_is_told() => Assert.Equal(Plot.All.Length, Stories.Select(story => story.Plot).Distinct().Count());

    [Fact]
    public void Texts_are_written_properly()
    {
        foreach (Story story in Stories)
        {
            foreach (string text in new[] { story.Text, story.Summary, story.Title, story.Request })
            {
                Assert.DoesNotMatch(@"[\[\]{}|_“”’]|  | [.,!?]|\.\.|,,|[.,]\w", text);
                Assert.DoesNotMatch(@"\b(a [aeio]|an [bcdfgjklmnpqrstvwxyz]|the the|a the|a a|an an|the a|his his|her her|to to)\b", text.Replace("a one", "", StringComparison.Ordinal));
            }
            Assert.DoesNotMatch(@"[.?!] [a-z]", story.Text);
            Assert.Matches(@"[.!?""]$", story.Text);
            Assert.True(story.Text.Count(c => c == '"') % 2 == 0, story.Text);
            Assert.True(char.IsUpper(story.Text.TrimStart('"')[0]), story.Text);
        }
    }

    [Fact]
    public void Summaries_name_the_main_character_who_is_in_the_story()
    {
        foreach (Story story in Stories)
        {
            Assert.Contains(story.Hero.Name, story.Summary, StringComparison.OrdinalIgnoreCase);
            Assert.Contains(story.Hero.Name, story.Text, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public void Nobody_gives_or_loses_what_somebody_else_has()
    {
        foreach (Story story in Stories)
        {
            Dictionary<string, string> holders = [];
            foreach (StoryEvent happens in story.Events)
            {
                string? thing = happens.Thing?.Bare;
                if (thing is null) continue;
                if (happens.Kind is EventKind.Give or EventKind.Lose or EventKind.Plant or EventKind.Eat && holders.TryGetValue(thing, out string? holder))
                    Assert.True(holder == happens.Actor.Name, $"{happens.Actor.Name} has no {thing}, {holder} has: {story.Text}");
                switch (happens.Kind)
                {
                    case EventKind.Own or EventKind.Find or EventKind.Make or EventKind.Buy:
                        holders[thing] = happens.Actor.Name;
                        break;
                    case EventKind.Give:
                        holders[thing] = happens.Other!.Name;
                        break;
                    case EventKind.Lose or EventKind.Plant or EventKind.Eat:
                        holders.Remove(thing);
                        break;
                }
            }
        }
    }

    [Fact]
    public void Answers_stand_in_the_story_as_they_are()
    {
        int asked = 0;
        HashSet<string> words = [];
        foreach (Story story in Stories)
        {
            foreach (Question question in StoryQuestions.Of(story))
            {
                Assert.Contains(question.Answer, story.Text, StringComparison.OrdinalIgnoreCase);
                Assert.DoesNotContain("{", question.Text, StringComparison.Ordinal);
                Assert.True(question.IsAnsweredBy(question.Reply));
                words.Add(question.Word);
                asked++;
            }
            Assert.Equal(StoryQuestions.Of(story).Count, StoryQuestions.Of(story).Select(question => question.Text).Distinct().Count());
        }
        Assert.Equal(["What", "Where", "Who"], words.Order());
        Assert.True(asked > 5 * Count, $"only {asked} questions");
    }

    /// <summary>The text read without the state that it was told from: whoever else it says did the same would make two answers.</summary>
    [Fact]
    public void The_text_alone_gives_the_same_answers()
    {
        int read = 0;
        foreach (Story story in Stories)
        {
            string names = string.Join('|', story.Cast.Select(character => Regex.Escape(character.Name)));
            foreach (Question question in StoryQuestions.Of(story))
            {
                Match asked = Regex.Match(question.Text, @"^Who (?<verb>gave|found|lost|bought|planted|broke|made) (?<thing>the [^?]+?)( to (?<other>[^?]+))?\?$");
                if (!asked.Success) continue;
                string bare = asked.Groups["thing"].Value[4..];
                string other = asked.Groups["other"].Success ? $" to {Regex.Escape(asked.Groups["other"].Value)}" : "";
                MatchCollection told = Regex.Matches(story.Text, $@"\b(?<who>{names}|he|she) (had )?{asked.Groups["verb"].Value} (the|an?|some) {Regex.Escape(bare)}\b{other}", RegexOptions.IgnoreCase);
                foreach (Match match in told)
                {
                    if (match.Groups["who"].Value.ToLowerInvariant() is "he" or "she") continue;
                    Assert.Equal(question.Answer, match.Groups["who"].Value, ignoreCase: true);
                    read++;
                }
            }
        }
        Assert.True(read > Count / 3, $"only {read} answers could be read");
    }
}
