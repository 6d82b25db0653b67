using System.Runtime.CompilerServices;

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
}
