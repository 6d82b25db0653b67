using Gemma.Training;

namespace Gemma.Tests.Training;

public class AdamWTests
{
    [Fact]
    public void Steps_are_those_of_the_definition()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma3, vocabulary: 523);
        var options = new AdamWOptions { Beta1 = 0.9f, Beta2 = 0.99f, WeightDecay = 0.3f, ClipNorm = 0.5f };
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using var optimizer = new AdamW(parameters, options);
        int count = (int)parameters.Count;
        double[] values = new double[count], means = new double[count], squares = new double[count];
        foreach (Parameter parameter in parameters.Parameters)
            for (int i = 0; i < parameter.Count; i++) values[parameter.Offset + i] = parameter.Values[i];
        var random = new Random(5);
        for (int step = 1; step <= 5; step++)
        {
            // The first gradients are clipped, the last are not.
            double size = step <= 2 ? 0.1 : 1e-3, sum = 0;
            double[] gradients = new double[count];
            foreach (Parameter parameter in parameters.Parameters)
            {
                for (int i = 0; i < parameter.Count; i++)
                {
                    var gradient = (float)(size * (random.NextDouble() - 0.5));
                    parameter.Gradients[i] = gradient;
                    gradients[parameter.Offset + i] = gradient;
                    sum += (double)gradient * gradient;
                }
            }
            double norm = Math.Sqrt(sum), clip = Math.Min(1, options.ClipNorm / norm), rate = 0.01 * step;
            Assert.Equal(step <= 2, clip < 1);
            Assert.Equal(norm, optimizer.Step((float)rate), 1e-9 * norm);
            Assert.Equal(step, optimizer.StepCount);
            foreach (Parameter parameter in parameters.Parameters)
            {
                for (int i = 0; i < parameter.Count; i++)
                {
                    long at = parameter.Offset + i;
                    double gradient = gradients[at] * clip;
                    means[at] = options.Beta1 * means[at] + (1 - options.Beta1) * gradient;
                    squares[at] = options.Beta2 * squares[at] + (1 - options.Beta2) * gradient * gradient;
                    double mean = means[at] / (1 - Math.Pow(options.Beta1, step)), square = squares[at] / (1 - Math.Pow(options.Beta2, step));
                    if (parameter.Decays) values[at] -= rate * options.WeightDecay * values[at];
                    values[at] -= rate * mean / (Math.Sqrt(square) + options.Epsilon);
                    Assert.Equal(values[at], parameter.Values[i], 1e-5);
                    Assert.Equal(means[at], optimizer.Means(parameter)[i], 1e-7);
                    Assert.Equal(squares[at], optimizer.Squares(parameter)[i], 1e-8);
                    Assert.Equal(0, parameter.Gradients[i]);
                }
            }
        }
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma2, vocabulary: 1999);
        using ParameterSet left = TrainingCases.Parameters(config), right = TrainingCases.Parameters(config);
        using AdamW one = new(left, threads: 1), two = new(right, threads: 2);
        var random = new Random(9);
        for (int step = 0; step < 3; step++)
        {
            for (int p = 0; p < left.Parameters.Length; p++)
                for (int i = 0; i < left.Parameters[p].Count; i++) left.Parameters[p].Gradients[i] = right.Parameters[p].Gradients[i] = random.NextSingle() - 0.5f;
            Assert.Equal(one.Step(0.01f), two.Step(0.01f));
        }
        for (int p = 0; p < left.Parameters.Length; p++) Assert.True(left.Parameters[p].Values.SequenceEqual(right.Parameters[p].Values));
    }

    [Fact]
    public void Gradients_that_are_not_finite_change_nothing()
    {
        using ParameterSet parameters = TrainingCases.Parameters(TrainingCases.Config(GemmaArchitecture.Gemma1));
        using var optimizer = new AdamW(parameters);
        float[] before = parameters.Parameters[0].Values.ToArray();
        parameters.Parameters[0].Gradients[3] = float.NaN;
        Assert.True(double.IsNaN(optimizer.Step(0.1f)));
        Assert.Equal(before, parameters.Parameters[0].Values.ToArray());
        Assert.Equal(0, optimizer.StepCount);
        Assert.True(float.IsNaN(parameters.Parameters[0].Gradients[3]));
    }
}
