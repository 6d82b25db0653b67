using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Gemma.Cpu.Kernels;

/// <summary>
/// Asks for memory that a product of one row will read soon: the hardware's own prefetch stops at each 4 KiB, so this asks one such page ahead. Addresses
/// behind the end do no harm.
/// </summary>
internal static unsafe class Prefetch
{
    private const int Ahead = 4096;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void After(byte* current)
    {
        if (Sse.IsSupported) Sse.Prefetch0(current + Ahead);
    }
}
