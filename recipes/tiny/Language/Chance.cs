namespace Gemma.Recipes.Tiny;

/// <summary>Random numbers from a seed, the same on every machine (SplitMix64: Steele, Lea, Flood, 2014).</summary>
internal sealed class Chance(ulong seed)
{
    private ulong _state = Mix(seed);

    /// <summary>A number that depends on all bits of another.</summary>
    public static ulong Mix(ulong z)
    {
        unchecked
        {
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }

    public ulong Next() => Mix(unchecked(_state += 0x9E3779B97F4A7C15));

    /// <summary>Uniform in 0 … count − 1.</summary>
    public int Below(int count) => (int)Math.BigMul(Next(), (ulong)count, out _);

    /// <summary>Uniform in first … last.</summary>
    public int Between(int first, int last) => first + Below(last - first + 1);

    public bool Is(double probability) => (Next() >> 11) * (1.0 / (1UL << 53)) < probability;

    public T Of<T>(params ReadOnlySpan<T> choices) => choices[Below(choices.Length)];

    /// <summary>Some of them, each at most once, in random order.</summary>
    public T[] Some<T>(int count, ReadOnlySpan<T> choices)
    {
        T[] all = choices.ToArray();
        for (int i = 0; i < count; i++)
        {
            int other = Between(i, all.Length - 1);
            (all[i], all[other]) = (all[other], all[i]);
        }
        return all[..count];
    }
}
