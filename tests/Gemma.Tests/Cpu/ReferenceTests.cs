using CsCheck;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Formats;
using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Cpu;

/// <summary>The CPU backend against the reference in fp64, and the reference against the official code.</summary>
public unsafe class ReferenceTests(ITestOutputHelper output)
{
    private static readonly Gen<GemmaConfig> Configs =
        from architecture in Gen.OneOf(Enum.GetValues<GemmaArchitecture>())
        from vocabulary in Gen.Int[1, 90]
        from width in Gen.Int[1, 5]
        from layers in Gen.Int[1, 3]
        from keyHeads in Gen.Int[1, 3]
        from heads in Gen.Int[1, 4]
        from headDimension in Gen.Int[1, 5]
        from feedForward in Gen.Int[1, 6]
        from window in Gen.Int[1, 50]
        from windowed in Gen.Bool.Array[layers]
        select new GemmaConfig
        {
            Architecture = architecture,
            VocabularySize = vocabulary + 3,
            Width = 16 * width,
            LayerCount = layers,
            HeadCount = keyHeads * heads,
            KeyValueHeadCount = keyHeads,
            HeadDimension = 16 * headDimension,
            FeedForwardWidth = 16 * feedForward,
            ContextLength = 512,
            RopeBase = architecture == GemmaArchitecture.Gemma3 ? 1_000_000 : 10_000,
            RopeScale = architecture == GemmaArchitecture.Gemma3 ? 8 : 1,
            QueryPreAttentionScalar = 16 * headDimension,
            AttentionSoftCap = architecture == GemmaArchitecture.Gemma2 ? 50 : 0,
            LogitSoftCap = architecture == GemmaArchitecture.Gemma2 ? 30 : 0,
            SlidingWindow = window,
            WindowedLayers = [.. windowed.Select(value => value && architecture != GemmaArchitecture.Gemma1)],
        };

    private static readonly Gen<(GemmaConfig Config, ulong Seed, int[] Passes)> Cases =
        Gen.Select(Configs, Gen.ULong, Gen.OneOf(Gen.Int[1, 6], Gen.Int[20, 50]).Array[1, 3]);

    [Fact]
    public void Random_models_of_all_generations_compute_what_the_definition_says() => Cases.Sample(sample =>
    {
        (GemmaConfig config, ulong seed, int[] passes) = sample;
        config.Validate("random");
        var random = new SyntheticWeights(seed);
        double[] expected = Logits(config, Row, passes);
        foreach (CpuKernels kernels in (CpuKernels[])[KernelSets.Scalar, .. KernelSets.Vector])
        {
            using var team = new ThreadTeam(2);
            using CpuWeights weights = CpuWeights.Load(config, new WeightSource((spec, row, destination) => Row(spec, row).CopyTo(destination), _ => WeightType.F32), kernels, team);
            using var backend = new CpuBackend(config, kernels, team);
            var transformer = new Transformer<Matrix>(config, weights.Weights, backend);
            using var cache = new KvCache(config, KvType.Float32, passes.Sum());
            List<float> actual = [];
            Run(config, cache, passes, batch =>
            {
                backend.BeginPass();
                Matrix logits = transformer.Forward(batch);
                for (int row = 0; row < logits.Rows; row++) actual.AddRange(logits.Row(row));
            });
            Compare(kernels.Name, expected, [.. actual], 2e-4);
        }

        float[] Row(TensorSpec spec, int row)
        {
            float[] values = new float[spec.Columns];
            random.ReadRow(spec, row, values);
            // Gains other than 1 show a norm that is left out or in the wrong place.
            if (spec.IsNorm) for (int i = 0; i < values.Length; i++) values[i] = 1 + 0.3f * MathF.Sin(i + spec.Layer + (int)spec.Role);
            return values;
        }
    }, iter: 25);

    [Fact]
    public void The_reference_gives_the_official_logits()
    {
        foreach (string name in Golden.Models)
        {
            using ModelFiles files = ModelFiles.Open(Path.Combine(Repository.Golden, name, "fp32"));
            (int[] ids, float[] logits) = Golden.Logits(name, 48);
            double[] actual = Logits(files.Config, Row, [48], ids);
            double largest = logits.Zip(actual, (a, b) => Math.Abs(a - b)).Max();
            output.WriteLine(FormattableString.Invariant($"{name}: largest difference {largest:E1}"));
            Assert.True(largest < 1e-4, FormattableString.Invariant($"{name}: a logit differs by {largest}"));

            float[] Row(TensorSpec spec, int row)
            {
                float[] values = new float[spec.Columns];
                files.ReadRow(spec, row, values);
                return values;
            }
        }
    }

    private static double[] Logits(GemmaConfig config, Func<TensorSpec, int, float[]> reader, int[] passes, int[]? ids = null)
    {
        var transformer = new Transformer<Real>(config, ReferenceBackend.Weights(config, reader), new ReferenceBackend(config));
        using var cache = new KvCache(config, KvType.BFloat16, passes.Sum()); // only counts positions here
        List<double> logits = [];
        Run(config, cache, passes, batch => logits.AddRange(transformer.Forward(batch).Values), ids);
        return [.. logits];
    }

    private static void Run(GemmaConfig config, KvCache cache, int[] passes, Action<Batch> pass, int[]? ids = null)
    {
        using KvSequence sequence = cache.CreateSequence();
        var batch = new Batch();
        ids ??= [.. Enumerable.Range(0, passes.Sum()).Select(i => i * 7919 % config.VocabularySize)];
        int done = 0;
        foreach (int count in passes)
        {
            batch.Clear();
            batch.Add(sequence, ids.AsSpan(done, count), LogitRows.All);
            pass(batch);
            done += count;
        }
    }

    private static void Compare(string what, double[] expected, float[] actual, double allowed)
    {
        Assert.Equal(expected.Length, actual.Length);
        double size = 1 + expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= allowed * size))
                Assert.Fail(FormattableString.Invariant($"{what}: value {i} is {actual[i]}, expected {expected[i]} ± {allowed * size}"));
        }
    }
}
