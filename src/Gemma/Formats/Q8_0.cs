using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gemma.Formats;

/// <summary>GGML's Q8_0: for 32 weights an fp16 scale d and 32 signed bytes q; weight = d · q.</summary>
internal static class Q8_0
{
    public const int BlockLength = 32, BlockBytes = 34;

    public static void Decode(ReadOnlySpan<byte> source, Span<float> destination)
    {
        for (; destination.Length >= BlockLength; source = source[BlockBytes..], destination = destination[BlockLength..])
        {
            ref sbyte q = ref Unsafe.As<byte, sbyte>(ref Unsafe.Add(ref MemoryMarshal.GetReference(source), 2));
            ref float y = ref MemoryMarshal.GetReference(destination);
            float scale = HalfFormats.ToSingle(MemoryMarshal.Read<ushort>(source));
            for (nuint i = 0; i < BlockLength; i += 16) Store(Vector128.LoadUnsafe(ref q, i), scale, ref Unsafe.Add(ref y, i));
        }
    }

    /// <summary>The reference rounding: d = max |x| / 127, q = x / d rounded half away from zero.</summary>
    public static void Encode(ReadOnlySpan<float> source, Span<byte> destination)
    {
        for (; source.Length >= BlockLength; source = source[BlockLength..], destination = destination[BlockBytes..])
        {
            float largest = 0;
            foreach (float x in source[..BlockLength]) largest = MathF.Max(largest, MathF.Abs(x));
            float scale = largest / 127, inverse = scale == 0 ? 0 : 1 / scale;
            // A block of tiny numbers has an inverse beyond fp32; its scale is 0 in fp16 all the same.
            if (!float.IsFinite(inverse)) inverse = 0;
            MemoryMarshal.Write(destination, HalfFormats.ToHalf(scale));
            for (int i = 0; i < BlockLength; i++) destination[2 + i] = (byte)(sbyte)MathF.Round(source[i] * inverse, MidpointRounding.AwayFromZero);
        }
    }

    /// <summary>scale · q for 16 signed bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(Vector128<sbyte> q, float scale, ref float y)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(q);
        (Vector128<int> q0, Vector128<int> q1) = Vector128.Widen(low);
        (Vector128<int> q2, Vector128<int> q3) = Vector128.Widen(high);
        (Vector128.ConvertToSingle(q0) * scale).StoreUnsafe(ref y);
        (Vector128.ConvertToSingle(q1) * scale).StoreUnsafe(ref y, 4);
        (Vector128.ConvertToSingle(q2) * scale).StoreUnsafe(ref y, 8);
        (Vector128.ConvertToSingle(q3) * scale).StoreUnsafe(ref y, 12);
    }

    /// <summary>scale · q − minimum for 16 signed bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(Vector128<sbyte> q, float scale, float minimum, ref float y)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(q);
        (Vector128<int> q0, Vector128<int> q1) = Vector128.Widen(low);
        (Vector128<int> q2, Vector128<int> q3) = Vector128.Widen(high);
        Vector128<float> offset = Vector128.Create(minimum);
        (Vector128.ConvertToSingle(q0) * scale - offset).StoreUnsafe(ref y);
        (Vector128.ConvertToSingle(q1) * scale - offset).StoreUnsafe(ref y, 4);
        (Vector128.ConvertToSingle(q2) * scale - offset).StoreUnsafe(ref y, 8);
        (Vector128.ConvertToSingle(q3) * scale - offset).StoreUnsafe(ref y, 12);
    }
}
