using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gemma.Formats;

/// <summary>
/// GGML's Q4_0: for 32 weights an fp16 scale d and 16 bytes, weights 0 … 15 in the low nibbles, 16 … 31 in the high ones; weight = d · (q − 8).
/// </summary>
internal static class Q4_0
{
    public const int BlockLength = 32, BlockBytes = 18;

    // Scales tried for each block: the extreme weight at −8 · (1 + step/80) for these steps each side. Wider or finer gains nothing measurable.
    private const int Steps = 9;

    public static void Decode(ReadOnlySpan<byte> source, Span<float> destination)
    {
        for (; destination.Length >= BlockLength; source = source[BlockBytes..], destination = destination[BlockLength..])
        {
            ref float y = ref MemoryMarshal.GetReference(destination);
            float scale = HalfFormats.ToSingle(MemoryMarshal.Read<ushort>(source));
            Vector128<byte> packed = Vector128.LoadUnsafe(ref Unsafe.Add(ref MemoryMarshal.GetReference(source), 2));
            Q8_0.Store((packed & Vector128.Create((byte)15)).AsSByte() - Vector128.Create((sbyte)8), scale, ref y);
            Q8_0.Store((packed >> 4).AsSByte() - Vector128.Create((sbyte)8), scale, ref Unsafe.Add(ref y, 16));
        }
    }

    /// <summary>
    /// For each block the scale of least squared error among those near the reference's (the extreme weight at −8): for the integers a scale gives,
    /// Σqx / Σq² is the best scale and (Σqx)² / Σq² the error it saves.
    /// </summary>
    public static void Encode(ReadOnlySpan<float> source, Span<byte> destination)
    {
        Span<float> levels = stackalloc float[BlockLength];
        for (; source.Length >= BlockLength; source = source[BlockLength..], destination = destination[BlockBytes..])
        {
            ReadOnlySpan<float> x = source[..BlockLength];
            float scale = BestScale(x, levels);
            ushort bits = HalfFormats.ToHalf(scale);
            float held = HalfFormats.ToSingle(bits), inverse = held == 0 ? 0 : 1 / held;
            MemoryMarshal.Write(destination, bits);
            Quantise(x, inverse, levels);
            for (int i = 0; i < 16; i++) destination[2 + i] = (byte)((int)levels[i] + 8 | (int)levels[i + 16] + 8 << 4);
        }
    }

    private static float BestScale(ReadOnlySpan<float> x, Span<float> levels)
    {
        float extreme = 0;
        foreach (float value in x) if (MathF.Abs(value) > MathF.Abs(extreme)) extreme = value;
        // A scale under fp16's smallest number is 0, and so is the block.
        if (MathF.Abs(extreme) < 1e-9f) return 0;
        float best = 0, saved = 0;
        for (int step = -Steps; step <= Steps; step++)
        {
            (float qx, float qq) = Quantise(x, -(8 + step * 0.1f) / extreme, levels);
            // Compared as products: the saving is qx² / qq, and a quotient costs a division for each candidate.
            if (qq <= 0 || qx * qx <= saved * qq) continue;
            saved = qx * qx / qq;
            best = qx / qq;
        }
        return best;
    }

    /// <summary>Levels −8 … 7 of x · inverse, and Σqx, Σq².</summary>
    private static (float Qx, float Qq) Quantise(ReadOnlySpan<float> x, float inverse, Span<float> levels)
    {
        Vector<float> qx = default, qq = default, lowest = new(-8), highest = new(7), half = new(0.5f);
        for (int i = 0; i < BlockLength; i += Vector<float>.Count)
        {
            Vector<float> value = new(x[i..]);
            Vector<float> level = Vector.Min(highest, Vector.Max(lowest, Vector.Floor(value * inverse + half)));
            level.CopyTo(levels[i..]);
            qx += level * value;
            qq += level * level;
        }
        return (Vector.Sum(qx), Vector.Sum(qq));
    }
}
