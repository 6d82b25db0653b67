using CsCheck;
using Gemma.Generation;

namespace Gemma.Tests.Generation;

public class SoftmaxTests
{
    [Fact]
    public void Exponential_is_within_a_few_units_of_the_last_place()
    {
        float[] x = [.. Enumerable.Range(0, 200_000).Select(i => -i * 87f / 200_000)];
        float[] y = [.. x];
        Softmax.Exp(y, 0, 1);
        double worst = 0;
        for (int i = 0; i < x.Length; i++) worst = Math.Max(worst, Math.Abs(y[i] / Math.Exp(x[i]) - 1));
        Assert.True(worst < 2.5e-7, $"{worst}");
        float[] edges = [0, -0f, -87.5f, -1000, float.MinValue, float.NegativeInfinity];
        Softmax.Exp(edges, 0, 1);
        Assert.Equal([1f, 1, 0, 0, 0, 0], edges);
    }

    [Fact]
    public void Vector_and_tail_give_the_same_bits()
    {
        float[] values = [.. Enumerable.Range(0, 31).Select(i => -0.37f * i)];
        float[] together = [.. values];
        Softmax.Exp(together, 0, 0.7f);
        for (int i = 0; i < values.Length; i++)
        {
            float[] alone = [values[i]];
            Softmax.Exp(alone, 0, 0.7f);
            Assert.Equal(together[i], alone[0]);
        }
    }

    [Fact]
    public void Maximum_first_index_and_sum_are_those_of_plain_loops()
    {
        Gen.OneOf(Gen.Float[-50, 50], Gen.Int[-3, 3].Select(i => (float)i)).Array[1, 100].Sample(values =>
        {
            float maximum = Softmax.Maximum(values, out bool finite);
            Assert.True(finite);
            Assert.Equal(values.Max(), maximum);
            Assert.Equal(Array.IndexOf(values, maximum), Softmax.IndexOf(values, maximum));
            Assert.Equal(-1, Softmax.IndexOf(values, 51));
            double expected = Math.Log(values.Sum(v => Math.Exp((double)v)));
            Assert.Equal(expected, Softmax.LogSumExp(values, maximum), 1e-6);
        }, seed: "0000000000001", iter: 2000);
    }
}
