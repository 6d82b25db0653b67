using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Gemma.Cpu.Emit;

namespace Gemma.Cpu;

/// <summary>The kernel tiers, slowest first.</summary>
public enum Isa
{
    /// <summary>Plain loops: the twin that the vector kernels are tested against.</summary>
    Scalar,

    /// <summary>128-bit vectors (SSE4.1 and later, ARM64).</summary>
    Vector128,

    /// <summary>AVX2 and FMA.</summary>
    Avx2,

    /// <summary>AVX-512 F, BW, DQ, VL.</summary>
    Avx512,

    /// <summary>AVX-512 with VNNI, and BF16 where the processor has it: products in machine code emitted at start.</summary>
    Vnni,
}

/// <summary>Which kernel tier runs, and why.</summary>
public static class IsaSelection
{
    /// <summary>The environment variable that forces a tier: <c>scalar</c>, <c>vector128</c>, <c>avx2</c>, <c>avx512</c>, <c>vnni</c>.</summary>
    public const string Variable = "GEMMA_ISA";

    /// <summary>The best tier of this processor, whatever the environment says.</summary>
    public static Isa Best => EmittedKernels.Shared is null ? BestOfRuntime : Isa.Vnni;

    /// <summary>The tier in use. Throws <see cref="UsageException"/> where the variable names none or one this processor lacks.</summary>
    public static Isa Current => Resolve(Environment.GetEnvironmentVariable(Variable));

    /// <summary>One line for <c>gemma doctor</c>.</summary>
    public static string Reason => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } forced
        ? $"forced by {Variable}={forced}; the best of this processor is {Best}"
        : "the best that this processor and runtime offer" + (EmittedKernels.Shared is null ? $"; no emitted kernels: {EmittedKernels.Refusal}" : "");

    private static Isa BestOfRuntime { get; } =
        Vector512.IsHardwareAccelerated && Avx512BW.IsSupported ? Isa.Avx512 :
        Avx2.IsSupported && Fma.IsSupported ? Isa.Avx2 :
        Vector128.IsHardwareAccelerated ? Isa.Vector128 : Isa.Scalar;

    internal static Isa Resolve(string? forced)
    {
        if (string.IsNullOrEmpty(forced)) return Best;
        // By name: Enum.TryParse would also take numbers and lists.
        int index = Array.FindIndex(Enum.GetNames<Isa>(), name => name.Equals(forced, StringComparison.OrdinalIgnoreCase));
        if (index < 0)
            throw new UsageException($"{Variable} is '{forced}'; expected scalar, vector128, avx2, avx512 or vnni");
        var isa = (Isa)index;
        // Asked for less, nothing is emitted.
        if (isa <= BestOfRuntime || isa <= Best) return isa;
        string reason = isa == Isa.Vnni ? $" (no emitted kernels: {EmittedKernels.Refusal})" : "";
        throw new UsageException($"{Variable}={forced} asks for more than this processor has; its best is {Best}{reason}: unset the variable");
    }
}
