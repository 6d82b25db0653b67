using CsCheck;
using Gemma.Training;

namespace Gemma.Tests.Training;

public class LearningRateTests
{
    [Fact]
    public void It_rises_in_a_straight_line_and_falls_as_its_shape_says()
    {
        var rate = new LearningRate { Peak = 1, WarmUpSteps = 4, FinalShare = 0.2f, DecaySteps = 4 };
        Assert.Equal([0.25f, 0.5f, 0.75f, 1f], Enumerable.Range(1, 4).Select(step => rate.At(step, 12)));
        // Half-way through the eight steps that are left, and at the end.
        Assert.Equal((0.6f, 0.2f), At(LearningRateShape.Cosine, 8, 12));
        Assert.Equal((0.6f, 0.2f), At(LearningRateShape.Linear, 8, 12));
        Assert.Equal((1f, 1f), At(LearningRateShape.Constant, 8, 12));
        Assert.Equal((1f, 0.2f), At(LearningRateShape.WarmUpStableDecay, 8, 12));
        Assert.Equal((0.6f, 0.2f), At(LearningRateShape.WarmUpStableDecay, 10, 12));
        // A quarter of a half cosine: (1 + cos 45°) / 2 of what falls.
        Assert.Equal(0.2 + 0.8 * (1 + Math.Sqrt(0.5)) / 2, (rate with { Shape = LearningRateShape.Cosine }).At(6, 12), 1e-6);

        (float Then, float AtLast) At(LearningRateShape shape, int step, int steps) => (Round((rate with { Shape = shape }).At(step, steps)), Round((rate with { Shape = shape }).At(steps, steps)));
        static float Round(float value) => MathF.Round(value, 6);
    }

    [Fact]
    public void It_is_never_above_its_peak_nor_below_its_end_and_after_the_warm_up_never_rises() =>
        Gen.Select(Gen.Int[1, 500], Gen.Double[0, 1], Gen.Double[0, 1], Gen.Float[0, 1], Gen.Enum<LearningRateShape>()).Sample((steps, warm, decay, share, shape) =>
        {
            var rate = new LearningRate
            {
                Peak = 0.01f,
                Shape = shape,
                WarmUpSteps = (int)(warm * (steps - 1)),
                DecaySteps = Math.Max(1, (int)(decay * (steps - (int)(warm * (steps - 1))))),
                FinalShare = share,
            };
            rate.Validate(steps);
            float[] rates = [.. Enumerable.Range(1, steps).Select(step => rate.At(step, steps))];
            Assert.All(rates, value => Assert.InRange(value, 0, rate.Peak));
            float[] after = rates[rate.WarmUpSteps..];
            Assert.All(after, value => Assert.True(value >= rate.Peak * (share - 1e-6f)));
            Assert.All(after.Zip(after.Skip(1)), pair => Assert.True(pair.Second <= pair.First));
            Assert.Equal(shape == LearningRateShape.Constant ? rate.Peak : rate.Peak * share, rates[^1], rate.Peak * 1e-5f);
        });

    [Fact]
    public void What_cannot_work_is_named()
    {
        var rate = new LearningRate { Peak = 1e-3f };
        Assert.Equal("learning rate: peak: expected a number above 0, found 0", Refusal(rate with { Peak = 0 }));
        Assert.Equal("learning rate: warm-up: expected 0 to 100 steps, the whole run, found 101", Refusal(rate with { WarmUpSteps = 101 }));
        Assert.Equal("learning rate: decay: expected 1 to 60 steps, what the warm-up leaves, found 61",
            Refusal(rate with { WarmUpSteps = 40, DecaySteps = 61, Shape = LearningRateShape.WarmUpStableDecay }));
        Assert.Contains("final share", Refusal(rate with { FinalShare = 1.5f }), StringComparison.Ordinal);

        static string Refusal(LearningRate rate) => Assert.Throws<UsageException>(() => rate.Validate(100)).Message;
    }
}
