using CsCheck;
using Gemma.Cpu;
using Gemma.Cpu.Emit;
using Gemma.Cpu.Kernels;

namespace Gemma.Tests.Cpu;

/// <summary>Weights and activations brought to 8 and 4 bits.</summary>
public unsafe class QuantizationTests
{
    private const int Rows = PackedWeights.PanelRows, Block = PackedWeights.Block;
    private static readonly ThreadTeam Team = new(1);

    private static readonly Gen<(WeightType Type, int Columns, float[] Values)> Panels =
        from type in Gen.OneOf(WeightType.Q8, WeightType.Q4)
        from columns in Gen.Int[1, 5].Select(i => i * 64)
        from values in Numbers.Weights(Rows * columns)
        select (type, columns, values);

    [Fact]
    public void Vector_packing_gives_the_bytes_of_the_scalar_twin() => Panels.Sample(sample =>
    {
        byte[] expected = Pack(KernelSets.Scalar, sample.Type, sample.Values, sample.Columns);
        foreach (CpuKernels kernels in KernelSets.Vector) Assert.Equal(expected, Pack(kernels, sample.Type, sample.Values, sample.Columns));
    }, iter: 200);

    [Fact]
    public void Unquantised_rows_read_back_as_they_were_packed() =>
        (from type in Gen.OneOf(WeightType.F32, WeightType.BF16)
         from rows in Gen.Int[1, 40]
         from columns in Gen.Int[1, 70]
         from values in Numbers.Weights(rows * columns)
         select (type, rows, columns, values)).Sample(sample =>
         {
             using PackedWeights weights = PackedWeights.Pack(sample.type, sample.rows, sample.columns,
                 (row, destination) => sample.values.AsSpan(row * sample.columns, sample.columns).CopyTo(destination), KernelSets.Scalar, Team);
             float[] actual = new float[sample.values.Length];
             fixed (float* first = actual)
                 for (int row = 0; row < sample.rows; row++) weights.ReadRow(row, 1, first + row * sample.columns);
             Assert.Equal(sample.type == WeightType.F32 ? sample.values : [.. sample.values.Select(value => BFloat16.ToSingle(BFloat16.FromSingle(value)))], actual);
         }, iter: 200);

    [Fact]
    public void Bf16_of_many_numbers_is_that_of_each()
    {
        float[] odd = [float.NaN, BitConverter.UInt32BitsToSingle(0x7F800001), BitConverter.UInt32BitsToSingle(0xFFC00000), float.PositiveInfinity, float.NegativeInfinity,
            float.MaxValue, float.Epsilon, -0f, 1, BitConverter.UInt32BitsToSingle(0x3F808000), BitConverter.UInt32BitsToSingle(0x3F818000)];
        Gen.OneOf(Gen.OneOf(odd), Gen.UInt.Select(BitConverter.UInt32BitsToSingle)).Array[0, 40].Sample(values =>
        {
            ushort[] actual = new ushort[values.Length];
            fixed (float* source = values)
            fixed (ushort* result = actual) BFloat16.FromSingles(source, values.Length, result);
            Assert.Equal(values.Select(BFloat16.FromSingle), actual);
        });
    }

    [Fact]
    public void Vector_preparation_gives_the_bytes_of_the_scalar_twin() =>
        (from type in Gen.OneOf(WeightType.Q8, WeightType.Q4)
         from columns in Gen.Int[1, 20].Select(i => i * 16)
         from values in Numbers.Array(columns)
         select (type, columns, values)).Sample(sample =>
         {
             using var buffers = new Buffers();
             float* x = buffers.Floats(sample.values);
             int padded = (sample.columns + 63) / 64 * 64, bytes = QuantizedRow.Bytes(sample.type, padded);
             byte* expected = buffers.Bytes(bytes);
             KernelSets.Scalar.Prepare(sample.type, x, sample.columns, padded, expected);
             foreach (CpuKernels kernels in KernelSets.Vector)
             {
                 byte* actual = buffers.Bytes(kernels.PreparedBytes(sample.type, padded));
                 kernels.Prepare(sample.type, x, sample.columns, padded, actual);
                 if (kernels is EmittedKernels) Assert.Equal(Values(expected, sample.type, padded), EmittedValues(actual, padded));
                 else Assert.Equal(new ReadOnlySpan<byte>(expected, bytes), new ReadOnlySpan<byte>(actual, bytes));
             }
         }, iter: 300);

    /// <summary>Scale, correction and values of each block.</summary>
    private static List<float> Values(byte* row, WeightType type, int columns)
    {
        var all = new List<float>();
        int blocks = columns / Block;
        for (int block = 0; block < blocks; block++)
        {
            all.AddRange(QuantizedRow.Scales(row)[block], QuantizedRow.Corrections(row, blocks)[block]);
            for (int k = 0; k < Block; k++)
            {
                int* values = QuantizedRow.Values(row, blocks);
                // 8 bits: the shorts of four k are in the order 0, 2, 1, 3.
                all.Add(type == WeightType.Q8 ? ((short*)values)[block * Block + k / 4 * 4 + k % 2 * 2 + k % 4 / 2] : ((sbyte*)values)[block * Block + k]);
            }
        }
        return all;
    }

    private static List<float> EmittedValues(byte* row, int columns)
    {
        var all = new List<float>();
        for (int block = 0; block < columns / Block; block++)
        {
            byte* step = row + block / 2 * EmittedRow.StepBytes;
            all.AddRange(*(float*)(step + EmittedRow.Scale(block % 2)), *(int*)(step + EmittedRow.Correction(block % 2)));
            for (int k = 0; k < Block; k++) all.Add(((sbyte*)step)[EmittedRow.Values(block % 2, 0) + k]);
        }
        return all;
    }

    [Fact]
    public void No_weight_is_further_from_its_value_than_the_scale_allows() => Panels.Sample(sample =>
    {
        foreach (CpuKernels kernels in (CpuKernels[])[KernelSets.Scalar, .. KernelSets.Vector])
        {
            float[] read = ReadBack(kernels, sample.Type, sample.Values, sample.Columns);
            for (int start = 0; start < read.Length; start += Block)
            {
                float largest = sample.Values.AsSpan(start, Block).ToArray().Max(MathF.Abs);
                // Half a step of largest/127 (largest/8), and what the scale of least squares clips at the ends: the most at 7 of the smallest scale tried,
                // largest/8.9. fp16 scales go from 2⁻²⁵ up.
                float allowed = (sample.Type == WeightType.Q8 ? 0.8f / 127 : 2f / 8) * largest + (sample.Type == WeightType.Q8 ? 127 : 8) * 3e-8f;
                for (int i = start; i < start + Block; i++)
                    Assert.True(MathF.Abs(read[i] - sample.Values[i]) <= allowed, FormattableString.Invariant($"{kernels.Name} {sample.Type}: {sample.Values[i]:R} came back as {read[i]:R}"));
            }
        }
    }, iter: 100);

    [Fact]
    public void No_block_errs_more_than_with_the_naive_scale() => Panels.Sample(sample =>
    {
        float[] read = ReadBack(Best, sample.Type, sample.Values, sample.Columns), naive = Naive(sample.Type, sample.Values);
        for (int start = 0; start < read.Length; start += Block)
        {
            // Rounding a scale to fp16's 11 bits may move each weight by 2⁻¹¹ of itself, for the better or for the worse.
            double rounding = Math.Sqrt(sample.Values.AsSpan(start, Block).ToArray().Sum(value => Math.Pow(value * Math.ScaleB(1, -11) + 4e-6, 2)));
            double chosen = Error(sample.Values, read, start, Block), limit = Error(sample.Values, naive, start, Block) + rounding;
            Assert.True(chosen <= limit, $"{sample.Type}: {chosen} against {limit}");
        }
    }, iter: 200);

    [Theory]
    [InlineData(WeightType.Q8, 1.0)]
    [InlineData(WeightType.Q4, 0.95)]
    public void Weights_as_models_have_them_err_less_than_with_the_naive_scale(WeightType type, double share)
    {
        var random = new Random(5);
        float[] values = [.. Enumerable.Range(0, Rows * 1024).Select(_ => 0.02f * (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];
        double chosen = Error(values, ReadBack(Best, type, values, 1024), 0, values.Length), naive = Error(values, Naive(type, values), 0, values.Length);
        Assert.True(chosen < share * naive, $"{chosen} against {naive}");
    }

    private static CpuKernels Best => KernelSets.Vector is [.., CpuKernels best] ? best : KernelSets.Scalar;

    /// <summary>What the largest weight of each block on 127 (−8) gives.</summary>
    private static float[] Naive(WeightType type, float[] values) => [.. values.Chunk(Block).SelectMany(block =>
    {
        // Of two extremes of one size the negative one is put on −8, here as there.
        float extreme = -block.Min() >= block.Max() ? block.Min() : block.Max();
        var scale = (float)(Half)(type == WeightType.Q8 ? MathF.Abs(extreme) / 127 : extreme / -8);
        return block.Select(value => scale == 0 ? 0 : scale * Math.Clamp(MathF.Round(value / scale), type == WeightType.Q8 ? -127 : -8, type == WeightType.Q8 ? 127 : 7));
    })];

    private static double Error(float[] values, float[] read, int start, int count) =>
        Math.Sqrt(Enumerable.Range(start, count).Sum(i => Math.Pow((double)values[i] - read[i], 2)));

    [Fact]
    public void Rows_that_fill_no_whole_panel_come_back_and_the_rest_is_zero() =>
        (from type in Gen.OneOf(KernelSets.Types)
         from rows in Gen.Int[1, 50]
         from columns in Gen.Int[1, 9].Select(i => i * 16)
         from values in Gen.Int[-100, 100].Select(i => i / 4f).Array[rows * columns]
         select (type, rows, columns, values)).Sample(sample =>
        {
            foreach (CpuKernels kernels in (CpuKernels[])[KernelSets.Scalar, .. KernelSets.Vector])
            {
                using PackedWeights weights = Packed(kernels, sample.type, sample.values, sample.rows, sample.columns);
                Assert.Equal((sample.rows + 15) / 16, weights.PanelCount);
                float[] row = new float[sample.columns], padded = new float[weights.PaddedColumns];
                for (int i = 0; i < weights.PanelCount * Rows; i++)
                {
                    fixed (float* destination = row) weights.ReadRow(i, 1, destination);
                    ReadOnlySpan<float> expected = i < sample.rows ? sample.values.AsSpan(i * sample.columns, sample.columns) : padded.AsSpan(0, sample.columns);
                    float allowed = sample.type switch { WeightType.Q8 => 0.16f, WeightType.Q4 => 6.25f, _ => 0 };
                    for (int k = 0; k < row.Length; k++) Assert.InRange(row[k], expected[k] - (i < sample.rows ? allowed : 0), expected[k] + (i < sample.rows ? allowed : 0));
                }
            }
        }, iter: 60);

    [Theory]
    [InlineData(WeightType.Q8)]
    [InlineData(WeightType.Q4)]
    public void A_weight_too_large_for_the_scale_is_refused(WeightType type)
    {
        foreach (CpuKernels kernels in (CpuKernels[])[KernelSets.Scalar, .. KernelSets.Vector])
        {
            float[] values = new float[16 * 64];
            values[77] = 1e9f;
            var refused = Assert.Throws<GemmaException>(() => Packed(kernels, type, values, 16, 64));
            Assert.Contains("load with bf16 or f32", refused.Message);
        }
    }

    private static byte[] Pack(CpuKernels kernels, WeightType type, float[] values, int columns)
    {
        using var buffers = new Buffers();
        int bytes = columns / Block * QuantizedPanel.BlockBytes(type == WeightType.Q8 ? 8 : 4);
        byte* panel = buffers.Bytes(bytes);
        kernels.Pack(type, buffers.Floats(values), columns, panel);
        return new ReadOnlySpan<byte>(panel, bytes).ToArray();
    }

    private static float[] ReadBack(CpuKernels kernels, WeightType type, float[] values, int columns)
    {
        using PackedWeights weights = Packed(kernels, type, values, Rows, columns);
        float[] read = new float[values.Length];
        fixed (float* first = read)
        {
            for (int row = 0; row < Rows; row++) weights.ReadRow(row, 1, first + row * columns);
        }
        return read;
    }

    private static PackedWeights Packed(CpuKernels kernels, WeightType type, float[] values, int rows, int columns) => PackedWeights.Pack(type, rows, columns,
        (row, destination) => values.AsSpan(row * columns, columns).CopyTo(destination), kernels, Team);
}
