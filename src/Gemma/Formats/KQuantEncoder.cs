using System.Numerics;
using System.Runtime.InteropServices;

namespace Gemma.Formats;

/// <summary>
/// Writes <see cref="Q4_K"/> and <see cref="Q6_K"/>. For each sub-block the scale (and minimum) of least squared error is looked for among those that put its
/// extremes at, and a little beside, the ends of the integers; then the sub-blocks' scales are brought to their own few bits and the weights rounded to what
/// those give.
/// </summary>
internal static class KQuantEncoder
{
    private const int Length = 256;

    // Candidates for each sub-block: 15 levels, and a tenth of a level more or less for each step. Wider or finer gains nothing measurable.
    private const int Steps4 = 5, Steps6 = 4;
    private const float StepSize4 = 0.2f, StepSize6 = 0.25f;

    // Under this a scale is zero in fp16, and so is the sub-block.
    private const float Smallest = 1e-9f;

    public static void EncodeQ4(ReadOnlySpan<float> source, Span<byte> destination)
    {
        const int count = 8, length = 32;
        Span<float> scales = stackalloc float[count], minimums = stackalloc float[count], levels = stackalloc float[length];
        Span<int> scaleBits = stackalloc int[count], minimumBits = stackalloc int[count];
        for (; source.Length >= Length; source = source[Length..], destination = destination[Q4_K.BlockBytes..])
        {
            for (int i = 0; i < count; i++) (scales[i], minimums[i]) = BestLine(source.Slice(i * length, length), levels);
            float d = Spread(scales, scaleBits, 63, 0, 63, destination), m = Spread(minimums, minimumBits, 63, 0, 63, destination[2..]);
            for (int i = 0; i < count; i++) (scaleBits[i], minimumBits[i]) = BestBits(source.Slice(i * length, length), d, m, scaleBits[i], minimumBits[i], levels);
            Span<byte> packed = destination.Slice(4, 12), nibbles = destination.Slice(16, Length / 2);
            for (int i = 0; i < 4; i++)
            {
                packed[i] = (byte)(scaleBits[i] | scaleBits[i + 4] >> 4 << 6);
                packed[i + 4] = (byte)(minimumBits[i] | minimumBits[i + 4] >> 4 << 6);
                packed[i + 8] = (byte)(scaleBits[i + 4] & 15 | (minimumBits[i + 4] & 15) << 4);
            }
            nibbles.Clear();
            for (int i = 0; i < count; i++)
            {
                float scale = d * scaleBits[i];
                Round(source.Slice(i * length, length), scale == 0 ? 0 : 1 / scale, -m * minimumBits[i], 0, 15, levels);
                for (int k = 0; k < length; k++) nibbles[i / 2 * length + k] |= (byte)((int)levels[k] << i % 2 * 4);
            }
        }
    }

    public static void EncodeQ6(ReadOnlySpan<float> source, Span<byte> destination)
    {
        const int count = 16, length = 16;
        Span<float> scales = stackalloc float[count], levels = stackalloc float[length];
        Span<int> scaleBits = stackalloc int[count];
        for (; source.Length >= Length; source = source[Length..], destination = destination[Q6_K.BlockBytes..])
        {
            for (int i = 0; i < count; i++) scales[i] = BestScale(source.Slice(i * length, length), levels);
            float d = Spread(scales, scaleBits, -128, -128, 127, destination[208..]);
            for (int i = 0; i < count; i++) scaleBits[i] = BestBits(source.Slice(i * length, length), d, scaleBits[i], levels);
            Span<byte> nibbles = destination[..128], upper = destination.Slice(128, 64);
            destination[..192].Clear();
            for (int i = 0; i < count; i++)
            {
                destination[192 + i] = (byte)scaleBits[i];
                float scale = d * scaleBits[i];
                Round(source.Slice(i * length, length), scale == 0 ? 0 : 1 / scale, 0, -32, 31, levels);
                // 128 weights are quarters of 32: nibbles of quarters 0 and 1 low, of 2 and 3 high; two bits of each quarter in a byte.
                int half = i / 8, quarter = i % 8 / 2, start = i % 2 * length;
                for (int k = 0; k < length; k++)
                {
                    int q = (int)levels[k] + 32;
                    nibbles[half * 64 + quarter % 2 * 32 + start + k] |= (byte)((q & 15) << quarter / 2 * 4);
                    upper[half * 32 + start + k] |= (byte)(q >> 4 << 2 * quarter);
                }
            }
        }
    }

    /// <summary>
    /// The scales as integers times one fp16 number, which is written: the largest scale is put on <paramref name="extreme"/>. Returns that number as it is held.
    /// </summary>
    private static float Spread(ReadOnlySpan<float> scales, Span<int> integers, int extreme, int lowest, int highest, Span<byte> destination)
    {
        float largest = 0;
        foreach (float scale in scales) if (MathF.Abs(scale) > MathF.Abs(largest)) largest = scale;
        ushort bits = HalfFormats.ToHalf(largest / extreme);
        MemoryMarshal.Write(destination, bits);
        float held = HalfFormats.ToSingle(bits), inverse = held == 0 ? 0 : 1 / held;
        for (int i = 0; i < scales.Length; i++) integers[i] = (int)Math.Clamp(MathF.Round(scales[i] * inverse), lowest, highest);
        return held;
    }

    /// <summary>
    /// Scale s and minimum m ≥ 0 of least Σ(x − (s·q − m))² for q in 0 … 15: for the integers that a candidate gives, the best line through them is that of
    /// linear regression, or where it would have to start above 0, the best one through 0.
    /// </summary>
    private static (float Scale, float Minimum) BestLine(ReadOnlySpan<float> x, Span<float> levels)
    {
        float lowest = 0, highest = float.MinValue, sum = 0;
        foreach (float value in x)
        {
            lowest = MathF.Min(lowest, value);
            highest = MathF.Max(highest, value);
            sum += value;
        }
        if (highest - lowest < Smallest) return (0, -lowest);
        float best = 0, bestMinimum = 0, saved = float.MinValue, n = x.Length;
        for (int step = -Steps4; step <= Steps4; step++)
        {
            (float q, float qq, float qx) = Round(x, (15 + step * StepSize4) / (highest - lowest), lowest, 0, 15, levels);
            if (qq <= 0) continue;
            // Exact, as all are whole numbers; 0 where the integers are one, through which many lines go.
            float determinant = n * qq - q * q;
            float scale = (n * qx - q * sum) / determinant, minimum = (q * qx - qq * sum) / determinant;
            if (determinant <= 0 || minimum < 0) (scale, minimum) = (qx / qq, 0);
            // Σx² less the squared error.
            float gain = 2 * (scale * qx - minimum * sum) - scale * scale * qq + 2 * scale * minimum * q - n * minimum * minimum;
            if (scale <= 0 || gain <= saved) continue;
            (best, bestMinimum, saved) = (scale, minimum, gain);
        }
        return (best, bestMinimum);
    }

    /// <summary>
    /// Six bits each are coarse beside what was looked for, and one can make up for the other: of the integers beside the nearest, those of least squared error.
    /// </summary>
    private static (int Scale, int Minimum) BestBits(ReadOnlySpan<float> x, float d, float m, int nearestScale, int nearestMinimum, Span<float> levels)
    {
        (int Scale, int Minimum) best = (nearestScale, nearestMinimum);
        float saved = float.MinValue, sum = 0;
        foreach (float value in x) sum += value;
        for (int scaleBits = Math.Max(nearestScale - 1, 0); scaleBits <= Math.Min(nearestScale + 1, 63); scaleBits++)
        {
            for (int minimumBits = Math.Max(nearestMinimum - 1, 0); minimumBits <= Math.Min(nearestMinimum + 1, 63); minimumBits++)
            {
                float scale = d * scaleBits, minimum = m * minimumBits;
                (float q, float qq, float qx) = Round(x, scale == 0 ? 0 : 1 / scale, -minimum, 0, 15, levels);
                // Σx² less the squared error, as in BestLine.
                float gain = 2 * (scale * qx - minimum * sum) - scale * scale * qq + 2 * scale * minimum * q - x.Length * minimum * minimum;
                if (gain > saved) (best, saved) = ((scaleBits, minimumBits), gain);
            }
        }
        return best;
    }

    /// <summary>The scale of least squared error for integers −32 … 31; its sign is that which puts the extreme weight on −32.</summary>
    private static float BestScale(ReadOnlySpan<float> x, Span<float> levels)
    {
        float extreme = 0;
        foreach (float value in x) if (MathF.Abs(value) > MathF.Abs(extreme)) extreme = value;
        if (MathF.Abs(extreme) < Smallest) return 0;
        float best = 0, saved = 0;
        for (int step = -Steps6; step <= Steps6; step++)
        {
            (_, float qq, float qx) = Round(x, -(32 + step * StepSize6) / extreme, 0, -32, 31, levels);
            if (qq <= 0 || qx * qx <= saved * qq) continue;
            saved = qx * qx / qq;
            best = qx / qq;
        }
        return best;
    }

    /// <summary>The same of scales alone.</summary>
    private static int BestBits(ReadOnlySpan<float> x, float d, int nearest, Span<float> levels)
    {
        int best = nearest;
        float saved = float.MinValue;
        for (int bits = Math.Max(nearest - 1, -128); bits <= Math.Min(nearest + 1, 127); bits++)
        {
            float scale = d * bits;
            (_, float qq, float qx) = Round(x, scale == 0 ? 0 : 1 / scale, 0, -32, 31, levels);
            float gain = 2 * scale * qx - scale * scale * qq;
            if (gain > saved) (best, saved) = (bits, gain);
        }
        return best;
    }

    /// <summary>Levels of (x − start) · inverse, and Σq, Σq², Σqx.</summary>
    private static (float Q, float Qq, float Qx) Round(ReadOnlySpan<float> x, float inverse, float start, int lowest, int highest, Span<float> levels)
    {
        Vector<float> q = default, qq = default, qx = default, low = new(lowest), high = new(highest), half = new(0.5f), first = new(start);
        for (int i = 0; i < x.Length; i += Vector<float>.Count)
        {
            Vector<float> value = new(x[i..]);
            Vector<float> level = Vector.Min(high, Vector.Max(low, Vector.Floor((value - first) * inverse + half)));
            level.CopyTo(levels[i..]);
            q += level;
            qq += level * level;
            qx += level * value;
        }
        return (Vector.Sum(q), Vector.Sum(qq), Vector.Sum(qx));
    }
}
