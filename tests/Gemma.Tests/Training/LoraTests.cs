using System.Collections.Immutable;
using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Training;

namespace Gemma.Tests.Training;

/// <summary>Adapters on the tape, over frozen weights of every type, against central differences of the definition in fp64.</summary>
public class LoraTests(ITestOutputHelper output)
{
    private static readonly int[] Lengths = [150, 2, 37, 64, 5];

    public static TheoryData<GemmaArchitecture> Architectures => [.. Enum.GetValues<GemmaArchitecture>()];

    private static Precision[] Precisions => Gemma.Cpu.Emit.DenseTiles.Shared(true, out _) is null || IsaSelection.Current < Isa.Avx512 ? [Precision.Float32]
        : [Precision.Float32, Precision.BFloat16];

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Every_number_of_an_adapter_has_the_gradient_that_central_differences_give(GemmaArchitecture architecture)
    {
        GemmaConfig config = TrainingCases.Config(architecture) with { Width = 16, FeedForwardWidth = 16 };
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using FrozenWeights frozen = LoraCases.Freeze(parameters, WeightType.F32);
        using Lora adapter = LoraCases.Adapter(config, new LoraConfig { Rank = 3, Alpha = 4 });
        (int[] Tokens, float[] Weights)[] documents = TrainingCases.Documents(config, 3, 9, 2, 6);
        TrainingBatch batch = TrainingCases.Batch(documents);
        using var model = new TrainingModel(frozen, adapter, new TrainingOptions { Threads = 2 });
        Loss loss = model.Step(batch, (float)(1 / batch.Weight));
        LoraAdapter learnt = adapter.ToAdapter();
        Assert.Equal(LoraCases.Reference(parameters, learnt).Loss(documents), loss.Mean, 1e-5);
        Parallel.ForEach(learnt.Matrices, new ParallelOptions { MaxDegreeOfParallelism = 4 }, () => LoraCases.Reference(parameters, learnt), (entry, _, reference) =>
        {
            foreach (bool isUp in (bool[])[false, true])
            {
                float[] gradient = LoraCases.Gradient(adapter, entry.Key, isUp);
                double largest = 0, difference = 0;
                for (int i = 0; i < gradient.Length; i++)
                {
                    double expected = reference.Derivative([.. LoraCases.Effect(parameters, entry.Key, entry.Value, isUp, i)], documents);
                    largest = Math.Max(largest, Math.Abs(expected));
                    difference = Math.Max(difference, Math.Abs(expected - gradient[i]));
                }
                Assert.True(largest > 1e-5, $"{entry.Key.GgufName} has no part in the loss");
                Assert.True(difference < 1e-5 + 1e-4 * largest, FormattableString.Invariant($"{entry.Key.GgufName} {(isUp ? "B" : "A")}: a gradient of at most {largest} differs by {difference}"));
            }
            return reference;
        }, _ => { });
    }

    /// <summary>Parts of a matrix that query, key and value share, or gate and up, each alone and with any others.</summary>
    [Theory]
    [MemberData(nameof(Architectures))]
    public void Any_matrices_can_be_adapted_without_the_others(GemmaArchitecture architecture)
    {
        GemmaConfig config = TrainingCases.Config(architecture, layers: 2) with { Width = 16, FeedForwardWidth = 16 };
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using FrozenWeights frozen = LoraCases.Freeze(parameters, WeightType.F32);
        (int[] Tokens, float[] Weights)[] documents = TrainingCases.Documents(config, 5, 7, 4);
        TrainingBatch batch = TrainingCases.Batch(documents);
        double worst = 0;
        var gate = new Lock();
        Parallel.For(1, 1 << LoraConfig.Targetable.Length, new ParallelOptions { MaxDegreeOfParallelism = 2 }, subset =>
        {
            ImmutableArray<TensorRole> targets = [.. LoraConfig.Targetable.Where((_, i) => (subset >> i & 1) != 0).Select(target => target.Role)];
            using Lora adapter = LoraCases.Adapter(config, new LoraConfig { Rank = 2, Alpha = 2, Targets = targets }, (ulong)subset);
            using var model = new TrainingModel(frozen, adapter, new TrainingOptions { Threads = 1 });
            model.Step(batch, (float)(1 / batch.Weight));
            LoraAdapter learnt = adapter.ToAdapter();
            Assert.Equal(targets.Length * config.LayerCount, learnt.Matrices.Count);
            ReferenceModel reference = LoraCases.Reference(parameters, learnt);
            foreach ((TensorSpec spec, LowRankMatrix matrix) in learnt.Matrices)
            {
                foreach (bool isUp in (bool[])[false, true])
                {
                    // Along the gradient, where any error shows.
                    float[] gradient = LoraCases.Gradient(adapter, spec, isUp);
                    double length = Math.Sqrt(gradient.Sum(value => (double)value * value));
                    Dictionary<long, double> direction = [];
                    for (int i = 0; i < gradient.Length; i++)
                        foreach ((long index, double factor) in LoraCases.Effect(parameters, spec, matrix, isUp, i)) direction[index] = direction.GetValueOrDefault(index) + factor * gradient[i] / length;
                    double expected = reference.Derivative([.. direction.Select(part => (part.Key, part.Value))], documents), error = Math.Abs(expected - length) / length;
                    lock (gate) worst = Math.Max(worst, error);
                    Assert.True(error < 1e-3, FormattableString.Invariant($"{string.Join(", ", targets)}: {spec.GgufName} {(isUp ? "B" : "A")}: expected {expected}, found {length}"));
                }
            }
        });
        output.WriteLine(FormattableString.Invariant($"largest relative error {worst:E1}"));
    }

    [Theory]
    [InlineData(WeightType.F32)]
    [InlineData(WeightType.BF16)]
    [InlineData(WeightType.Q8)]
    public void Frozen_weights_of_each_type_compute_what_the_numbers_they_hold_do(WeightType type)
    {
        foreach (GemmaArchitecture architecture in Enum.GetValues<GemmaArchitecture>())
        {
            GemmaConfig config = TrainingCases.Config(architecture, vocabulary: 83) with { Width = 80, FeedForwardWidth = 144 };
            using ParameterSet parameters = TrainingCases.Parameters(config);
            // Of a size that a model of this width would have: larger ones make much of each rounding.
            foreach (Parameter parameter in parameters.Parameters.Where(parameter => !parameter.Spec.IsNorm))
                foreach (ref float value in parameter.Values) value *= 0.4f;
            parameters.MarkChanged();
            using FrozenWeights frozen = LoraCases.Freeze(parameters, type);
            using Lora adapter = LoraCases.Adapter(config, new LoraConfig { Rank = 5, Alpha = 2 });
            TrainingBatch batch = TrainingCases.Batch(TrainingCases.Documents(config, 7, Lengths));
            using var whole = new TrainingModel(Merged(parameters, adapter.ToAdapter()));
            whole.Step(batch, (float)(1 / batch.Weight));
            foreach (Precision precision in Precisions)
            {
                adapter.Parameters.ClearGradients();
                using var model = new TrainingModel(frozen, adapter, new TrainingOptions { Precision = precision });
                Loss expected = whole.Evaluate(batch), loss = model.Step(batch, (float)(1 / batch.Weight));
                Assert.Equal(expected.Mean, loss.Mean, precision == Precision.Float32 ? 2e-5 : 0.01 * expected.Mean);
                List<float> allExpected = [], all = [];
                foreach ((TensorSpec spec, LowRankMatrix matrix) in adapter.ToAdapter().Matrices)
                {
                    // dA = scale · Bᵀ · dW, dB = scale · dW · Aᵀ.
                    ReadOnlySpan<float> gradient = whole.Trained[spec.Role, spec.Layer].Gradients;
                    float[] down = new float[matrix.Down.Length], up = new float[matrix.Up.Length];
                    for (int row = 0; row < spec.Rows; row++)
                        for (int column = 0; column < spec.Columns; column++)
                            for (int rank = 0; rank < matrix.Rank; rank++)
                            {
                                float given = matrix.Scale * gradient[row * spec.Columns + column];
                                down[rank * spec.Columns + column] += given * matrix.Up[row * matrix.Rank + rank];
                                up[row * matrix.Rank + rank] += given * matrix.Down[rank * spec.Columns + column];
                            }
                    float[] downFound = LoraCases.Gradient(adapter, spec, false), upFound = LoraCases.Gradient(adapter, spec, true);
                    allExpected.AddRange([.. down, .. up]);
                    all.AddRange([.. downFound, .. upFound]);
                    // Rounded to bf16, single matrices with small gradients are off by more than all together.
                    if (precision != Precision.Float32) continue;
                    Assert.True(TrainingCases.RelativeError(down, downFound) < 1e-4, $"{architecture} {spec.GgufName} A");
                    Assert.True(TrainingCases.RelativeError(up, upFound) < 1e-4, $"{architecture} {spec.GgufName} B");
                }
                double error = TrainingCases.RelativeError([.. allExpected], [.. all]);
                output.WriteLine(FormattableString.Invariant($"{type} {architecture} {precision}: gradients differ by {error:E1}"));
                Assert.True(error < (precision == Precision.Float32 ? 1e-4 : 0.05));
            }
            whole.Trained.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Threads_and_recomputed_layers_change_no_bit(GemmaArchitecture architecture)
    {
        foreach (Precision precision in Precisions)
        {
            foreach (WeightType type in (WeightType[])[WeightType.F32, WeightType.BF16, WeightType.Q8])
            {
                (Loss loss, float[] gradients) = Step(architecture, type, new TrainingOptions { Precision = precision, Threads = 1 });
                foreach (TrainingOptions options in (TrainingOptions[])[new() { Precision = precision, Threads = 2 }, new() { Precision = precision, RecomputeLayers = true }])
                {
                    (Loss other, float[] otherGradients) = Step(architecture, type, options);
                    Assert.Equal(loss, other);
                    Assert.Equal(gradients, otherGradients);
                }
            }
        }
    }

    [Fact]
    public void Dropout_is_drawn_from_the_batch_alone_and_its_gradient_is_that_of_what_was_kept()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma1);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using FrozenWeights frozen = LoraCases.Freeze(parameters, WeightType.F32);
        using Lora adapter = LoraCases.Adapter(config, new LoraConfig { Rank = 4, Dropout = 0.3f });
        using var model = new TrainingModel(frozen, adapter);
        TrainingBatch batch = TrainingCases.Batch(TrainingCases.Documents(config, 7, 40, 9));
        var scale = (float)(1 / batch.Weight);
        batch.Seed = 5;
        Loss first = model.Step(batch, scale);
        float[] gradients = TrainingCases.Gradients(adapter.Parameters);
        adapter.Parameters.ClearGradients();
        Assert.Equal(first, model.Step(batch, scale));
        Assert.Equal(gradients, TrainingCases.Gradients(adapter.Parameters));
        batch.Seed = 6;
        Assert.NotEqual(first, model.Step(batch, scale));
        Assert.NotEqual(first, model.Evaluate(batch));
        batch.Seed = 5;

        // The same fates at each point: the loss is a function of the parameters, with a derivative.
        float[] values = [.. adapter.Parameters.Parameters.SelectMany(parameter => parameter.Values.ToArray())];
        double length = Math.Sqrt(gradients.Sum(value => (double)value * value));
        double Moved(double by)
        {
            int index = 0;
            foreach (Parameter parameter in adapter.Parameters.Parameters)
                foreach (ref float value in parameter.Values) value = (float)(values[index] + by * gradients[index++] / length);
            adapter.Parameters.MarkChanged();
            return model.Step(batch, scale).Mean;
        }
        double expected = (Moved(0.02) - Moved(-0.02)) / 0.04;
        Assert.Equal(expected, length, 0.02 * length);
    }

    [Fact]
    public unsafe void Dropout_drops_its_share_and_keeps_the_mean()
    {
        const int count = 1 << 16;
        float* values = stackalloc float[count];
        new Span<float>(values, count).Fill(1);
        Gemma.Training.Cpu.Dropout.Run(values, count, 0.25f, 17, values);
        int dropped = new ReadOnlySpan<float>(values, count).Count(0);
        Assert.Equal(0.25 * count, dropped, 0.01 * count);
        Assert.Equal(4f / 3, new ReadOnlySpan<float>(values, count).ToArray().Max(), 1e-5);
    }

    [Fact]
    public void An_adapter_begins_without_effect_and_learns()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma3);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using FrozenWeights frozen = LoraCases.Freeze(parameters, WeightType.F32);
        using var adapter = new Lora(config, new LoraConfig { Rank = 4 }, seed: 1);
        using var model = new TrainingModel(frozen, adapter);
        using var whole = new TrainingModel(parameters);
        TrainingBatch batch = TrainingCases.Batch(TrainingCases.Documents(config, 7, 40, 9));
        Loss before = model.Evaluate(batch);
        Assert.Equal(whole.Evaluate(batch).Mean, before.Mean, 1e-5);
        Assert.Equal(model.LogProbabilities(batch, withoutAdapter: true), model.LogProbabilities(batch));
        Assert.Equal(before.Sum, -model.LogProbabilities(batch).Sum(), 1e-6 * before.Sum);
        using var optimizer = new AdamW(adapter.Parameters, new AdamWOptions { WeightDecay = 0 });
        for (int step = 0; step < 20; step++)
        {
            model.Step(batch, (float)(1 / batch.Weight));
            optimizer.Step(0.01f);
        }
        Assert.True(model.Evaluate(batch).Mean < before.Mean - 0.3);
        Assert.Equal(before.Sum, -model.LogProbabilities(batch, withoutAdapter: true).Sum(), 1e-6 * before.Sum);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Steps_with_an_adapter_take_no_more_memory_with_time(bool recompute)
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma2);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using FrozenWeights frozen = LoraCases.Freeze(parameters, WeightType.BF16);
        using Lora adapter = LoraCases.Adapter(config, new LoraConfig { Dropout = 0.1f });
        using var model = new TrainingModel(frozen, adapter, new TrainingOptions { RecomputeLayers = recompute });
        TrainingBatch batch = TrainingCases.Batch(TrainingCases.Documents(config, 17, Lengths));
        for (int step = 0; step < 2; step++) model.Step(batch, 0.01f);
        long bytes = model.ActivationBytes, allocated = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < 10; step++) model.Step(batch, 0.01f);
        Assert.Equal(bytes, model.ActivationBytes);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, 1000);
    }

    [Fact]
    public void What_cannot_be_adapted_or_frozen_is_refused()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma1);
        foreach (LoraConfig bad in (LoraConfig[])[new() { Rank = 0 }, new() { Alpha = 0 }, new() { Dropout = 1 }, new() { Targets = [] }, new() { Alpha = float.NaN }])
            Assert.Throws<UsageException>(() => new Lora(config, bad));
        Assert.Contains("q_proj", Assert.Throws<UsageException>(() => LoraConfig.ParseTargets("q_proj,lm_head")).Message, StringComparison.Ordinal);
        Assert.Equal([TensorRole.Query, TensorRole.Down], LoraConfig.ParseTargets("down_proj, q_proj"));
        Assert.Equal(7, LoraConfig.ParseTargets("all-linear").Length);
        Assert.Contains("q4", Assert.Throws<UsageException>(() => FrozenWeights.Synthetic(config, WeightType.Q4)).Message, StringComparison.Ordinal);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using FrozenWeights frozen = LoraCases.Freeze(parameters, WeightType.F32);
        using var other = new Lora(config with { Width = 48 });
        Assert.Throws<ArgumentException>(() => new TrainingModel(frozen, other));
    }

    private static (Loss Loss, float[] Gradients) Step(GemmaArchitecture architecture, WeightType type, TrainingOptions options)
    {
        GemmaConfig config = TrainingCases.Config(architecture);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using FrozenWeights frozen = LoraCases.Freeze(parameters, type);
        using Lora adapter = LoraCases.Adapter(config, new LoraConfig { Rank = 3, Dropout = 0.2f });
        using var model = new TrainingModel(frozen, adapter, options);
        TrainingBatch batch = TrainingCases.Batch(TrainingCases.Documents(config, 7, Lengths));
        batch.Seed = 9;
        Loss loss = model.Step(batch, (float)(1 / batch.Weight));
        return (loss, TrainingCases.Gradients(adapter.Parameters));
    }

    private static ParameterSet Merged(ParameterSet parameters, LoraAdapter adapter)
    {
        var merged = new ParameterSet(parameters.Config);
        foreach ((Parameter from, Parameter to) in parameters.Parameters.Zip(merged.Parameters))
        {
            from.Values.CopyTo(to.Values);
            for (int row = 0; row < to.Spec.Rows; row++) adapter.AddTo(to.Spec, row, to.Values.Slice(row * to.Spec.Columns, to.Spec.Columns));
        }
        merged.MarkChanged();
        return merged;
    }
}
