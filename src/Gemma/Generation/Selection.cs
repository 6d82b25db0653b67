using System.Numerics;

namespace Gemma.Generation;

/// <summary>
/// Chooses the largest of many without sorting them all. A candidate is a key that orders by value, and by lower id among equal values, so that no two keys
/// are equal and every choice has one answer.
/// </summary>
internal static class Selection
{
    private const int SmallEnoughToSort = 24;

    /// <summary>Larger for a larger value; of equal values larger for the lower id. −0 equals 0.</summary>
    public static ulong Key(float value, int id)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value + 0f);
        uint ordered = bits ^ ((uint)((int)bits >> 31) | 0x8000_0000);
        return ((ulong)ordered << 32) | ~(uint)id;
    }

    public static int Id(ulong key) => (int)~(uint)key;

    public static float Value(ulong key)
    {
        uint ordered = (uint)(key >> 32);
        return BitConverter.UInt32BitsToSingle((ordered & 0x8000_0000) != 0 ? ordered ^ 0x8000_0000 : ~ordered);
    }

    /// <summary>
    /// Moves to the front the fewest largest keys whose weights add up to <paramref name="target"/>, in no particular order, and returns how many they are:
    /// all where the weights do not suffice, at least one. Quickselect by mass: with weights of 1 it chooses the k largest, with probabilities the nucleus.
    /// </summary>
    public static int Largest(Span<ulong> keys, Span<float> weights, double target)
    {
        int low = 0, high = keys.Length;
        int rounds = 2 * BitOperations.Log2((uint)keys.Length + 1);
        while (high - low > SmallEnoughToSort && rounds-- > 0)
        {
            int middle = Partition(keys, weights, low, high);
            double upper = 0;
            for (int i = low; i < middle; i++) upper += weights[i];
            if (upper >= target)
            {
                high = middle;
            }
            else
            {
                target -= upper;
                low = middle;
            }
        }

        // Unlucky pivots end here with a long rest: sorting it bounds the worst case at n log n.
        // Ascending and turned round, since a comparison of its own would be an allocation.
        keys[low..high].Sort(weights[low..high]);
        keys[low..high].Reverse();
        weights[low..high].Reverse();
        double mass = 0;
        int count = low;
        while (count < high)
        {
            mass += weights[count++];
            if (mass >= target) break;
        }
        return Math.Max(count, 1);
    }

    /// <summary>Hoare's partition around the median of three: keys before the result are larger than those from it on. Of three
    /// different keys one is larger than the median and one smaller, so both parts hold some.</summary>
    private static int Partition(Span<ulong> keys, Span<float> weights, int low, int high)
    {
        ulong a = keys[low], b = keys[low + (high - low) / 2], c = keys[high - 1];
        ulong pivot = Math.Max(Math.Min(a, b), Math.Min(Math.Max(a, b), c));
        int i = low - 1, j = high;
        while (true)
        {
            do i++; while (keys[i] > pivot);
            do j--; while (keys[j] < pivot);
            if (i >= j) return i;
            (keys[i], keys[j]) = (keys[j], keys[i]);
            (weights[i], weights[j]) = (weights[j], weights[i]);
        }
    }
}
