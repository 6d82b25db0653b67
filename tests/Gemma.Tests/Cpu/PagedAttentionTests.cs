using CsCheck;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Generation;

namespace Gemma.Tests.Cpu;

/// <summary>Attention over pages against its definition in fp64.</summary>
public unsafe class PagedAttentionTests
{
    private sealed record Case(AttentionShape Shape, int[][] Passes, KvType Type, int Threads, int Seed)
    {
        public override string ToString() => $"{Shape}, passes {string.Join(" | ", Passes.Select(pass => string.Join(' ', pass)))}, {Type}, {Threads} threads, seed {Seed}";
    }

    // Passes hold as many tokens for each sequence; none at times.
    private static readonly Gen<Case> Cases =
        from keyHeads in Gen.Int[1, 3]
        from heads in Gen.OneOf(1, 2, 4, 7, 8)
        from dimension in Gen.OneOf(16, 48, 128)
        from window in Gen.OneOf(0, 0, 1, 5, 32, 33, 100)
        from cap in Gen.OneOf(0f, 50f)
        from sequences in Gen.Int[1, 3]
        from passes in Gen.OneOf(Gen.Int[0, 3], Gen.Int[1, 1], Gen.Int[0, 90]).Array[sequences].Array[1, 4]
        from type in Gen.OneOf(KvType.BFloat16, KvType.Float32)
        from threads in Gen.Int[1, 2]
        from seed in Gen.Int[0, 1000]
        select new Case(new AttentionShape(1, keyHeads * heads, keyHeads, dimension, window, 10_000, 1, 1, cap), passes, type, threads, seed);

    [Fact]
    public void Attention_is_that_of_the_definition() => Cases.Sample(Check, iter: 40);

    [Theory]
    [InlineData(0)]
    [InlineData(700)]
    public void Attention_over_several_spans_is_that_of_the_definition(int window)
    {
        // 256 positions are a span.
        Check(new Case(new AttentionShape(1, 2, 1, 16, window, 10_000, 1, 1, 0), [[510, 3], [1, 1], [1, 0], [100, 5], [500, 1], [1, 1]], KvType.Float32, 2, 3));
        Check(new Case(new AttentionShape(1, 2, 2, 16, window, 10_000, 1, 1, 30), [[1030], [1], [1]], KvType.BFloat16, 2, 4));
    }

    private static void Check(Case sample)
    {
        AttentionShape shape = sample.Shape;
        GemmaConfig config = GemmaConfig.Gemma2B with
        {
            LayerCount = 2,
            HeadCount = shape.HeadCount,
            KeyValueHeadCount = shape.KeyValueHeadCount,
            HeadDimension = shape.HeadDimension,
        };
        foreach (CpuKernels kernels in (CpuKernels[])[KernelSets.Scalar, .. KernelSets.Vector])
        {
            var random = new Random(sample.Seed);
            using var team = new ThreadTeam(sample.Threads);
            using var backend = new CpuBackend(config, kernels, team);
            using var cache = new KvCache(config, sample.Type, sample.Passes[0].Length * 2048);
            KvSequence[] sequences = [.. sample.Passes[0].Select(_ => cache.CreateSequence())];
            var reference = new ReferenceBackend(config);
            using var buffers = new Buffers();
            var batch = new Batch();
            foreach (int[] pass in sample.Passes)
            {
                batch.Clear();
                for (int i = 0; i < pass.Length; i++) if (pass[i] > 0) batch.Add(sequences[i], new int[pass[i]], LogitRows.None);
                if (batch.Count == 0) continue;
                int width = shape.QueryWidth + 2 * shape.KeyValueWidth;
                // Queries of such a size that softmax is neither flat nor one position only.
                float[] values = [.. Enumerable.Range(0, batch.Count * width).Select(i =>
                    (float)(2 * random.NextDouble() - 1) * (i % width < shape.QueryWidth ? 6 / MathF.Sqrt(shape.HeadDimension) : 1))];
                bool rounds = sample.Type == KvType.BFloat16 && kernels.Prepares(WeightType.BF16);
                if (sample.Type == KvType.BFloat16)
                    values = [.. values.Select((value, i) => i % width < shape.QueryWidth && !rounds ? value : BFloat16.ToSingle(BFloat16.FromSingle(value)))];
                Real expected = reference.Attention(new Real(batch.Count, width, [.. values.Select(value => (double)value)]), batch, shape);
                backend.BeginPass();
                Matrix actual = backend.Attention(new Matrix { Rows = batch.Count, Columns = width, Data = buffers.Floats(values) }, batch, shape);
                Assert.Equal((expected.Rows, expected.Columns), (actual.Rows, actual.Columns));
                // Weights of values, which sum up to 1, may be rounded by 2⁻⁹ of their size each, and values are below 1.
                double allowed = rounds ? 1 / 512.0 : 1e-5;
                for (int row = 0; row < actual.Rows; row++)
                    for (int i = 0; i < actual.Columns; i++)
                        if (!(Math.Abs(expected[row, i] - actual.Row(row)[i]) <= allowed)) Assert.Fail($"{kernels.Name}: row {row}, value {i} is {actual.Row(row)[i]}, expected {expected[row, i]}");
            }
            foreach (KvSequence sequence in sequences) sequence.Dispose();
        }
    }
}
