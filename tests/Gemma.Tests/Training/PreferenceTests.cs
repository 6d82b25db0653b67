using Gemma.Training;

namespace Gemma.Tests.Training;

/// <summary>Direct preference optimisation against its definition in fp64.</summary>
public class PreferenceTests
{
    private const float Beta = 0.4f;

    [Theory]
    [InlineData(GemmaArchitecture.Gemma1)]
    [InlineData(GemmaArchitecture.Gemma2)]
    [InlineData(GemmaArchitecture.Gemma3)]
    public void The_loss_and_its_gradient_are_those_of_the_definition(GemmaArchitecture architecture)
    {
        GemmaConfig config = TrainingCases.Config(architecture) with { Width = 16, FeedForwardWidth = 16 };
        using ParameterSet parameters = TrainingCases.Parameters(config);
        (int[] Tokens, float[] Weights)[] answers = TrainingCases.Documents(config, 3, 9, 5, 6, 7, 4, 12);
        double[] reference = [-3.1, -2.7, -5, -1, -4.4, -9];
        var batch = new TrainingBatch { PreferenceBeta = Beta };
        for (int i = 0; i < answers.Length; i += 2)
            batch.AddPair(answers[i].Tokens, answers[i].Weights, answers[i + 1].Tokens, answers[i + 1].Weights, reference[i], reference[i + 1]);
        Assert.Equal(3, batch.Weight);
        using var model = new TrainingModel(parameters);
        Loss loss = model.Step(batch, 1f / 3), evaluated = model.Evaluate(batch);
        var twin = new ReferenceModel(parameters);
        Assert.Equal(Definition(twin).Loss, loss.Sum, 1e-5);
        Assert.Equal(loss.Sum, evaluated.Sum);
        Assert.Equal(3, loss.Weight);
        (double Loss, double Chosen, double Rejected, double Right) expected = Definition(twin);
        Assert.Equal(["rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"], loss.Metrics.Select(metric => metric.Name));
        Assert.Equal(expected.Chosen, loss.Metrics[0].Sum, 1e-5);
        Assert.Equal(expected.Rejected, loss.Metrics[1].Sum, 1e-5);
        Assert.Equal(expected.Chosen - expected.Rejected, loss.Metrics[2].Sum, 1e-5);
        Assert.Equal(expected.Right, loss.Metrics[3].Sum);

        foreach (Parameter parameter in parameters.Parameters)
        {
            double length = Math.Sqrt(parameter.Gradients.ToArray().Sum(value => (double)value * value));
            List<(long, double)> direction = [];
            for (int i = 0; i < parameter.Count; i++) direction.Add((parameter.Offset + i, parameter.Gradients[i] / length));
            double derivative = twin.Derivative(direction, () => Definition(twin).Loss / 3);
            Assert.Equal(derivative, length, 1e-4 * derivative);
        }

        (double Loss, double Chosen, double Rejected, double Right) Definition(ReferenceModel model)
        {
            double sum = 0, chosen = 0, rejected = 0, right = 0;
            for (int i = 0; i < answers.Length; i += 2)
            {
                double first = Beta * (model.LogProbability(answers[i].Tokens, answers[i].Weights) - reference[i]);
                double second = Beta * (model.LogProbability(answers[i + 1].Tokens, answers[i + 1].Weights) - reference[i + 1]);
                sum -= Math.Log(1 / (1 + Math.Exp(second - first)));
                chosen += first;
                rejected += second;
                right += first > second ? 1 : 0;
            }
            return (sum, chosen, rejected, right);
        }
    }

    [Fact]
    public void Where_nothing_was_learnt_yet_the_loss_is_ln_2_and_steps_make_the_chosen_likelier()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma1);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        (int[] Tokens, float[] Weights)[] answers = TrainingCases.Documents(config, 3, 9, 12);
        using var model = new TrainingModel(parameters);
        double[] reference = model.LogProbabilities(TrainingCases.Batch(answers));
        var batch = new TrainingBatch();
        batch.AddPair(answers[0].Tokens, answers[0].Weights, answers[1].Tokens, answers[1].Weights, reference[0], reference[1]);
        Assert.Equal(reference, model.LogProbabilities(batch));
        Assert.Equal(Math.Log(2), model.Evaluate(batch).Mean, 1e-9);
        using var optimizer = new AdamW(parameters, new AdamWOptions { WeightDecay = 0 });
        for (int step = 0; step < 5; step++)
        {
            model.Step(batch, 1);
            optimizer.Step(1e-3f);
        }
        Loss after = model.Evaluate(batch);
        Assert.True(after.Mean < Math.Log(2));
        Assert.Equal(1, after.Metrics.Single(metric => metric.Name == "rewards/accuracies").Sum);
        Loss both = after + after;
        Assert.Equal(2, both.Metrics.Single(metric => metric.Name == "rewards/accuracies").Sum);
        Assert.Equal(after.Mean, both.Mean, 1e-12);
    }

    [Fact]
    public void A_batch_is_of_documents_or_of_pairs()
    {
        var batch = new TrainingBatch();
        batch.Add([1, 2, 3]);
        Assert.Throws<InvalidOperationException>(() => batch.AddPair([1, 2], [0, 1], [1, 3], [0, 1], 0, 0));
        batch.Clear();
        batch.AddPair([1, 2], [0, 1], [1, 3], [0, 1], 0, 0);
        batch.AddPair([1, 2], [0, 1], [1, 3], [0, 1], 0, 0);
        Assert.Throws<InvalidOperationException>(() => batch.Add([1, 2, 3]));
        Assert.Throws<ArgumentException>(() => batch.AddPair([1, 2], [0], [1, 3], [0, 1], 0, 0));
        Assert.Equal(2, batch.Weight);
    }
}
