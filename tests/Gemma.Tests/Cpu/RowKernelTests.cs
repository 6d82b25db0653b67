using CsCheck;
using Gemma.Cpu.Kernels;

namespace Gemma.Tests.Cpu;

/// <summary>The kernels that work on one row, each set against the scalar twin.</summary>
public unsafe class RowKernelTests
{
    private const float Step = 1 / 16777216f; // 2⁻²⁴

    private static readonly Gen<(float[] X, float[] Y)> Rows =
        from n in Gen.Int[1, 20].Select(i => i * 16)
        from x in Numbers.Array(n)
        from y in Numbers.Array(n)
        select (x, y);

    private delegate void Kernel(CpuKernels kernels, float* x, float* y, int n, float* result);

    private static void Check(Gen<(float[] X, float[] Y)> rows, Kernel kernel, Func<float[], float[], float[], int, double> allowed) => rows.Sample(row =>
    {
        float[] expected = Run(KernelSets.Scalar);
        foreach (CpuKernels kernels in KernelSets.Vector)
        {
            float[] actual = Run(kernels);
            for (int i = 0; i < expected.Length; i++)
            {
                double bound = allowed(row.X, row.Y, expected, i) + float.Epsilon;
                if (!(Math.Abs((double)expected[i] - actual[i]) <= bound))
                    Assert.Fail(FormattableString.Invariant($"{kernels.Name}: value {i} of {expected.Length} is {actual[i]:R}, expected {expected[i]:R} ± {bound}; x = {Numbers.Show(row.X)}"));
            }
        }

        float[] Run(CpuKernels kernels)
        {
            using var buffers = new Buffers();
            float* result = buffers.Floats(row.X.Length);
            kernel(kernels, buffers.Floats(row.X), buffers.Floats(row.Y), row.X.Length, result);
            return new ReadOnlySpan<float>(result, row.X.Length).ToArray();
        }
    }, iter: 200);

    [Fact]
    public void Norms_agree_with_the_twin() => Check(Rows, (kernels, x, y, n, result) => kernels.RmsNorm(x, y, 1e-6f, n, result),
        (_, gain, expected, i) => 12 * Step * Math.Abs(expected[i]) + 4 * float.Epsilon * Math.Max(1, Math.Abs(gain[i])));

    [Fact]
    public void Gated_units_agree_with_the_twin() => Check(Rows, (kernels, x, y, n, result) => kernels.GatedGelu(x, y, n, result),
        // The twin's 1 + tanh loses digits where tanh nears −1: a few steps of gate · up.
        (x, y, expected, i) => 4 * Step * Math.Abs((double)x[i] * y[i]) + 24 * Step * Math.Abs(expected[i]));

    [Fact]
    public void Soft_caps_agree_with_the_twin_for_any_length()
    {
        Gen<(float[], float[])> rows = Gen.Int[1, 100].SelectMany(n => Gen.Select(Numbers.Array(n), Gen.Const(new float[n])));
        foreach (float cap in (float[])[30, 50])
        {
            Check(rows, (kernels, x, _, n, result) => kernels.SoftCap(x, cap, n, result), (_, _, _, _) => 8 * Step * cap);
        }
    }

    [Fact]
    public void Sums_are_exact() => Check(Rows, (kernels, x, y, n, result) => kernels.Add(x, y, n, result), (_, _, _, _) => 0);

    [Fact]
    public void Rotations_agree_with_the_twin_in_place_and_for_any_half() =>
        (from half in Gen.Int[1, 140]
         from x in Gen.Float[-9, 9].Array[2 * half]
         from angles in Gen.Float[0, 7].Array[half]
         from scale in Gen.Float[0.01f, 2]
         select (x, angles, scale)).Sample(row =>
        {
            int half = row.angles.Length;
            float[] expected = Run(KernelSets.Scalar, inPlace: false);
            foreach (CpuKernels kernels in KernelSets.Vector)
            {
                float[] actual = Run(kernels, inPlace: true);
                for (int i = 0; i < 2 * half; i++) Assert.InRange(actual[i] - expected[i], -4 * Step * 18 * row.scale, 4 * Step * 18 * row.scale);
            }

            float[] Run(CpuKernels kernels, bool inPlace)
            {
                using var buffers = new Buffers();
                float* x = buffers.Floats(row.x), result = inPlace ? x : buffers.Floats(2 * half);
                kernels.Rope(x, buffers.Floats([.. row.angles.Select(MathF.Cos)]), buffers.Floats([.. row.angles.Select(MathF.Sin)]), half, row.scale, result);
                return new ReadOnlySpan<float>(result, 2 * half).ToArray();
            }
        }, iter: 200);

    [Fact]
    public void A_softmax_over_blocks_agrees_with_the_twin()
    {
        (from count in Gen.OneOf(16, 32, 128)
         from blocks in Gen.OneOf(Gen.Float[-20, 20].Array[count], Gen.Float[-2000, 2000].Array[count], Gen.Const(0f).Array[count]).Array[1, 4]
         from first in Gen.Int[0, count + 8]
         from end in Gen.Int[0, 4 * count + 2]
         from cap in Gen.OneOf(0f, 50f)
         select (blocks, first, end, cap)).Sample(sample =>
        {
            (float[] expected, float sum) = Run(KernelSets.Scalar);
            foreach (CpuKernels kernels in KernelSets.Vector)
            {
                (float[] actual, float actualSum) = Run(kernels);
                // A capped score may differ by 4e-6 · cap, which e^x turns into a factor.
                float allowed = sample.cap > 0 ? 1e-4f : 2e-6f;
                Assert.InRange(actualSum, sum * (1 - allowed), sum * (1 + allowed));
                for (int i = 0; i < expected.Length; i++) Assert.InRange(actual[i], expected[i] - allowed * (1 + expected[i]), expected[i] + allowed * (1 + expected[i]));
            }

            // All blocks' weights as the corrections leave them, and the sum.
            (float[] Weights, float Sum) Run(CpuKernels kernels)
            {
                using var buffers = new Buffers();
                float maximum = float.NegativeInfinity, total = 0;
                var weights = new List<float>();
                for (int i = 0; i < sample.blocks.Length; i++)
                {
                    int count = sample.blocks[i].Length;
                    float* scores = buffers.Floats(sample.blocks[i]);
                    int first = Math.Clamp(sample.first - count * i, 0, count), end = Math.Clamp(sample.end - count * i, 0, count);
                    float correction = kernels.Softmax(scores, count, first, end, sample.cap, ref maximum, ref total);
                    weights = [.. weights.Select(weight => weight * correction), .. new ReadOnlySpan<float>(scores, count)];
                }
                return ([.. weights], total);
            }
        }, iter: 300);
    }

    [Fact]
    public void Accumulation_agrees_with_the_twin() => Check(Rows, (kernels, x, y, n, result) =>
    {
        new ReadOnlySpan<float>(y, n).CopyTo(new Span<float>(result, n));
        kernels.Accumulate(result, 0.7f, x, 0.9f, n);
    }, (x, y, _, i) => 3 * Step * (Math.Abs(x[i]) + Math.Abs(y[i])));

    [Fact]
    public void Scaling_is_exact() => Check(Rows, (kernels, x, _, n, result) => kernels.Scale(x, 0.7f, n, result), (_, _, _, _) => 0);
}
