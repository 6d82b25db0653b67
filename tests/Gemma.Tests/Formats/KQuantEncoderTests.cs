using CsCheck;
using Gemma.Formats;
using Gemma.Tests.Cpu;

namespace Gemma.Tests.Formats;

public class KQuantEncoderTests
{
    private const int Length = 256;

    [Theory]
    [InlineData(TensorType.Q4_K, 0.2f)]
    [InlineData(TensorType.Q6_K, 0.05f)]
    public void No_weight_is_further_from_its_value_than_the_bits_allow(TensorType type, float share) => Numbers.Weights(2 * Length).Sample(values =>
    {
        float[] read = Through(type, values);
        for (int start = 0; start < values.Length; start += Length)
        {
            float largest = values.AsSpan(start, Length).ToArray().Max(MathF.Abs);
            // What is too small for an fp16 factor of the scales is lost.
            float allowed = share * largest + 1.5e-4f;
            for (int i = start; i < start + Length; i++)
                if (!(MathF.Abs(values[i] - read[i]) <= allowed)) Assert.Fail(FormattableString.Invariant($"{type}: {values[i]:R} came back as {read[i]:R}, largest {largest:R}"));
        }
    }, iter: 400);

    [Theory]
    [InlineData(TensorType.Q4_K, 0.93, 0.08)]
    [InlineData(TensorType.Q6_K, 0.97, 0.02)]
    public void Weights_as_models_have_them_err_less_than_with_scales_from_the_extremes(TensorType type, double share, double most)
    {
        var random = new Random(5);
        float[] values = [.. Enumerable.Range(0, 64 * Length).Select(_ => 0.02f * (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];
        double chosen = Error(values, Through(type, values)), naive = Error(values, type == TensorType.Q4_K ? Naive4(values) : Naive6(values));
        Assert.True(chosen < share * naive, $"{chosen} against {naive}");
        Assert.True(chosen < most * Math.Sqrt(values.Sum(value => (double)value * value)), $"{chosen}");
    }

    [Theory]
    [InlineData(TensorType.Q4_K)]
    [InlineData(TensorType.Q6_K)]
    public void Zeros_stay_zeros_and_equal_weights_equal(TensorType type)
    {
        Assert.Equal(new float[Length], Through(type, new float[Length]));
        foreach (float value in (float[])[1, -1, 0.37f])
        {
            float[] read = Through(type, [.. Enumerable.Repeat(value, Length)]);
            Assert.All(read, one => Assert.Equal(read[0], one));
            Assert.InRange(read[0] / value, 0.999f, 1.001f);
        }
    }

    [Fact]
    public void Weights_that_pass_what_the_scales_reach_come_back_infinite_rather_than_wrong()
    {
        foreach (TensorType type in (TensorType[])[TensorType.Q4_K, TensorType.Q6_K])
        {
            float[] values = new float[Length];
            values[7] = -4 * RowCodec.LargestMagnitude(type);
            Assert.False(RowCodec.AllFinite(Through(type, values)));
            values[7] = -RowCodec.LargestMagnitude(type) / 4;
            Assert.True(RowCodec.AllFinite(Through(type, values)));
        }
    }

    [Fact]
    public void Scales_are_finite_where_weights_are() =>
        (from type in Gen.OneOf(TensorType.Q8_0, TensorType.Q4_0, TensorType.Q5_0, TensorType.Q4_K, TensorType.Q5_K, TensorType.Q6_K)
         from bytes in Gen.Byte.Array[2 * type.BlockBytes()]
         from spoiled in Gen.Int[0, bytes.Length - 2]
         from isSpoiled in Gen.Bool
         select (type, bytes, spoiled, isSpoiled)).Sample(sample =>
         {
             if (sample.isSpoiled) BitConverter.TryWriteBytes(sample.bytes.AsSpan(sample.spoiled), Half.PositiveInfinity);
             float[] values = new float[2 * sample.type.BlockLength()];
             RowCodec.Decode(sample.type, sample.bytes, values);
             Assert.Equal(RowCodec.AllFinite(values), RowCodec.HasFiniteScales(sample.type, sample.bytes));
         }, iter: 2000);

    private static float[] Through(TensorType type, float[] values)
    {
        byte[] encoded = new byte[values.Length / Length * type.BlockBytes()];
        RowCodec.Encode(type, values, encoded);
        float[] read = new float[values.Length];
        RowCodec.Decode(type, encoded, read);
        return read;
    }

    private static double Error(float[] values, float[] read) => Math.Sqrt(values.Zip(read, (x, y) => Math.Pow((double)x - y, 2)).Sum());

    /// <summary>Sub-blocks from their least to their greatest weight, scales and minimums rounded to six bits of the largest.</summary>
    private static float[] Naive4(float[] values) => [.. values.Chunk(Length).SelectMany(super =>
    {
        float[][] blocks = [.. super.Chunk(32)];
        float[] minimums = [.. blocks.Select(block => -MathF.Min(0, block.Min()))], scales = [.. blocks.Select((block, i) => (block.Max() + minimums[i]) / 15)];
        float d = scales.Max() / 63, m = minimums.Max() / 63;
        return blocks.SelectMany((block, i) =>
        {
            float scale = d * MathF.Round(scales[i] / d), minimum = m * MathF.Round(minimums[i] / m);
            return block.Select(value => scale * Math.Clamp(MathF.Round((value + minimum) / scale), 0, 15) - minimum);
        });
    })];

    /// <summary>Sub-blocks with their largest weight on −32, scales rounded to eight bits of the largest.</summary>
    private static float[] Naive6(float[] values) => [.. values.Chunk(Length).SelectMany(super =>
    {
        float[][] blocks = [.. super.Chunk(16)];
        float[] scales = [.. blocks.Select(block => block.MaxBy(MathF.Abs) / -32)];
        float d = scales.MaxBy(MathF.Abs) / -128;
        return blocks.SelectMany((block, i) =>
        {
            float scale = d * Math.Clamp(MathF.Round(scales[i] / d), -128, 127);
            return block.Select(value => scale * Math.Clamp(MathF.Round(value / scale), -32, 31));
        });
    })];
}
