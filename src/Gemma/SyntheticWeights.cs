using System.Runtime.InteropServices;

namespace Gemma;

/// <summary>
/// Random weights of a given shape, for measurements: deterministic by seed, tensor and row, whatever the order they are read in. Uniform with the standard
/// deviation 1/√fan-in, so that activations keep the size that trained models have; norms have the gain 1.
/// </summary>
internal sealed class SyntheticWeights(ulong seed)
{
    /// <summary>One row as fp32.</summary>
    public void ReadRow(TensorSpec spec, long row, Span<float> destination)
    {
        if (spec.IsNorm)
        {
            destination.Fill(1);
            return;
        }
        // √3 makes a uniform distribution's standard deviation 1; the embedding is multiplied by √width again where it is read.
        float scale = MathF.Sqrt(3f / spec.Columns) / (1 << 15);
        ulong state = Mix(seed ^ Mix((ulong)(spec.Layer + 2) * 64 + (ulong)spec.Role) ^ Mix((ulong)row + 1));
        Span<ulong> bits = stackalloc ulong[64];
        while (!destination.IsEmpty)
        {
            for (int i = 0; i < bits.Length; i++)
            {
                // xorshift64 (Marsaglia 2003): fast, and random enough for weights nobody learns from.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                bits[i] = state;
            }
            ReadOnlySpan<short> values = MemoryMarshal.Cast<ulong, short>(bits);
            int count = Math.Min(values.Length, destination.Length);
            for (int i = 0; i < count; i++) destination[i] = values[i] * scale;
            destination = destination[count..];
        }
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return (z ^ (z >> 31)) | 1;
    }
}
