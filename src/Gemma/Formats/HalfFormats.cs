using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Gemma.Formats;

/// <summary>The two 16-bit floating-point formats. Both are written rounded to nearest, ties to even; a NaN stays a NaN.</summary>
internal static class HalfFormats
{
    // An fp16's bits moved into an fp32's place have an exponent that is 112 too small: one multiplication mends normal and subnormal numbers alike.
    private const float ExponentRebias = 5.192296858534828e33f; // 2^112

    /// <summary>bf16 is the upper half of an fp32.</summary>
    public static void DecodeBF16(ReadOnlySpan<byte> source, Span<float> destination)
    {
        ref ushort from = ref Unsafe.As<byte, ushort>(ref MemoryMarshal.GetReference(source));
        ref uint to = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(destination));
        nuint i = 0, count = (nuint)destination.Length, step = (nuint)Vector<ushort>.Count;
        for (; i + step <= count; i += step)
        {
            Vector.Widen(Vector.LoadUnsafe(ref from, i), out Vector<uint> low, out Vector<uint> high);
            (low << 16).StoreUnsafe(ref to, i);
            (high << 16).StoreUnsafe(ref to, i + step / 2);
        }
        for (; i < count; i++) Unsafe.Add(ref to, i) = (uint)Unsafe.ReadUnaligned<ushort>(ref Unsafe.As<ushort, byte>(ref Unsafe.Add(ref from, i))) << 16;
    }

    public static void EncodeBF16(ReadOnlySpan<float> source, Span<byte> destination)
    {
        ref uint from = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(source));
        ref ushort to = ref Unsafe.As<byte, ushort>(ref MemoryMarshal.GetReference(destination));
        nuint i = 0, count = (nuint)source.Length, step = (nuint)Vector<ushort>.Count;
        for (; i + step <= count; i += step)
            Vector.Narrow(ToBF16(Vector.LoadUnsafe(ref from, i)), ToBF16(Vector.LoadUnsafe(ref from, i + step / 2))).StoreUnsafe(ref to, i);
        for (; i < count; i++) Unsafe.WriteUnaligned(ref Unsafe.As<ushort, byte>(ref Unsafe.Add(ref to, i)), ToBF16(Unsafe.Add(ref from, i)));
    }

    public static void DecodeF16(ReadOnlySpan<byte> source, Span<float> destination)
    {
        ref ushort from = ref Unsafe.As<byte, ushort>(ref MemoryMarshal.GetReference(source));
        ref float to = ref MemoryMarshal.GetReference(destination);
        nuint i = 0, count = (nuint)destination.Length, step = (nuint)Vector<ushort>.Count;
        for (; i + step <= count; i += step)
        {
            Vector.Widen(Vector.LoadUnsafe(ref from, i), out Vector<uint> low, out Vector<uint> high);
            ToSingle(low).StoreUnsafe(ref to, i);
            ToSingle(high).StoreUnsafe(ref to, i + step / 2);
        }
        for (; i < count; i++) Unsafe.Add(ref to, i) = ToSingle(Unsafe.ReadUnaligned<ushort>(ref Unsafe.As<ushort, byte>(ref Unsafe.Add(ref from, i))));
    }

    public static void EncodeF16(ReadOnlySpan<float> source, Span<byte> destination)
    {
        Span<ushort> to = MemoryMarshal.Cast<byte, ushort>(destination);
        for (int i = 0; i < source.Length; i++) to[i] = ToHalf(source[i]);
    }

    /// <summary>fp16 bits to fp32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(ushort half)
    {
        uint magnitude = half & 0x7FFFu;
        uint bits = BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle(magnitude << 13) * ExponentRebias);
        if (magnitude >= 0x7C00) bits |= 0x7F800000;
        return BitConverter.UInt32BitsToSingle(bits | (half & 0x8000u) << 16);
    }

    public static ushort ToHalf(float value) => BitConverter.HalfToUInt16Bits((Half)value);

    public static ushort ToBF16(uint bits)
    {
        if ((bits & 0x7FFFFFFF) > 0x7F800000) return (ushort)(bits >> 16 | 0x40);
        return (ushort)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }

    private static Vector<uint> ToBF16(Vector<uint> bits)
    {
        Vector<uint> rounded = (bits + new Vector<uint>(0x7FFF) + (bits >> 16 & Vector<uint>.One)) >> 16;
        Vector<uint> isNaN = Vector.GreaterThan(bits & new Vector<uint>(0x7FFFFFFF), new Vector<uint>(0x7F800000));
        return Vector.ConditionalSelect(isNaN, bits >> 16 | new Vector<uint>(0x40), rounded);
    }

    private static Vector<float> ToSingle(Vector<uint> half)
    {
        Vector<uint> magnitude = half & new Vector<uint>(0x7FFF);
        Vector<uint> bits = Vector.AsVectorUInt32(Vector.AsVectorSingle(magnitude << 13) * new Vector<float>(ExponentRebias));
        bits |= Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(0x7C00)) & new Vector<uint>(0x7F800000);
        return Vector.AsVectorSingle(bits | (half & new Vector<uint>(0x8000)) << 16);
    }
}
