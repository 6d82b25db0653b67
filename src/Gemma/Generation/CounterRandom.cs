namespace Gemma.Generation;

/// <summary>
/// Random numbers by seed and index (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). Without state there is nothing
/// that another sequence, a preemption or a platform could disturb.
/// </summary>
internal static class CounterRandom
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>The number of this index in the stream of this seed: uniform in [0, 1), 53 bits.</summary>
    public static double Uniform(ulong seed, int index) => (Next(Mix(seed), (ulong)index) >> 11) * (1.0 / (1UL << 53));

    /// <summary>Output <paramref name="index"/> of SplitMix64 started at <paramref name="state"/>.</summary>
    internal static ulong Next(ulong state, ulong index) => Mix(unchecked(state + (index + 1) * Golden));

    private static ulong Mix(ulong z)
    {
        unchecked
        {
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
