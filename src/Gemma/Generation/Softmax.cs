using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gemma.Generation;

/// <summary>
/// Passes over the logits of one position. All of them are written for 16 lanes whatever the machine has, with no fused multiply-add and no library
/// exponential, so that the same logits give the same bits, and with them the same draw, on every machine.
/// </summary>
internal static class Softmax
{
    private const int Lanes = 16;

    /// <summary>The largest value, and whether all are finite. Of values that are not, the maximum means nothing.</summary>
    public static float Maximum(ReadOnlySpan<float> values, out bool finite)
    {
        ref float start = ref MemoryMarshal.GetReference(values);
        Vector512<float> maximum = Vector512.Create(float.NegativeInfinity);
        Vector512<float> poison = Vector512<float>.Zero;
        int i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            Vector512<float> v = Vector512.LoadUnsafe(ref start, (nuint)i);
            maximum = Vector512.ConditionalSelect(Vector512.GreaterThan(v, maximum), v, maximum);
            poison += v * Vector512<float>.Zero; // 0 of a finite value, NaN of any other
        }

        float largest = float.NegativeInfinity;
        float sum = Vector512.Sum(poison);
        for (int lane = 0; lane < Lanes; lane++) largest = MathF.Max(largest, maximum.GetElement(lane));
        for (; i < values.Length; i++)
        {
            largest = MathF.Max(largest, values[i]);
            sum += values[i] * 0;
        }
        finite = !float.IsNaN(sum);
        return largest;
    }

    /// <summary>Index of the first value equal to <paramref name="value"/>, or −1.</summary>
    public static int IndexOf(ReadOnlySpan<float> values, float value)
    {
        ref float start = ref MemoryMarshal.GetReference(values);
        Vector512<float> wanted = Vector512.Create(value);
        int i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            ulong hits = Vector512.Equals(Vector512.LoadUnsafe(ref start, (nuint)i), wanted).ExtractMostSignificantBits();
            if (hits != 0) return i + System.Numerics.BitOperations.TrailingZeroCount(hits);
        }
        for (; i < values.Length; i++)
            if (values[i] == value) return i;
        return -1;
    }

    /// <summary>Σ exp((x − maximum) / temperature), added up in double.</summary>
    public static double SumExp(ReadOnlySpan<float> values, float maximum, float temperature)
    {
        ref float start = ref MemoryMarshal.GetReference(values);
        Vector512<double> low = Vector512<double>.Zero;
        Vector512<double> high = Vector512<double>.Zero;
        int i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            (Vector512<double> a, Vector512<double> b) = Vector512.Widen(Exp((Vector512.LoadUnsafe(ref start, (nuint)i) - Vector512.Create(maximum)) / temperature));
            low += a;
            high += b;
        }

        double sum = 0;
        low += high;
        for (int lane = 0; lane < Lanes / 2; lane++) sum += low.GetElement(lane);
        for (; i < values.Length; i++) sum += Exp(Vector512.CreateScalar((values[i] - maximum) / temperature)).ToScalar();
        return sum;
    }

    /// <summary>exp((x − maximum) / temperature) in place.</summary>
    public static void Exp(Span<float> values, float maximum, float temperature)
    {
        ref float start = ref MemoryMarshal.GetReference(values);
        int i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
            Exp((Vector512.LoadUnsafe(ref start, (nuint)i) - Vector512.Create(maximum)) / temperature).StoreUnsafe(ref start, (nuint)i);
        for (; i < values.Length; i++) values[i] = Exp(Vector512.CreateScalar((values[i] - maximum) / temperature)).ToScalar();
    }

    /// <summary>ln Σ exp(x): a log-probability is a logit less this.</summary>
    public static double LogSumExp(ReadOnlySpan<float> values, float maximum) => maximum + Math.Log(SumExp(values, maximum, 1));

    /// <summary>
    /// exp of x ≤ 0 within 2 units in the last place: x = n·ln 2 + r, with a polynomial of degree 6 in r (the coefficients of Cephes' expf). Below −87 it is 0.
    /// </summary>
    private static Vector512<float> Exp(Vector512<float> x)
    {
        Vector512<float> rounder = Vector512.Create(12582912f); // 1.5 · 2²³: adding it leaves the nearest integer in the low bits
        Vector512<float> shifted = x * Vector512.Create(1.44269504f) + rounder;
        Vector512<float> n = shifted - rounder;
        Vector512<float> r = x - n * Vector512.Create(0.693359375f) - n * Vector512.Create(-2.12194440e-4f);
        Vector512<float> p = Vector512.Create(1.9875691500e-4f);
        p = p * r + Vector512.Create(1.3981999507e-3f);
        p = p * r + Vector512.Create(8.3334519073e-3f);
        p = p * r + Vector512.Create(4.1665795894e-2f);
        p = p * r + Vector512.Create(1.6666665459e-1f);
        p = p * r + Vector512.Create(5.0000001201e-1f);
        p = p * r * r + r + Vector512<float>.One;
        Vector512<int> exponent = (shifted.AsInt32() - rounder.AsInt32()) << 23;
        Vector512<float> scaled = (p.AsInt32() + exponent).AsSingle();
        return Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(-87f)), Vector512<float>.Zero, scaled);
    }
}
