using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gemma.Formats;

/// <summary>
/// GGML's Q4_K, 256 weights in 144 bytes: fp16 d, fp16 m, eight 6-bit (scale, minimum) pairs in 12 bytes, then 128 bytes of nibbles.
/// Sub-block j of 32 weights: weight = d · scale_j · q − m · minimum_j.
/// </summary>
internal static class Q4_K
{
    public const int BlockLength = 256, BlockBytes = 144;

    public static void Decode(ReadOnlySpan<byte> source, Span<float> destination)
    {
        for (; destination.Length >= BlockLength; source = source[BlockBytes..], destination = destination[BlockLength..])
        {
            float d = HalfFormats.ToSingle(MemoryMarshal.Read<ushort>(source)), m = HalfFormats.ToSingle(MemoryMarshal.Read<ushort>(source[2..]));
            ReadOnlySpan<byte> scales = source.Slice(4, 12);
            ref byte nibbles = ref MemoryMarshal.GetReference(source[16..]);
            ref float y = ref MemoryMarshal.GetReference(destination);
            for (int pair = 0; pair < 4; pair++) // 32 bytes: sub-block 2·pair in the low nibbles, the next one in the high nibbles
            {
                (float scale0, float minimum0) = ScaleAndMinimum(scales, 2 * pair);
                (float scale1, float minimum1) = ScaleAndMinimum(scales, 2 * pair + 1);
                for (int i = 0; i < 32; i += 16)
                {
                    Vector128<byte> packed = Vector128.LoadUnsafe(ref nibbles, (nuint)(32 * pair + i));
                    Q8_0.Store((packed & Vector128.Create((byte)15)).AsSByte(), d * scale0, m * minimum0, ref Unsafe.Add(ref y, 64 * pair + i));
                    Q8_0.Store((packed >> 4).AsSByte(), d * scale1, m * minimum1, ref Unsafe.Add(ref y, 64 * pair + 32 + i));
                }
            }
        }
    }

    /// <summary>The 6-bit pair of a sub-block: the first four are whole bytes' low bits, the last four are put together from nibbles and top bits.</summary>
    internal static (float Scale, float Minimum) ScaleAndMinimum(ReadOnlySpan<byte> scales, int index) => index < 4
        ? (scales[index] & 63, scales[index + 4] & 63)
        : (scales[index + 4] & 15 | scales[index - 4] >> 6 << 4, scales[index + 4] >> 4 | scales[index] >> 6 << 4);
}

/// <summary>GGML's Q5_K, 256 weights in 176 bytes: as <see cref="Q4_K"/>, with each weight's fifth bit in 32 bytes between scales and nibbles.</summary>
internal static class Q5_K
{
    public const int BlockLength = 256, BlockBytes = 176;

    public static void Decode(ReadOnlySpan<byte> source, Span<float> destination)
    {
        for (; destination.Length >= BlockLength; source = source[BlockBytes..], destination = destination[BlockLength..])
        {
            float d = HalfFormats.ToSingle(MemoryMarshal.Read<ushort>(source)), m = HalfFormats.ToSingle(MemoryMarshal.Read<ushort>(source[2..]));
            ReadOnlySpan<byte> scales = source.Slice(4, 12);
            ref byte fifths = ref MemoryMarshal.GetReference(source[16..]);
            ref byte nibbles = ref MemoryMarshal.GetReference(source[48..]);
            ref float y = ref MemoryMarshal.GetReference(destination);
            for (int pair = 0; pair < 4; pair++)
            {
                (float scale0, float minimum0) = Q4_K.ScaleAndMinimum(scales, 2 * pair);
                (float scale1, float minimum1) = Q4_K.ScaleAndMinimum(scales, 2 * pair + 1);
                for (int i = 0; i < 32; i += 16)
                {
                    Vector128<byte> packed = Vector128.LoadUnsafe(ref nibbles, (nuint)(32 * pair + i));
                    // Bit 2·pair of byte i belongs to the low nibble's weight, bit 2·pair + 1 to the high one's.
                    Vector128<byte> fifth = Vector128.LoadUnsafe(ref fifths, (nuint)i) >> 2 * pair;
                    Vector128<byte> low = packed & Vector128.Create((byte)15) | (fifth & Vector128.Create((byte)1)) << 4;
                    Vector128<byte> high = packed >> 4 | (fifth & Vector128.Create((byte)2)) << 3;
                    Q8_0.Store(low.AsSByte(), d * scale0, m * minimum0, ref Unsafe.Add(ref y, 64 * pair + i));
                    Q8_0.Store(high.AsSByte(), d * scale1, m * minimum1, ref Unsafe.Add(ref y, 64 * pair + 32 + i));
                }
            }
        }
    }
}

/// <summary>
/// GGML's Q6_K, 256 weights in 210 bytes: 128 bytes of low nibbles, 64 of upper bit pairs, sixteen signed 8-bit scales, fp16 d.
/// Sub-block j of 16 weights: weight = d · scale_j · (q − 32).
/// </summary>
internal static class Q6_K
{
    public const int BlockLength = 256, BlockBytes = 210;

    public static void Decode(ReadOnlySpan<byte> source, Span<float> destination)
    {
        for (; destination.Length >= BlockLength; source = source[BlockBytes..], destination = destination[BlockLength..])
        {
            float d = HalfFormats.ToSingle(MemoryMarshal.Read<ushort>(source[208..]));
            ReadOnlySpan<byte> scales = source.Slice(192, 16);
            ref byte nibbles = ref MemoryMarshal.GetReference(source);
            ref byte pairs = ref MemoryMarshal.GetReference(source[128..]);
            ref float y = ref MemoryMarshal.GetReference(destination);
            for (int half = 0; half < 2; half++)
            {
                for (int i = 0; i < 32; i += 16)
                {
                    Vector128<byte> first = Vector128.LoadUnsafe(ref nibbles, (nuint)(64 * half + i));
                    Vector128<byte> second = Vector128.LoadUnsafe(ref nibbles, (nuint)(64 * half + 32 + i));
                    Vector128<byte> upper = Vector128.LoadUnsafe(ref pairs, (nuint)(32 * half + i));
                    int offset = 128 * half + i;
                    Store(first & Vector128.Create((byte)15), upper, offset, d, scales, ref y);
                    Store(second & Vector128.Create((byte)15), upper >> 2, offset + 32, d, scales, ref y);
                    Store(first >> 4, upper >> 4, offset + 64, d, scales, ref y);
                    Store(second >> 4, upper >> 6, offset + 96, d, scales, ref y);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<byte> nibble, Vector128<byte> pair, int offset, float d, ReadOnlySpan<byte> scales, ref float y)
    {
        Vector128<byte> q = nibble | (pair & Vector128.Create((byte)3)) << 4;
        Q8_0.Store(q.AsSByte() - Vector128.Create((sbyte)32), d * (sbyte)scales[offset / 16], ref Unsafe.Add(ref y, offset));
    }
}
