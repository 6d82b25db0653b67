using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gemma.Cpu.Emit;

/// <summary>The instructions that .NET does not offer, as the processor reports them.</summary>
internal static class Cpuid
{
    private const int Features = 7;

    /// <summary>AVX512-VNNI: products of bytes.</summary>
    public static bool HasVnni => HasWideVectors && (X86Base.CpuId(Features, 0).Ecx >> 11 & 1) != 0;

    /// <summary>AVX512-BF16: products of bfloat16.</summary>
    public static bool HasBFloat16 => HasWideVectors && X86Base.CpuId(Features, 0).Eax >= 1 && (X86Base.CpuId(Features, 1).Eax >> 5 & 1) != 0;

    // .NET has asked the operating system whether it keeps the wide registers, and the user whether they may be used.
    private static bool HasWideVectors => X86Base.IsSupported && Vector512.IsHardwareAccelerated && Avx512BW.IsSupported;
}
