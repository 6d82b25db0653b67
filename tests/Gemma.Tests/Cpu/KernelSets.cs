using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Tests.Cpu;

/// <summary>The sets of kernels this process can run. The scalar set is the twin that the others are held against.</summary>
internal static class KernelSets
{
    private static readonly CpuKernels[] Sets = [.. CpuKernels.Available];

    public static CpuKernels Scalar => Sets[0];

    /// <summary>All but the scalar twin; empty where vectors are switched off.</summary>
    public static CpuKernels[] Vector => Sets[1..];

    /// <summary>Types for rows of any length; those of super-blocks of 256 have <see cref="SuperBlockTests"/>.</summary>
    public static WeightType[] Types { get; } = [.. Enum.GetValues<WeightType>().Where(type => !PackedWeights.IsSuperBlocked(type))];
}
