using CsCheck;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Tests.Cpu;

/// <summary>Products of prepared rows with packed panels, each set of kernels against the scalar twin.</summary>
public unsafe class ProductTests
{
    private const float SmallestNormal = 1.17549435e-38f;

    private static readonly ThreadTeam Team = new(1);

    private sealed record Case(WeightType Type, int Rows, int Outputs, int Columns, float[] X, float[] Weights);

    private static readonly Gen<Case> Any =
        from type in Gen.OneOf(KernelSets.Types)
        from rows in Gen.Int[1, 30]
        from outputs in Gen.Int[1, 32]
        from columns in Gen.Int[1, 20].Select(i => i * 16)
        from activations in Numbers.Array(rows * columns)
        from values in Numbers.Weights(outputs * columns)
        select new Case(type, rows, outputs, columns, activations, values);

    [Fact]
    public void Vector_products_are_those_of_the_scalar_twin() => Any.Sample(sample =>
    {
        float[] expected = Multiply(KernelSets.Scalar, sample);
        foreach (CpuKernels kernels in KernelSets.Vector)
        {
            float[] bound = Bound(kernels, sample);
            float[] actual = Multiply(kernels, sample);
            for (int i = 0; i < expected.Length; i++)
            {
                if (!(MathF.Abs(expected[i] - actual[i]) <= bound[i]))
                    Assert.Fail(FormattableString.Invariant($"{kernels.Name} {sample.Type} [{sample.Rows}, {sample.Columns}] × {sample.Outputs}: value {i} is {actual[i]:R}, expected {expected[i]:R} ± {bound[i]:R}"));
            }
        }
    }, iter: 150);

    [Fact]
    public void A_row_has_the_same_bits_alone_and_among_others_and_with_one_panel_or_two() => Any.Sample(sample =>
    {
        foreach (CpuKernels kernels in KernelSets.Vector)
        {
            float[] together = Multiply(kernels, sample);
            var apart = new List<float>();
            for (int row = 0; row < sample.Rows; row++)
                apart.AddRange(Multiply(kernels, sample with { Rows = 1, X = sample.X[(row * sample.Columns)..((row + 1) * sample.Columns)] }, panelsAtOnce: 1));
            Assert.Equal(apart, together);
        }
    }, iter: 100);

    [Fact]
    public void Long_rows_that_pass_by_once_for_many_panels_give_the_bits_of_one_panel_at_a_time()
    {
        var random = new Random(3);
        foreach (WeightType type in KernelSets.Types)
        {
            // More than the rows that stay in a cache, and panels that end with half a pair and rows of padding.
            (int rows, int outputs, int columns) = (37, 5 * 16 - 3, 16384);
            var sample = new Case(type, rows, outputs, columns, Values(rows * columns), Values(outputs * columns));
            foreach (CpuKernels kernels in KernelSets.Vector) Assert.Equal(Multiply(kernels, sample, panelsAtOnce: 1), Multiply(kernels, sample, panelsAtOnce: 5));
        }

        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }

    [Fact]
    public void Integers_are_multiplied_exactly_up_to_the_largest()
    {
        // Rows whose extreme is ±127 (±8) have the scale 1, and sums of up to 8 · 32 · 127² stay exact in fp32.
        Gen<float> extreme = Gen.OneOf(-127f, 127f), level = Gen.OneOf(extreme, Gen.Int[-127, 127].Select(i => (float)i));
        Gen<float> nibble = Gen.OneOf(Gen.OneOf(-8f, 7f), Gen.Int[-8, 7].Select(i => (float)i));
        (from type in Gen.OneOf(WeightType.Q8, WeightType.Q4)
         from rows in Gen.Int[1, 9]
         from blocks in Gen.Int[1, 8]
         from x in level.Array[rows * blocks * 32]
         from w in (type == WeightType.Q8 ? level : nibble).Array[32 * blocks * 32]
         select new Case(type, rows, 32, blocks * 32, x, w)).Sample(sample =>
        {
            for (int i = 0; i < sample.X.Length; i += 32) sample.X[i] = 127;
            for (int i = 0; i < sample.Weights.Length; i += 32) sample.Weights[i] = sample.Type == WeightType.Q8 ? -127 : -8;
            float[] exact = new float[sample.Rows * 32];
            for (int row = 0; row < sample.Rows; row++)
                for (int output = 0; output < 32; output++)
                    for (int k = 0; k < sample.Columns; k++) exact[row * 32 + output] += sample.X[row * sample.Columns + k] * sample.Weights[output * sample.Columns + k];
            foreach (CpuKernels kernels in (CpuKernels[])[KernelSets.Scalar, .. KernelSets.Vector]) Assert.Equal(exact, Multiply(kernels, sample));
        }, iter: 100);
    }

    /// <summary>[rows, outputs], after packing and preparing with the same set of kernels.</summary>
    private static float[] Multiply(CpuKernels kernels, Case sample, int panelsAtOnce = 2)
    {
        using var buffers = new Buffers();
        using PackedWeights weights = PackedWeights.Pack(sample.Type, sample.Outputs, sample.Columns,
            (row, destination) => sample.Weights.AsSpan(row * sample.Columns, sample.Columns).CopyTo(destination), kernels, Team);
        float* x = buffers.Floats(sample.X);
        var prepared = (byte*)x;
        nint stride = sample.Columns * sizeof(float);
        if (kernels.Prepares(sample.Type))
        {
            stride = kernels.PreparedBytes(sample.Type, weights.PaddedColumns);
            prepared = buffers.Bytes((int)stride * sample.Rows);
            for (int row = 0; row < sample.Rows; row++)
                kernels.Prepare(sample.Type, x + row * sample.Columns, sample.Columns, weights.PaddedColumns, prepared + row * stride);
        }
        int width = weights.PanelCount * PackedWeights.PanelRows;
        float* result = buffers.Floats(sample.Rows * width);
        for (int panel = 0; panel < weights.PanelCount; panel += panelsAtOnce)
        {
            kernels.Multiply(sample.Type, weights.Panel(panel), weights.PanelBytes, Math.Min(panelsAtOnce, weights.PanelCount - panel), weights.PaddedColumns,
                prepared, stride, sample.Rows, result + panel * PackedWeights.PanelRows, width);
        }
        float[] values = new float[sample.Rows * sample.Outputs];
        for (int row = 0; row < sample.Rows; row++)
            new ReadOnlySpan<float>(result + row * width, sample.Outputs).CopyTo(values.AsSpan(row * sample.Outputs));
        return values;
    }

    /// <summary>
    /// The rounding that any order of summation may cause (Higham, Accuracy and Stability, 3.1): n·2⁻²⁴·Σ|xw|, and for what underflows a denormal step each.
    /// Where activations are rounded to bf16, another 2⁻⁸·Σ|xw|, and the hardware takes all denormals for zeros.
    /// </summary>
    private static float[] Bound(CpuKernels kernels, Case sample)
    {
        bool rounds = sample.Type == WeightType.BF16 && kernels.Prepares(WeightType.BF16);
        float[] bound = new float[sample.Rows * sample.Outputs];
        bool quantised = PackedWeights.IsQuantised(sample.Type);
        int steps = quantised ? sample.Columns / 32 + 6 : sample.Columns + 4;
        for (int row = 0; row < sample.Rows; row++)
        {
            for (int output = 0; output < sample.Outputs; output++)
            {
                double sum = 0;
                for (int k = 0; k < sample.Columns; k++)
                    sum += Math.Abs((double)sample.X[row * sample.Columns + k] * sample.Weights[output * sample.Columns + k]);
                // Quantised values can be half a step of the block's scale larger than what they stand for.
                if (quantised) sum += sample.Columns * (double)Largest(sample.X, row * sample.Columns, sample.Columns) * Largest(sample.Weights, output * sample.Columns, sample.Columns);
                bound[row * sample.Outputs + output] = (float)(steps * Math.ScaleB(sum, -24)) + steps * float.Epsilon;
                if (rounds) bound[row * sample.Outputs + output] += (float)Math.ScaleB(sum, -8) + 2 * steps * SmallestNormal;
            }
        }
        return bound;
    }

    private static float Largest(float[] values, int start, int count) => values.AsSpan(start, count).ToArray().Max(MathF.Abs);
}
