using Gemma.Training;

namespace Gemma.Tests.Training;

public class SpikeDetectorTests
{
    [Fact]
    public void Nothing_is_said_before_enough_is_known_nor_where_nobody_asks()
    {
        SpikeDetector detector = new(10, 64), off = new(0, 64);
        for (int i = 0; i < 15; i++)
        {
            detector.Add(3);
            off.Add(3);
        }
        Assert.Null(detector.Limit);
        detector.Add(3);
        off.Add(3);
        Assert.NotNull(detector.Limit);
        Assert.Null(off.Limit);
    }

    [Fact]
    public void The_limit_is_so_many_deviations_above_the_median_and_wild_losses_do_not_move_it()
    {
        var detector = new SpikeDetector(10, 64);
        // Median 3, median distance 0.1.
        for (int i = 0; i < 60; i++) detector.Add(3 + 0.1 * (i % 2 == 0 ? 1 : -1));
        Assert.Equal(3 + 10 * 1.4826 * 0.1, detector.Limit!.Value, 1e-9);
        for (int i = 0; i < 4; i++) detector.Add(1e6);
        Assert.InRange(detector.Limit.Value, 4.4, 6.1);
    }

    [Fact]
    public void Losses_that_hardly_vary_make_no_leap_of_nothing_and_only_the_last_ones_count()
    {
        var detector = new SpikeDetector(10, 20);
        for (int i = 0; i < 20; i++) detector.Add(8);
        Assert.Equal(8.8, detector.Limit!.Value, 1e-9);
        for (int i = 0; i < 20; i++) detector.Add(2);
        Assert.Equal(2.2, detector.Limit.Value, 1e-9);
        var other = new SpikeDetector(10, 20) { Losses = detector.Losses };
        Assert.Equal(detector.Limit, other.Limit);
    }
}
