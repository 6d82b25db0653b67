using System.Runtime.InteropServices;

namespace Gemma.Formats;

/// <summary>
/// GGML's Q5_0: for 32 weights an fp16 scale d, 32 fifth bits, and 16 bytes, weights 0 … 15 in the low nibbles, 16 … 31 in the high ones; weight = d · (q − 16).
/// It is what Q4_K_M files hold where rows are no whole super-blocks of 256, as those of Gemma 3 1B.
/// </summary>
internal static class Q5_0
{
    public const int BlockLength = 32, BlockBytes = 22;

    public static void Decode(ReadOnlySpan<byte> source, Span<float> destination)
    {
        Span<sbyte> weights = stackalloc sbyte[BlockLength];
        for (; destination.Length >= BlockLength; source = source[BlockBytes..], destination = destination[BlockLength..])
        {
            float scale = HalfFormats.ToSingle(MemoryMarshal.Read<ushort>(source));
            Unpack(source, weights);
            for (int i = 0; i < BlockLength; i++) destination[i] = scale * weights[i];
        }
    }

    /// <summary>The same numbers as blocks of <see cref="Q8_0"/>.</summary>
    public static byte[] ToQ8(ReadOnlySpan<byte> source)
    {
        byte[] blocks = new byte[source.Length / BlockBytes * Q8_0.BlockBytes];
        for (Span<byte> destination = blocks; !source.IsEmpty; source = source[BlockBytes..], destination = destination[Q8_0.BlockBytes..])
        {
            source[..sizeof(ushort)].CopyTo(destination);
            Unpack(source, MemoryMarshal.Cast<byte, sbyte>(destination.Slice(sizeof(ushort), BlockLength)));
        }
        return blocks;
    }

    private static void Unpack(ReadOnlySpan<byte> block, Span<sbyte> weights)
    {
        uint fifths = MemoryMarshal.Read<uint>(block[2..]);
        for (int i = 0; i < BlockLength / 2; i++)
        {
            int pair = block[6 + i];
            weights[i] = (sbyte)((pair & 15 | (int)(fifths >> i & 1) << 4) - 16);
            weights[i + 16] = (sbyte)((pair >> 4 | (int)(fifths >> (i + 16) & 1) << 4) - 16);
        }
    }
}
