using CsCheck;
using Gemma.Cpu;
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
    public void Vector_preparation_gives_the_bytes_of_the_scalar_twin() =>
        (from type in Gen.OneOf(WeightType.Q8, WeightType.Q4)
         from columns in Gen.Int[1, 20].Select(i => i * 16)
         from values in Numbers.Array(columns)
         select (type, columns, values)).Sample(sample =>
         {
             using var buffers = new Buffers();
             float* x = buffers.Floats(sample.values);
             int padded = (sample.columns + 63) / 64 * 64, bytes = QuantizedRow.Bytes(sample.type, padded);
             byte* expected = buffers.Bytes(bytes), actual = buffers.Bytes(bytes);
             KernelSets.Scalar.Prepare(sample.type, x, sample.columns, padded, expected);
             foreach (CpuKernels kernels in KernelSets.Vector)
             {
                 kernels.Prepare(sample.type, x, sample.columns, padded, actual);
                 Assert.Equal(new ReadOnlySpan<byte>(expected, bytes), new ReadOnlySpan<byte>(actual, bytes));
             }
         }, iter: 300);

    [Fact]
    public void No_weight_is_further_from_its_value_than_the_scale_allows() => Panels.Sample(sample =>
    {
        foreach (CpuKernels kernels in (CpuKernels[])[KernelSets.Scalar, .. KernelSets.Vector])
        {
            float[] read = ReadBack(kernels, sample.Type, sample.Values, sample.Columns);
            for (int start = 0; start < read.Length; start += Block)
            {
                float largest = sample.Values.AsSpan(start, Block).ToArray().Max(MathF.Abs);
                // 8 bits: half of a step of largest/127. 4 bits: a whole step of largest/8 for what the sign's shorter side clips. fp16 scales from 2⁻²⁵ up.
                float allowed = (sample.Type == WeightType.Q8 ? 0.52f / 127 : 1.15f / 8) * largest + (sample.Type == WeightType.Q8 ? 127 : 8) * 3e-8f;
                for (int i = start; i < start + Block; i++)
                    Assert.True(MathF.Abs(read[i] - sample.Values[i]) <= allowed, FormattableString.Invariant($"{kernels.Name} {sample.Type}: {sample.Values[i]:R} came back as {read[i]:R}"));
            }
        }
    }, iter: 100);

    [Fact]
    public void The_chosen_scale_errs_less_than_the_naive_one() => Panels.Sample(sample =>
    {
        float[] read = ReadBack(KernelSets.Vector is [.., CpuKernels best] ? best : KernelSets.Scalar, sample.Type, sample.Values, sample.Columns);
        double chosen = 0, naive = 0;
        for (int start = 0; start < read.Length; start += Block)
        {
            Span<float> block = sample.Values.AsSpan(start, Block);
            float extreme = 0;
            // Of two extremes of one size the negative one is put on −8, here as there.
            foreach (float value in block) if (MathF.Abs(value) > MathF.Abs(extreme) || -value == MathF.Abs(extreme)) extreme = value;
            var scale = (float)(Half)(sample.Type == WeightType.Q8 ? MathF.Abs(extreme) / 127 : extreme / -8);
            double blockChosen = 0, blockNaive = 0;
            for (int i = 0; i < Block; i++)
            {
                float level = scale == 0 ? 0 : Math.Clamp(MathF.Round(block[i] / scale), sample.Type == WeightType.Q8 ? -127 : -8, sample.Type == WeightType.Q8 ? 127 : 7);
                blockNaive += Math.Pow(block[i] - (double)level * scale, 2);
                blockChosen += Math.Pow(block[i] - (double)read[start + i], 2);
            }
            chosen += blockChosen;
            naive += blockNaive;
            // A single block may lose what rounding its scale to fp16 (11 bits) costs: at most 2⁻¹¹ of each weight.
            double rounding = block.ToArray().Sum(value => Math.Pow(value * Math.ScaleB(1, -11) + 4e-6, 2));
            Assert.True(Math.Sqrt(blockChosen) <= Math.Sqrt(blockNaive) + Math.Sqrt(rounding), $"{sample.Type}: {blockChosen} against {blockNaive}");
        }
        if (sample.Type == WeightType.Q4) Assert.True(chosen <= naive * 1.0001 + 1e-9, $"all blocks: {chosen} against {naive}");
    }, iter: 200);

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
                    float allowed = sample.type switch { WeightType.Q8 => 0.11f, WeightType.Q4 => 3.6f, _ => 0 };
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
