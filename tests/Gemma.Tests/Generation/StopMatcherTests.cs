using CsCheck;
using Gemma.Generation;

namespace Gemma.Tests.Generation;

public class StopMatcherTests
{
    [Fact]
    public void However_the_text_is_cut_the_outcome_is_that_of_a_search_over_the_whole()
    {
        Gen<string> letters = Gen.Char['a', 'c'].Array[0, 30].Select(c => new string(c));
        Gen<string> stop = Gen.Char['a', 'c'].Array[1, 5].Select(c => new string(c));
        Gen.Select(letters, stop.Array[0, 4], Gen.Int[1, 5].Array[1, 10]).Sample((text, stops, sizes) =>
        {
            (string expected, string? match) = Naive(text, stops);
            var matcher = new StopMatcher(stops);
            string emitted = "";
            for (int at = 0, piece = 0; at < text.Length; piece++)
            {
                int size = Math.Min(sizes[piece % sizes.Length], text.Length - at);
                emitted += matcher.Append(text.Substring(at, size));
                Assert.StartsWith(emitted, expected, StringComparison.Ordinal); // nothing comes out that would have to be taken back
                at += size;
            }
            emitted += matcher.Flush();
            Assert.Equal(expected, emitted);
            Assert.Equal(match, matcher.Match);
        }, seed: "0000000000001", iter: 20_000);
    }

    /// <summary>The first end of a stop string, and of those that end there the longest.</summary>
    private static (string Text, string? Match) Naive(string text, string[] stops)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            string? match = stops.Where(s => text[..end].EndsWith(s, StringComparison.Ordinal)).MaxBy(s => s.Length);
            if (match is not null) return (text[..(end - match.Length)], match);
        }
        return (text, null);
    }

    [Fact]
    public void What_cannot_be_a_beginning_comes_out_at_once()
    {
        var matcher = new StopMatcher(["\n\nUser:"]);
        Assert.Equal("Hello", matcher.Append("Hello"));
        Assert.Equal("", matcher.Append("\n"));
        Assert.Equal("\n", matcher.Append("\n\n"));
        Assert.Equal("\n\nUs\n", matcher.Append("Us\nx")[..5]);
        Assert.Equal("", matcher.Flush());
    }

    [Fact]
    public void After_a_match_nothing_comes_out()
    {
        var matcher = new StopMatcher(["STOP"]);
        Assert.Equal("a ", matcher.Append("a ST"));
        Assert.Equal("", matcher.Append("OP and more"));
        Assert.Equal("STOP", matcher.Match);
        Assert.Equal("", matcher.Append("more"));
        Assert.Equal("", matcher.Flush());
    }

    [Fact]
    public void Time_is_linear_for_text_that_nearly_matches_all_the_way()
    {
        var matcher = new StopMatcher([new string('a', 1000) + "b"]);
        int emitted = 0;
        string piece = new('a', 1000);
        for (int i = 0; i < 1000; i++) emitted += matcher.Append(piece).Length;
        Assert.Equal(1_000_000 - 1000, emitted);
    }
}
