using Gemma.Generation;

namespace Gemma.Training.Cpu;

/// <summary>Drops numbers by chance and scales up the others. Each number's fate follows from the row's key and its column alone: drawn again, it is the same.</summary>
internal static unsafe class Dropout
{
    // Fates of this many bits, four to a random number.
    private const int Bits = 16, Fates = 64 / Bits;

    /// <param name="x">[columns]</param>
    /// <param name="columns">A multiple of 4.</param>
    /// <param name="share">The share that is dropped, in steps of 2⁻¹⁶.</param>
    /// <param name="key">The row's.</param>
    /// <param name="result">[columns], may be <paramref name="x"/>.</param>
    public static void Run(float* x, int columns, float share, ulong key, float* result)
    {
        uint limit = (uint)MathF.Round(share * (1 << Bits));
        float factor = 1 / (1 - (float)limit / (1 << Bits));
        for (int i = 0; i < columns; i += Fates)
        {
            ulong random = CounterRandom.Next(key, (ulong)i);
            for (int fate = 0; fate < Fates; fate++, random >>= Bits) result[i + fate] = (ushort)random < limit ? 0 : x[i + fate] * factor;
        }
    }
}
