using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Tests.Cpu;
using Gemma.Training;
using Gemma.Training.Cpu;

namespace Gemma.Tests.Training;

/// <summary>Every tier of gradient kernels against the scalar twin, whose sums are in fp64, and the products of every precision against their definition.</summary>
public unsafe class GradientKernelTests
{
    private static readonly int[] Lengths = [16, 32, 48, 144];

    private static GradientKernels Scalar => GradientKernels.For(Isa.Scalar);

    private static IEnumerable<GradientKernels> Tiers => Enum.GetValues<Isa>().Where(isa => isa > Isa.Scalar && isa <= IsaSelection.Best).Select(GradientKernels.For);

    [Fact]
    public void Norms_agree_with_the_twin()
    {
        foreach (int n in Lengths)
        {
            foreach (bool adds in (bool[])[false, true])
            {
                Compare([Random(n, 1), Random(n, 2), Random(n, 3), Random(n, 4), Random(n, 5)], (kernels, x) =>
                    kernels.RmsNorm(x[0], x[1], x[2], 1e-6f, n, x[3], adds, x[4]));
            }
        }
    }

    [Fact]
    public void Gates_agree_with_the_twin()
    {
        foreach (int n in Lengths) Compare([Random(n, 1, 6), Random(n, 2), Random(n, 3)], (kernels, x) => kernels.GatedGelu(x[0], x[1], x[2], n));
    }

    [Fact]
    public void Turned_heads_agree_with_the_twin()
    {
        foreach (int half in (int[])[8, 16, 32, 48]) Compare([Random(2 * half, 1), Random(half, 2), Random(half, 3)], (kernels, x) => kernels.Rope(x[0], x[1], x[2], half, 0.3f));
    }

    [Fact]
    public void Soft_caps_agree_with_the_twin()
    {
        foreach (int n in (int[])[5, 16, 37]) Compare([Random(n, 1, 2), Random(n, 2)], (kernels, x) => kernels.SoftCap(x[0], 3, n, x[1]));
    }

    [Fact]
    public void Losses_agree_with_the_twin()
    {
        foreach (int n in (int[])[5, 16, 37, 160])
        {
            foreach (float cap in (float[])[0, 4])
            {
                foreach (int target in (int[])[0, n / 2, n - 1])
                {
                    double expected = 0;
                    Compare([Random(n, n, 8)], (kernels, x) =>
                    {
                        double loss = kernels.CrossEntropy(x[0], n, target, cap, 0.7f);
                        if (kernels is ScalarGradients) expected = loss;
                        else Assert.Equal(expected, loss, 1e-5);
                    });
                }
            }
        }
    }

    [Fact]
    public void Attention_agrees_with_the_twin()
    {
        foreach ((int first, int end) in ((int, int)[])[(0, 64), (0, 1), (17, 64), (5, 40), (16, 48), (63, 64), (30, 30)])
        {
            foreach (float cap in (float[])[0, 2])
                Compare([Random(64, 1, 3), Random(64, 2), Random(64, 3, 2), Random(64, 4)], (kernels, x) => kernels.Attention(x[0], x[1], x[2], x[3], 64, first, end, cap));
        }
    }

    [Fact]
    public void Softmax_agrees_with_the_twin()
    {
        foreach ((int first, int end) in ((int, int)[])[(0, 64), (0, 1), (17, 64), (5, 40), (16, 48), (63, 64), (30, 30)])
        {
            foreach (float cap in (float[])[0, 2])
            {
                foreach (float before in (float[])[float.NegativeInfinity, -1, 9])
                {
                    (float Maximum, float Sum, float Correction) expected = default;
                    Compare([Random(64, 1, 5)], (kernels, x) =>
                    {
                        float maximum = before, sum = float.IsNegativeInfinity(before) ? 0 : 2.5f, correction = kernels.Softmax(x[0], 64, first, end, cap, ref maximum, ref sum);
                        if (kernels is ScalarGradients) expected = (maximum, sum, correction);
                        Assert.Equal(expected.Maximum, maximum, 1e-5f);
                        Assert.Equal(expected.Sum, sum, 1e-5f * (1 + sum));
                        Assert.Equal(expected.Correction, correction, 1e-5f);
                    });
                }
            }
        }
    }

    [Fact]
    public void Forward_gates_agree_with_the_twin()
    {
        foreach (int n in Lengths) Compare([Random(n, 1, 9), Random(n, 2), Random(n, 3)], (kernels, x) => kernels.Gate(x[0], x[1], n, x[2]));
    }

    [Fact]
    public void Exponentials_are_right_to_two_units_and_keep_what_is_no_number()
    {
        float[] values = [.. Enumerable.Range(0, 1 << 16).Select(i => -86 + i * (174f / (1 << 16))), -1e30f, 1e30f, float.NegativeInfinity, float.PositiveInfinity, float.NaN, 0, -0f,
            .. new float[9]];
        Check<Lanes128>(Isa.Vector128);
        Check<Lanes256>(Isa.Avx2);
        Check<Lanes512>(Isa.Avx512);

        void Check<TLanes>(Isa isa) where TLanes : struct, ILanes<TLanes>
        {
            if (isa > IsaSelection.Best) return;
            using var memory = new Buffers();
            float* x = memory.Floats(values);
            for (int i = 0; i < values.Length; i += 16) TLanes.Store(Exponential.Of(TLanes.Load(x + i)), x + i);
            for (int i = 0; i < values.Length; i++)
            {
                double expected = Math.Exp(Math.Clamp((double)values[i], -86, 88));
                Assert.Equal(double.IsNaN(expected), float.IsNaN(x[i]));
                if (!double.IsNaN(expected)) Assert.True(Math.Abs(x[i] - expected) <= 2.5e-7 * expected, FormattableString.Invariant($"e^{values[i]} is {expected}, found {x[i]}"));
            }
        }
    }

    /// <summary>x · wᵀ, x · w and xᵀ · w, in every precision of every tier, of odd sizes too.</summary>
    [Fact]
    public void Products_are_those_of_the_definition()
    {
        foreach (CpuKernels kernels in (CpuKernels[])[KernelSets.Scalar, .. KernelSets.Vector])
        {
            foreach (Precision precision in Enum.GetValues<Precision>())
            {
                if (precision == Precision.BFloat16 && (kernels.Isa < Isa.Avx512 || Gemma.Cpu.Emit.DenseTiles.Shared(true, out _) is null)) continue;
                var products = ProductKernels.For(precision, kernels);
                foreach ((int rows, int columns, int k) in ((int, int, int)[])[(1, 16, 1), (5, 7, 3), (13, 33, 18), (40, 48, 64), (25, 80, 131), (12, 32, 700)])
                {
                    float[] left = Random(rows * k, 1), right = Random(columns * k, 2);
                    AssertProduct(products, precision, rows, columns, k, left, right, turned: false);
                    AssertProduct(products, precision, rows, columns, k, left, right, turned: true);
                }
            }
        }
    }

    /// <summary>Sides whose k runs along their rows, or down their columns.</summary>
    private static void AssertProduct(ProductKernels products, Precision precision, int rows, int columns, int k, float[] left, float[] right, bool turned)
    {
        using var memory = new Buffers();
        int units = products.Units(k), panels = (columns + 15) / 16, stride = panels * 16;
        nint rowBytes = ProductKernels.RowBytes(units), panelBytes = (nint)units * ProductKernels.PanelUnit;
        float* x = memory.Floats(left), w = memory.Floats(right), result = memory.Floats(rows * stride);
        byte* preparedRows = memory.Bytes((int)(rows * rowBytes)), preparedPanels = memory.Bytes((int)(panels * panelBytes));
        if (turned) products.RowsOfColumns(x, rows, k, rows, preparedRows, rowBytes);
        else
        {
            for (int row = 0; row < rows; row++) products.Row(x + row * k, k, preparedRows + row * rowBytes);
        }
        for (int panel = 0; panel < panels; panel++)
        {
            int count = Math.Min(16, columns - panel * 16);
            if (turned) products.PanelOfColumns(w + panel * 16, columns, k, count, preparedPanels + panel * panelBytes);
            else products.PanelOfRows(w + panel * 16 * k, k, count, k, preparedPanels + panel * panelBytes);
        }
        new Span<float>(result, rows * stride).Fill(2);
        foreach (bool adds in (bool[])[true, false])
        {
            products.MultiplyAll(preparedPanels, panelBytes, panels, units, preparedRows, rowBytes, rows, result, stride, adds);
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                {
                    double expected = adds ? 2 : 0, size = 1;
                    for (int i = 0; i < k; i++)
                    {
                        double product = Rounded(turned ? x[i * rows + row] : x[row * k + i]) * Rounded(turned ? w[i * columns + column] : w[column * k + i]);
                        expected += product;
                        size += Math.Abs(product);
                    }
                    Assert.Equal(expected, result[row * stride + column], 2e-6 * size);
                }
            }
        }

        double Rounded(float value) => precision == Precision.BFloat16 ? BFloat16.ToSingle(BFloat16.FromSingle(value)) : value;
    }

    /// <summary>Runs an operation of each tier on copies of the same arrays, and compares all arrays afterwards.</summary>
    private static void Compare(float[][] arrays, Action<GradientKernels, float*[]> operation)
    {
        using var memory = new Buffers();
        float*[] expected = Copies();
        operation(Scalar, expected);
        foreach (GradientKernels tier in Tiers)
        {
            float*[] actual = Copies();
            operation(tier, actual);
            for (int array = 0; array < arrays.Length; array++)
            {
                for (int i = 0; i < arrays[array].Length; i++)
                    Assert.Equal(expected[array][i], actual[array][i], 3e-6f * (1 + MathF.Abs(expected[array][i])));
            }
        }

        float*[] Copies()
        {
            float*[] copies = new float*[arrays.Length];
            for (int i = 0; i < copies.Length; i++) copies[i] = memory.Floats(arrays[i]);
            return copies;
        }
    }

    private static float[] Random(int count, int seed, float size = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => size * (2 * random.NextSingle() - 1))];
    }
}
