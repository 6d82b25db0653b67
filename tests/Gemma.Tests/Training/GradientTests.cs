using Gemma.Training;

namespace Gemma.Tests.Training;

/// <summary>Gradients of whole models against central differences of the definition in fp64.</summary>
public class GradientTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(GemmaArchitecture.Gemma1)]
    [InlineData(GemmaArchitecture.Gemma2)]
    [InlineData(GemmaArchitecture.Gemma3)]
    public void Every_parameter_has_the_gradient_that_central_differences_give(GemmaArchitecture architecture)
    {
        GemmaConfig config = TrainingCases.Config(architecture) with { Width = 16, FeedForwardWidth = 16 };
        using ParameterSet parameters = TrainingCases.Parameters(config);
        (int[] Tokens, float[] Weights)[] documents = TrainingCases.Documents(config, 3, 9, 2, 6);
        TrainingBatch batch = TrainingCases.Batch(documents);
        using var model = new TrainingModel(parameters, new TrainingOptions { Threads = 2 });
        Loss loss = model.Step(batch, (float)(1 / batch.Weight));
        Assert.Equal(new ReferenceModel(parameters).Loss(documents), loss.Mean, 1e-5);

        float[] gradients = TrainingCases.Gradients(parameters);
        double[] expected = new double[gradients.Length];
        Parallel.For(0, 4, part =>
        {
            var reference = new ReferenceModel(parameters);
            for (int i = part; i < expected.Length; i += 4) expected[i] = reference.Derivative([(i, 1)], documents);
        });
        foreach (Parameter parameter in parameters.Parameters)
        {
            int first = (int)parameter.Offset;
            double largest = expected.Skip(first).Take(parameter.Count).Max(Math.Abs), difference = 0;
            for (int i = first; i < first + parameter.Count; i++) difference = Math.Max(difference, Math.Abs(expected[i] - gradients[i]));
            output.WriteLine(FormattableString.Invariant($"{parameter.Spec.GgufName,-32} largest gradient {largest:E2}, largest difference {difference:E1}"));
            Assert.True(largest > 1e-4, $"{parameter.Spec.GgufName} has no part in the loss");
            Assert.True(difference < 1e-5 + 1e-4 * largest, FormattableString.Invariant($"{parameter.Spec.GgufName}: a gradient differs by {difference}"));
        }
    }

    /// <summary>A direction for each kind of tensor, in all layers at once: along what the gradient says matters, and a random part, in which an error of any part shows.</summary>
    [Theory]
    [InlineData("gemma1-mqa")]
    [InlineData("gemma1-mha")]
    [InlineData("gemma2-gqa")]
    [InlineData("gemma3-text")]
    public void Golden_models_have_the_gradients_that_central_differences_give(string name)
    {
        using ParameterSet parameters = TrainingCases.Golden(name);
        (int[] Tokens, float[] Weights)[] documents = TrainingCases.Documents(parameters.Config, 5, 20, 3);
        TrainingBatch batch = TrainingCases.Batch(documents);
        using var model = new TrainingModel(parameters);
        model.Step(batch, (float)(1 / batch.Weight));
        double worst = 0;
        Parallel.ForEach(parameters.Parameters.GroupBy(parameter => parameter.Spec.Role), new ParallelOptions { MaxDegreeOfParallelism = 4 }, () => new ReferenceModel(parameters),
            (group, _, reference) =>
        {
            var random = new Random((int)group.Key);
            var direction = new List<(long, double)>();
            double computed = 0;
            foreach (Parameter parameter in group)
            {
                double length = Math.Sqrt(Squares(parameter.Gradients));
                for (int i = 0; i < parameter.Count; i++)
                {
                    double factor = 3 * (random.NextDouble() - 0.5) / Math.Sqrt(parameter.Count) + parameter.Gradients[i] / length;
                    direction.Add((parameter.Offset + i, factor));
                    computed += factor * parameter.Gradients[i];
                }
            }
            double expected = reference.Derivative(direction, documents), error = Math.Abs(expected - computed) / Math.Abs(expected);
            lock (documents) worst = Math.Max(worst, error);
            Assert.True(error < 2e-5, FormattableString.Invariant($"{group.Key}: expected {expected}, found {computed}"));
            return reference;
        }, _ => { });
        output.WriteLine(FormattableString.Invariant($"{name}: largest relative error {worst:E1}"));
    }

    private static double Squares(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values) sum += (double)value * value;
        return sum;
    }
}
