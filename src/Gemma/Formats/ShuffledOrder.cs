using System.Numerics;
using Gemma.Generation;

namespace Gemma.Formats;

/// <summary>
/// The numbers from 0 to <paramref name="count"/> − 1 in an order that a seed decides, one at a time and without a table of them: a Feistel network over the next
/// power of four, applied again where it leaves the range.
/// </summary>
internal readonly struct ShuffledOrder(long count, ulong seed)
{
    private const int Rounds = 6;

    private readonly int _halfBits = Math.Max(1, (BitOperations.Log2((ulong)Math.Max(1, count - 1)) + 2) / 2);

    /// <summary>The number at a place.</summary>
    public long this[long place]
    {
        get
        {
            ulong mask = (1UL << _halfBits) - 1, value = (ulong)place;
            do
            {
                ulong left = value >> _halfBits, right = value & mask;
                for (int round = 0; round < Rounds; round++)
                    (left, right) = (right, left ^ CounterRandom.Next(seed, right * Rounds + (ulong)round) & mask);
                value = left << _halfBits | right;
            }
            while (value >= (ulong)count);
            return (long)value;
        }
    }
}
