using CsCheck;
using Gemma.Cpu;
using Gemma.Cpu.Emit;
using Gemma.Cpu.Kernels;
using Gemma.Formats;

namespace Gemma.Tests.Cpu;

/// <summary>Weights that come in GGML's blocks and stay what they are, and products with those of 256 weights, Q4_K and Q6_K.</summary>
public unsafe class SuperBlockTests
{
    private static readonly ThreadTeam Team = new(1);
    private static readonly Gen<WeightType> Types = Gen.OneOf(WeightType.Q4_K, WeightType.Q6_K);

    private sealed record Case(WeightType Type, int Rows, int Outputs, int Columns, float[] X, byte[][] Weights);

    private static readonly Gen<Case> Any =
        from type in Types
        from rows in Gen.Int[1, 20]
        from outputs in Gen.Int[1, 48]
        from columns in Gen.Int[1, 6].Select(i => i * 256)
        from activations in Numbers.Array(rows * columns)
        from weights in Blocks(type, columns).Array[outputs]
        select new Case(type, rows, outputs, columns, activations, weights);

    [Fact]
    public void Packed_blocks_hold_the_numbers_of_the_file()
    {
        (from pair in Gen.OneOf((WeightType.Q8, TensorType.Q8_0), (WeightType.Q4, TensorType.Q4_0), (WeightType.Q4_K, TensorType.Q4_K), (WeightType.Q6_K, TensorType.Q6_K))
         from rows in Gen.Int[1, 40]
         from columns in Gen.Int[1, 5].Select(i => i * pair.Item2.BlockLength())
         from weights in Blocks(pair.Item1, columns).Array[rows]
         select (Type: pair.Item1, Blocks: pair.Item2, columns, weights)).Sample(sample =>
        {
            using PackedWeights packed = PackedWeights.Pack(sample.Type, sample.weights.Length, sample.columns, row => sample.weights[row], Team);
            float[] expected = new float[sample.columns], actual = new float[sample.columns];
            for (int row = 0; row < sample.weights.Length; row++)
            {
                RowCodec.Decode(sample.Blocks, sample.weights[row], expected);
                fixed (float* first = actual) packed.ReadRow(row, 1, first);
                Assert.Equal(expected, actual);
            }
        }, iter: 200);
    }

    [Fact]
    public void Blocks_of_5_bits_are_blocks_of_8_with_the_same_numbers() => Gen.Byte.Array[3 * 22].Sample(row =>
    {
        for (int block = 0; block < 3; block++) BitConverter.TryWriteBytes(row.AsSpan(block * 22), (Half)(row[block * 22] / 300f));
        float[] five = new float[96], eight = new float[96];
        RowCodec.Decode(TensorType.Q5_0, row, five);
        RowCodec.Decode(TensorType.Q8_0, Q5_0.ToQ8(row), eight);
        Assert.Equal(five, eight);
    });

    [Fact]
    public void Vector_preparation_gives_the_bytes_of_the_scalar_twin() =>
        (from type in Types
         from columns in Gen.Int[1, 4].Select(i => i * 256)
         from values in Numbers.Array(columns)
         select (type, columns, values)).Sample(sample =>
         {
             using var buffers = new Buffers();
             float* x = buffers.Floats(sample.values);
             int bytes = KernelSets.Scalar.PreparedBytes(sample.type, sample.columns);
             byte* expected = buffers.Bytes(bytes);
             KernelSets.Scalar.Prepare(sample.type, x, sample.columns, sample.columns, expected);
             foreach (CpuKernels kernels in KernelSets.Vector)
             {
                 Assert.Equal(bytes, kernels.PreparedBytes(sample.type, sample.columns));
                 byte* actual = buffers.Bytes(bytes);
                 kernels.Prepare(sample.type, x, sample.columns, sample.columns, actual);
                 Assert.Equal(new ReadOnlySpan<byte>(expected, bytes), new ReadOnlySpan<byte>(actual, bytes));
             }
         }, iter: 200);

    [Fact]
    public void Products_are_those_of_the_weights_with_activations_of_8_bits() => Any.Sample(sample =>
    {
        (double[] exact, double[] sizes) = Exact(sample);
        foreach (CpuKernels kernels in (CpuKernels[])[KernelSets.Scalar, .. KernelSets.Vector])
        {
            float[] actual = Multiply(kernels, sample);
            for (int i = 0; i < actual.Length; i++)
            {
                // Roundings of fp32: three for each sub-block, of sums of numbers of this size (Higham, Accuracy and Stability, 3.1).
                double bound = (sample.Columns / 16 + 8) * Math.ScaleB(sizes[i], -23) + sample.Columns * (double)float.Epsilon * 2048;
                if (!(Math.Abs(exact[i] - actual[i]) <= bound))
                    Assert.Fail(FormattableString.Invariant($"{kernels.Name} {sample.Type} [{sample.Rows}, {sample.Columns}] × {sample.Outputs}: value {i} is {actual[i]:R}, expected {exact[i]:R} ± {bound:R}"));
            }
        }
    }, iter: 60);

    [Fact]
    public void Tiers_that_fuse_multiply_and_add_give_the_same_bits()
    {
        CpuKernels[] fusing = [.. KernelSets.Vector.Where(kernels => kernels.Isa >= Isa.Avx2)];
        Assert.SkipWhen(fusing.Length < 2, "one such tier here");
        Any.Sample(sample =>
        {
            float[] expected = Multiply(fusing[0], sample);
            foreach (CpuKernels kernels in fusing[1..]) Assert.Equal(expected, Multiply(kernels, sample));
        }, iter: 60);
    }

    [Fact]
    public void Whole_numbers_are_multiplied_exactly_up_to_the_largest()
    {
        (from type in Types
         from rows in Gen.Int[1, 9]
         from extreme in Gen.Bool
         from x in Gen.Int[-127, 127].Array[rows * 256]
         from bits in Gen.Byte.Array[17 * (type == WeightType.Q4_K ? 144 : 210)]
         select (type, rows, extreme, x, bits)).Sample(sample =>
         {
             bool four = sample.type == WeightType.Q4_K;
             byte[][] weights = sample.bits.Chunk(four ? 144 : 210).ToArray();
             foreach (byte[] block in weights)
             {
                 if (sample.extreme) block.AsSpan().Fill(0xFF);
                 // Factors of 1, scales and minimums that leave sums under 2²⁴.
                 foreach (int at in four ? (int[])[0, 2] : [208]) BitConverter.TryWriteBytes(block.AsSpan(at), (Half)1);
                 if (four) foreach (ref byte scale in block.AsSpan(4, 8)) scale &= 15;
                 else foreach (ref byte scale in block.AsSpan(192, 16)) scale = (byte)((sbyte)scale / 8 | 1);
             }
             float[] x = [.. sample.x.Select((value, i) => i % 32 == 0 || sample.extreme ? 127f : value)];
             var one = new Case(sample.type, sample.rows, weights.Length, 256, x, weights);
             float[] expected = [.. Exact(one).Values.Select(value => (float)value)];
             foreach (CpuKernels kernels in (CpuKernels[])[KernelSets.Scalar, .. KernelSets.Vector]) Assert.Equal(expected, Multiply(kernels, one));
         }, iter: 60);
    }

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
    }, iter: 40);

    [Fact]
    public void Emitted_products_of_many_rows_and_long_columns_have_the_bits_of_the_avx512_tier()
    {
        Assert.SkipWhen(EmittedKernels.Shared is null, $"no emitted kernels here: {EmittedKernels.Refusal}");
        (from type in Types
         from rows in Gen.Int[1, 40]
         from columns in Gen.Int[1, 20].Select(i => i * 256)
         from x in Gen.Float[-4, 4].Array[rows * columns]
         from weights in Blocks(type, columns).Array[33]
         select new Case(type, rows, 33, columns, x, weights)).Sample(sample =>
            Assert.Equal(Multiply(CpuKernels.For(Isa.Avx512), sample), Multiply(EmittedKernels.Shared!, sample)), iter: 25);
    }

    [Fact]
    public void Rows_that_are_no_whole_super_blocks_are_refused()
    {
        var refused = Assert.Throws<UsageException>(() => PackedWeights.Pack(WeightType.Q4_K, 16, 320, (_, row) => row.Clear(), KernelSets.Scalar, Team));
        Assert.Equal("expected rows of whole super-blocks of 256 weights for Q4_K, found rows of 320: load with q8 or q4", refused.Message);
    }

    /// <summary>A row of blocks of any bits, whose fp16 numbers are finite.</summary>
    private static Gen<byte[]> Blocks(WeightType type, int columns)
    {
        TensorType blocks = type switch { WeightType.Q8 => TensorType.Q8_0, WeightType.Q4 => TensorType.Q4_0, WeightType.Q4_K => TensorType.Q4_K, _ => TensorType.Q6_K };
        int blockBytes = blocks.BlockBytes(), count = columns / blocks.BlockLength();
        int[] halves = blocks switch { TensorType.Q6_K => [208], TensorType.Q4_K => [0, 2], _ => [0] };
        return Gen.Select(Gen.Byte.Array[count * blockBytes], Gen.Float[-1, 1].Array[2 * count], (row, scales) =>
        {
            for (int block = 0; block < count; block++)
                for (int i = 0; i < halves.Length; i++) BitConverter.TryWriteBytes(row.AsSpan(block * blockBytes + halves[i]), (Half)scales[2 * block + i]);
            return row;
        });
    }

    /// <summary>The products in double precision, and for each the sum of the sizes of its terms, minimums apart.</summary>
    private static (double[] Values, double[] Sizes) Exact(Case sample)
    {
        using PackedWeights packed = PackedWeights.Pack(sample.Type, sample.Outputs, sample.Columns, row => sample.Weights[row], Team);
        double[] values = new double[sample.Rows * sample.Outputs], sizes = new double[values.Length], a = new double[sample.Columns];
        for (int row = 0; row < sample.Rows; row++)
        {
            for (int k = 0; k < sample.Columns; k += 32)
            {
                ReadOnlySpan<float> block = sample.X.AsSpan(row * sample.Columns + k, 32);
                float max = block.ToArray().Max(MathF.Abs), inverse = QuantizedRow.Inverse(max);
                for (int i = 0; i < 32; i++) a[k + i] = MathF.Round(block[i] * inverse) * (double)(max / 127);
            }
            for (int output = 0; output < sample.Outputs; output++)
            {
                byte* panel = packed.Panel(output / 16);
                for (int k = 0; k < sample.Columns; k++)
                {
                    byte* super = panel + k / 256 * SuperBlockPanel.Bytes(sample.Type);
                    int lane = output % 16, place = k % 256;
                    (double weight, double size) = sample.Type == WeightType.Q4_K
                        ? ((double)SuperBlockPanel.Scale4(super, lane, place) * SuperBlockPanel.Value4(super, lane, place), Math.Abs((double)SuperBlockPanel.Minimum4(super, lane, place)))
                        : ((double)SuperBlockPanel.Scale6(super, lane, place) * (SuperBlockPanel.Value6(super, lane, place) - 32), 0);
                    double minimum = sample.Type == WeightType.Q4_K ? SuperBlockPanel.Minimum4(super, lane, place) : 0;
                    values[row * sample.Outputs + output] += (weight - minimum) * a[k];
                    sizes[row * sample.Outputs + output] += (Math.Abs(weight) + size) * Math.Abs(a[k]);
                }
            }
        }
        return (values, sizes);
    }

    /// <summary>[rows, outputs], after preparing with the same set of kernels.</summary>
    private static float[] Multiply(CpuKernels kernels, Case sample, int panelsAtOnce = 2)
    {
        using var buffers = new Buffers();
        using PackedWeights weights = PackedWeights.Pack(sample.Type, sample.Outputs, sample.Columns, row => sample.Weights[row], Team);
        float* x = buffers.Floats(sample.X);
        nint stride = kernels.PreparedBytes(sample.Type, sample.Columns);
        byte* prepared = buffers.Bytes((int)stride * sample.Rows);
        for (int row = 0; row < sample.Rows; row++) kernels.Prepare(sample.Type, x + row * sample.Columns, sample.Columns, sample.Columns, prepared + row * stride);
        int width = weights.PanelCount * PackedWeights.PanelRows;
        float* result = buffers.Floats(sample.Rows * width);
        for (int panel = 0; panel < weights.PanelCount; panel += panelsAtOnce)
        {
            kernels.Multiply(sample.Type, weights.Panel(panel), weights.PanelBytes, Math.Min(panelsAtOnce, weights.PanelCount - panel), sample.Columns, prepared, stride,
                sample.Rows, result + panel * PackedWeights.PanelRows, width);
        }
        float[] values = new float[sample.Rows * sample.Outputs];
        for (int row = 0; row < sample.Rows; row++)
            new ReadOnlySpan<float>(result + row * width, sample.Outputs).CopyTo(values.AsSpan(row * sample.Outputs));
        return values;
    }
}
