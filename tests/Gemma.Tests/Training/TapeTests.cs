using Gemma.Training;
using Gemma.Training.Cpu;

namespace Gemma.Tests.Training;

/// <summary>The tape by itself: whatever is computed of its logits, and parameters that are not trained.</summary>
public class TapeTests
{
    public static TheoryData<GemmaArchitecture> Architectures => [.. Enum.GetValues<GemmaArchitecture>()];

    /// <summary>Logits of all rows, their gradient made outside, through the head, the soft cap and the rows that were asked for.</summary>
    [Theory]
    [MemberData(nameof(Architectures))]
    public unsafe void Any_gradient_of_the_logits_runs_back_through_the_whole_model(GemmaArchitecture architecture)
    {
        GemmaConfig config = TrainingCases.Config(architecture);
        int[][] documents = [.. TrainingCases.Documents(config, 3, 30, 7, 12).Select(document => document.Tokens)];
        using ParameterSet fused = TrainingCases.Parameters(config), apart = TrainingCases.Parameters(config);
        var training = new TrainingBatch();
        var batch = new Batch();
        var targets = new List<int>();
        foreach (int[] tokens in documents)
        {
            // Of the second document only the last token is predicted.
            bool last = tokens == documents[1];
            batch.Add(tokens.AsSpan(0, tokens.Length - 1), last ? LogitRows.Last : LogitRows.All);
            targets.AddRange((int[])(last ? [tokens[^1]] : tokens[1..]));
            training.Add(tokens, [.. tokens.Select((_, i) => last && i < tokens.Length - 1 ? 0f : 1f)]);
        }
        using (var model = new TrainingModel(fused)) model.Step(training, 0.25f);

        using var backend = new CpuTrainingBackend(apart, Precision.Float32, 2);
        var tape = new Tape<DenseMatrix>(backend);
        var transformer = new Transformer<Variable<DenseMatrix>>(config, TrainingModel.WeightsOf(apart), tape);
        for (int round = 0; round < 2; round++)
        {
            apart.ClearGradients();
            Variable<DenseMatrix> logits = transformer.Forward(batch);
            Assert.Equal(targets.Count, logits.Value.Rows);
            DenseMatrix gradient = backend.Copy(logits.Value);
            for (int row = 0; row < gradient.Rows; row++)
            {
                var values = new Span<float>(gradient.RowPointer(row), gradient.Columns);
                double sum = 0;
                foreach (float value in values) sum += Math.Exp(value);
                for (int i = 0; i < values.Length; i++) values[i] = (float)(0.25 * (Math.Exp(values[i]) / sum - (i == targets[row] ? 1 : 0)));
            }
            tape.Backward(logits, gradient);
            backend.Free(gradient);
            tape.Clear();
            Assert.True(TrainingCases.RelativeError(TrainingCases.Gradients(fused), TrainingCases.Gradients(apart)) < 1e-5);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Parameters_that_are_not_trained_change_nothing_for_the_others(bool recompute)
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma3);
        using ParameterSet whole = TrainingCases.Parameters(config), part = TrainingCases.Parameters(config);
        TrainingBatch batch = TrainingCases.Batch(TrainingCases.Documents(config, 3, 20, 9));
        using (var model = new TrainingModel(whole)) model.Step(batch, 1);

        using var backend = new CpuTrainingBackend(part, Precision.Float32, 2);
        var tape = new Tape<DenseMatrix>(backend, recompute);
        Weights<Variable<DenseMatrix>> weights = TrainingModel.WeightsOf(part);
        LayerWeights<Variable<DenseMatrix>> first = weights.Layers[0];
        weights = weights with
        {
            Embedding = new(weights.Embedding.Value, null),
            Layers = weights.Layers.SetItem(0, first with { QueryKeyValue = new(first.QueryKeyValue.Value, null), GateUp = new(first.GateUp.Value, null) }),
        };
        var transformer = new Transformer<Variable<DenseMatrix>>(config, weights, tape);
        Variable<DenseMatrix> hidden = tape.Rows(transformer.Hidden(batch.Inputs), batch.Rows);
        tape.CrossEntropy(hidden, weights.Embedding, batch.Targets, batch.Weights, config.LogitSoftCap, 1);
        tape.Backward();
        tape.Clear();
        foreach ((Parameter expected, Parameter actual) in whole.Parameters.Zip(part.Parameters))
        {
            bool isFrozen = expected.Spec.Layer <= 0
                && expected.Spec.Role is TensorRole.Embedding or TensorRole.Query or TensorRole.Key or TensorRole.Value or TensorRole.Gate or TensorRole.Up;
            if (isFrozen) Assert.False(actual.Gradients.ContainsAnyExcept(0f));
            else Assert.True(expected.Gradients.SequenceEqual(actual.Gradients), expected.Spec.GgufName);
        }
    }

    [Fact]
    public void Without_recording_nothing_is_noted_and_a_parameter_keeps_its_value()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma2);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using var backend = new CpuTrainingBackend(parameters, Precision.Float32, 1);
        var tape = new Tape<DenseMatrix>(backend) { IsRecording = false };
        Weights<Variable<DenseMatrix>> weights = TrainingModel.WeightsOf(parameters);
        var transformer = new Transformer<Variable<DenseMatrix>>(config, weights, tape);
        var batch = new Batch();
        batch.Add([1, 2, 3, 4], LogitRows.All);
        Variable<DenseMatrix> logits = transformer.Forward(batch);
        float first = logits.Value.Row(3)[0];
        tape.Backward();
        tape.Clear();
        Assert.Throws<InvalidOperationException>(() => logits.Value);
        Assert.Equal(first, transformer.Forward(batch).Value.Row(3)[0]);
        Assert.Equal(parameters.Parameters[0].Values.ToArray(), Enumerable.Range(0, config.VocabularySize).SelectMany(row => weights.Embedding.Value.Row(row).ToArray()));
    }

    [Fact]
    public void Inference_refuses_a_document_without_a_cache()
    {
        using GemmaModel model = Gemma.Tests.Model.Golden.Load("gemma1-mqa");
        var batch = new Batch();
        batch.Add([1, 2, 3], LogitRows.Last);
        Assert.Contains("training", Assert.Throws<UsageException>(() => model.Forward(batch)).Message, StringComparison.Ordinal);
    }
}
