using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gemma.Cpu.Kernels;

/// <summary>The upper half of an fp32 number.</summary>
internal static class BFloat16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(ushort value) => BitConverter.UInt32BitsToSingle((uint)value << 16);

    /// <summary>To nearest, ties to even; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint rounded = bits + 0x7FFF + (bits >> 16 & 1);
        return (ushort)((bits & 0x7FFFFFFF) > 0x7F800000 ? (bits | 0x00400000) >> 16 : rounded >> 16);
    }

    /// <summary>The same of many. The result may be where the source is: it is written behind what is read.</summary>
    public static unsafe void FromSingles(float* source, int count, ushort* result)
    {
        int i = 0;
        for (; i + 8 <= count; i += 8) Vector128.Narrow(Round(Vector128.Load(source + i)), Round(Vector128.Load(source + i + 4))).Store(result + i);
        for (; i < count; i++) result[i] = FromSingle(source[i]);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector128<uint> Round(Vector128<float> value)
        {
            Vector128<uint> bits = value.AsUInt32(), rounded = bits + Vector128.Create(0x7FFFu) + (bits >>> 16 & Vector128<uint>.One);
            return Vector128.ConditionalSelect(Vector128.Equals(value, value).AsUInt32(), rounded, bits | Vector128.Create(0x00400000u)) >>> 16;
        }
    }
}
