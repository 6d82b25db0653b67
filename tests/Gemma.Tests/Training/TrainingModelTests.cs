using Gemma.Cpu;
using Gemma.Training;

namespace Gemma.Tests.Training;

public class TrainingModelTests(ITestOutputHelper output)
{
    private static readonly int[] Lengths = [150, 2, 37, 64, 5];

    public static TheoryData<GemmaArchitecture> Architectures => [.. Enum.GetValues<GemmaArchitecture>()];

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Packed_documents_have_the_loss_and_gradients_of_the_same_documents_one_at_a_time(GemmaArchitecture architecture)
    {
        GemmaConfig config = TrainingCases.Config(architecture);
        using ParameterSet packed = TrainingCases.Parameters(config), apart = TrainingCases.Parameters(config);
        (int[] Tokens, float[] Weights)[] documents = TrainingCases.Documents(config, 7, Lengths);
        TrainingBatch batch = TrainingCases.Batch(documents);
        var scale = (float)(1 / batch.Weight);
        using TrainingModel together = new(packed), single = new(apart);
        Loss whole = together.Step(batch, scale), sum = default;
        foreach ((int[], float[]) document in documents) sum += single.Step(TrainingCases.Batch([document]), scale);
        Assert.Equal(sum.Weight, whole.Weight, 1e-4);
        Assert.Equal(sum.Mean, whole.Mean, 1e-5);
        double error = TrainingCases.RelativeError(TrainingCases.Gradients(apart), TrainingCases.Gradients(packed));
        output.WriteLine(FormattableString.Invariant($"losses {sum.Mean}, {whole.Mean}; gradients differ by {error:E1}"));
        Assert.True(error < 1e-5);
    }

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Recomputed_layers_give_the_same_bits(GemmaArchitecture architecture) =>
        AssertSameBits(architecture, new TrainingOptions(), new TrainingOptions { RecomputeLayers = true });

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Any_number_of_threads_gives_the_same_bits(GemmaArchitecture architecture)
    {
        foreach (Precision precision in Precisions)
            AssertSameBits(architecture, new TrainingOptions { Precision = precision, Threads = 1 }, new TrainingOptions { Precision = precision, Threads = 2 });
    }

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Bf16_gives_nearly_the_loss_and_gradients_of_fp32(GemmaArchitecture architecture)
    {
        Assert.SkipUnless(Precisions.Contains(Precision.BFloat16), "this processor has no bf16 products");
        GemmaConfig config = TrainingCases.Config(architecture);
        (Loss exact, float[] expected) = Step(config, new TrainingOptions());
        (Loss rounded, float[] actual) = Step(config, new TrainingOptions { Precision = Precision.BFloat16 });
        double error = TrainingCases.RelativeError(expected, actual);
        output.WriteLine(FormattableString.Invariant($"losses {exact.Mean}, {rounded.Mean}; gradients differ by {error:E1}"));
        Assert.Equal(exact.Mean, rounded.Mean, 0.01 * exact.Mean);
        Assert.True(error < 0.03);
    }

    [Fact]
    public void A_step_divided_into_batches_adds_up()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma1);
        (int[] Tokens, float[] Weights)[] documents = TrainingCases.Documents(config, 11, 12, 30);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using var model = new TrainingModel(parameters);
        TrainingBatch whole = TrainingCases.Batch(documents);
        var scale = (float)(1 / whole.Weight);
        model.Step(whole, scale);
        float[] once = TrainingCases.Gradients(parameters);
        model.Step(whole, scale);
        float[] twice = TrainingCases.Gradients(parameters);
        Assert.True(TrainingCases.RelativeError([.. once.Select(value => 2 * value)], twice) < 1e-6);
        parameters.ClearGradients();
        Assert.All(TrainingCases.Gradients(parameters), value => Assert.Equal(0, value));
    }

    [Fact]
    public void Evaluation_gives_the_loss_of_a_step_and_no_gradients()
    {
        foreach (GemmaArchitecture architecture in Enum.GetValues<GemmaArchitecture>())
        {
            GemmaConfig config = TrainingCases.Config(architecture);
            using ParameterSet parameters = TrainingCases.Parameters(config);
            using var model = new TrainingModel(parameters);
            TrainingBatch batch = TrainingCases.Batch(TrainingCases.Documents(config, 13, 40, 9));
            Loss evaluated = model.Evaluate(batch);
            Assert.All(TrainingCases.Gradients(parameters), value => Assert.Equal(0, value));
            Assert.Equal(model.Step(batch, 1), evaluated);
        }
    }

    [Fact]
    public void Tokens_without_loss_weight_carry_none()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma1);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using var model = new TrainingModel(parameters);
        int[] tokens = [2, 5, 7, 3, 9, 4];
        var batch = new TrainingBatch();
        batch.Add(tokens, [0, 0, 0, 0, 1, 1]);
        Loss masked = model.Evaluate(batch);
        Assert.Equal(2, masked.Weight);
        batch.Clear();
        batch.Add(tokens);
        Loss all = model.Evaluate(batch);
        batch.Clear();
        batch.Add(tokens.AsSpan(0, 4));
        Assert.Equal(all.Sum - model.Evaluate(batch).Sum, masked.Sum, 1e-4);
        batch.Clear();
        batch.Add(tokens, new float[tokens.Length]);
        Assert.Equal(default, model.Step(batch, 1));
    }

    [Fact]
    public void Ids_outside_the_vocabulary_are_refused()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma1);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using var model = new TrainingModel(parameters);
        foreach (int[] tokens in (int[][])[[1, config.VocabularySize], [-1, 2], [config.VocabularySize, 1]])
        {
            var batch = new TrainingBatch();
            batch.Add(tokens);
            Assert.Contains("vocabulary", Assert.Throws<UsageException>(() => model.Step(batch, 1)).Message, StringComparison.Ordinal);
        }
        // Nothing is left of the steps that failed.
        var good = new TrainingBatch();
        good.Add([1, 2, 3]);
        Assert.True(double.IsFinite(model.Step(good, 1).Mean));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Steps_allocate_nothing_on_any_thread(bool recompute)
    {
        foreach (GemmaArchitecture architecture in Enum.GetValues<GemmaArchitecture>())
        {
            GemmaConfig config = TrainingCases.Config(architecture);
            using ParameterSet parameters = TrainingCases.Parameters(config);
            using var model = new TrainingModel(parameters, new TrainingOptions { RecomputeLayers = recompute });
            using var optimizer = new AdamW(parameters);
            (int[] Tokens, float[] Weights)[] documents = TrainingCases.Documents(config, 17, Lengths);
            TrainingBatch batch = TrainingCases.Batch(documents);
            long[] before = new long[model.Threads], after = new long[model.Threads];
            Steps(3);
            long bytes = model.ActivationBytes;
            // What a thread's first long wait for another allocates, whenever that is, it allocates once; what steps allocate they do each time.
            for (int attempt = 0; attempt < 4; attempt++)
            {
                Count(model, before);
                Count(model, before);
                Steps(5);
                Count(model, after);
                if (before.SequenceEqual(after)) break;
            }
            Assert.Equal(before, after);
            Assert.Equal(bytes, model.ActivationBytes);

            void Steps(int count)
            {
                for (int step = 0; step < count; step++)
                {
                    batch.Clear();
                    foreach ((int[] tokens, float[] weights) in documents) batch.Add(tokens, weights);
                    model.Step(batch, 0.01f);
                    optimizer.Step(1e-3f);
                }
            }
        }
    }

    private static Precision[] Precisions => Gemma.Cpu.Emit.DenseTiles.Shared(true, out _) is null || IsaSelection.Current < Isa.Avx512 ? [Precision.Float32]
        : [Precision.Float32, Precision.BFloat16];

    private static void AssertSameBits(GemmaArchitecture architecture, TrainingOptions left, TrainingOptions right)
    {
        GemmaConfig config = TrainingCases.Config(architecture);
        (Loss expected, float[] expectedGradients) = Step(config, left);
        (Loss actual, float[] actualGradients) = Step(config, right);
        Assert.Equal(expected, actual);
        Assert.Equal(expectedGradients, actualGradients);
    }

    private static (Loss Loss, float[] Gradients) Step(GemmaConfig config, TrainingOptions options)
    {
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using var model = new TrainingModel(parameters, options);
        TrainingBatch batch = TrainingCases.Batch(TrainingCases.Documents(config, 7, Lengths));
        Loss loss = model.Step(batch, (float)(1 / batch.Weight));
        return (loss, TrainingCases.Gradients(parameters));
    }

    private readonly int[] _begun = new int[1];

    private void Count(TrainingModel model, long[] bytes)
    {
        _begun[0] = 0;
        var count = new Allocated(bytes, _begun);
        model.Team.Run(ref count);
    }

    /// <summary>What each thread has allocated so far. The caller's part waits until the others are begun: it would take those of threads that come late.</summary>
    private readonly struct Allocated(long[] bytes, int[] begun) : IWork
    {
        public void Run(int part, int parts)
        {
            bytes[part] = GC.GetAllocatedBytesForCurrentThread();
            Interlocked.Increment(ref begun[0]);
            while (part == 0 && Volatile.Read(ref begun[0]) < parts) Thread.Yield();
        }
    }
}
