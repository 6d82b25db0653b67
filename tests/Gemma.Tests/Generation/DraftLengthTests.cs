using Gemma.Generation;

namespace Gemma.Tests.Generation;

/// <summary>Guessing goes as far as it pays, by times that are made up here: no test waits for a clock.</summary>
public class DraftLengthTests
{
    private static PassTime Time(double seconds, double secondsPerRow)
    {
        var time = new PassTime();
        foreach (int rows in (int[])[1, 2, 5, 1, 9, 3]) time.Add(rows, seconds + rows * secondsPerRow);
        return time;
    }

    [Fact]
    public void What_a_row_costs_is_told_from_what_drifts_and_what_is_new_counts_more()
    {
        PassTime time = Time(0.040, 0.005);
        Assert.Equal(0.005, time.SecondsPerRow, 1e-9);
        Assert.Equal(0.045, time.Seconds(1), 1e-9);
        for (int i = 0; i < 300; i++) time.Add(1 + i % 4, 0.020 + 0.002 * (1 + i % 4)); // another program ended
        Assert.Equal(0.002, time.SecondsPerRow, 1e-5);
        Assert.Equal(0.024, time.Seconds(2), 1e-5);
        for (int i = 0; i < 300; i++) time.Add(1, 0.030); // of more rows nothing new is known
        Assert.Equal(0.002, time.SecondsPerRow, 1e-3);
        Assert.Equal(0.030, time.Seconds(1), 1e-5);
        for (int i = 0; i < 300; i++) time.Add(1 + i % 4 / 2, 0.030 + i * 0.0001 + 0.002 * (1 + i % 4 / 2)); // and slower by and by
        Assert.Equal(0.002, time.SecondsPerRow, 3e-4);
    }

    [Fact]
    public void Before_anything_is_known_of_several_rows_they_cost_what_is_usual()
    {
        var time = new PassTime();
        Assert.False(time.IsKnown);
        time.Add(1, 0.040);
        Assert.Equal(0.005, time.SecondsPerRow, 1e-9);
        Assert.Equal(0.040, time.Seconds(1), 1e-9);
    }

    [Fact]
    public void Guesses_that_are_right_make_drafts_longer_and_wrong_ones_end_them_until_another_trial()
    {
        PassTime time = Time(0.040, 0.005);
        var draft = new DraftLength();
        int first = draft.Choose(4, time, 1);
        Assert.InRange(first, 2, 8);
        for (int i = 0; i < 10; i++) draft.Learn(4, 4, 4);
        Assert.InRange(draft.Choose(4, time, 1), first + 4, DraftLength.Most);
        for (int i = 0; i < 30; i++) draft.Learn(4, 4, 0);
        int[] later = [.. Enumerable.Range(0, 128).Select(_ => draft.Choose(4, time, 1))];
        Assert.Equal(2, later.Count(count => count > 0));
        Assert.True(draft.Choose(16, time, 1) > 4); // longer matches are another matter
    }

    [Fact]
    public void Where_rows_cost_as_much_as_passes_nothing_is_guessed()
    {
        Assert.Equal(0, new DraftLength().Choose(16, Time(0, 0.010), 1));
        // Sixteen answers share a pass: a token's share of it is small, a row costs the same.
        PassTime time = Time(0.040, 0.005);
        Assert.Equal(0, new DraftLength().Choose(2, time, 16));
        Assert.True(new DraftLength().Choose(16, time, 1) > 4);
    }
}
