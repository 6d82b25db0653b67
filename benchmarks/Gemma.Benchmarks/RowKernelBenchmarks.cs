using BenchmarkDotNet.Attributes;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Benchmarks;

/// <summary>What happens to one row between the products of a Gemma 2B, on one thread. <c>GEMMA_ISA</c> chooses the tier.</summary>
public unsafe class RowKernelBenchmarks
{
    private const int Width = 2048, Features = 16384, Half = 128, Scores = 512;

    private readonly CpuKernels _kernels = CpuKernels.For(IsaSelection.Current);
    private NativeBuffer _x = null!, _y = null!, _z = null!;

    private float* X => (float*)_x.Pointer;

    private float* Y => (float*)_y.Pointer;

    private float* Z => (float*)_z.Pointer;

    [GlobalSetup]
    public void Setup()
    {
        (_x, _y, _z) = (new NativeBuffer(Features * sizeof(float)), new NativeBuffer(Features * sizeof(float)), new NativeBuffer(Features * sizeof(float)));
        var random = new Random(1);
        for (int i = 0; i < Features; i++) (X[i], Y[i]) = (random.NextSingle() * 2 - 1, random.NextSingle() * 2 - 1);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _x.Dispose();
        _y.Dispose();
        _z.Dispose();
    }

    [Benchmark(Description = "RMSNorm, 2048")]
    public void Norm() => _kernels.RmsNorm(X, Y, 1e-6f, Width, Z);

    [Benchmark(Description = "residual, 2048")]
    public void Add() => _kernels.Add(X, Y, Width, Z);

    [Benchmark(Description = "RoPE, a head of 256")]
    public void Rope() => _kernels.Rope(X, Y, Y + Half, Half, 1, Z);

    [Benchmark(Description = "GeGLU, 16384")]
    public void GatedGelu() => _kernels.GatedGelu(X, Y, Features, Z);

    [Benchmark(Description = "soft cap, 16384")]
    public void SoftCap() => _kernels.SoftCap(X, 30, Features, Z);

    [Benchmark(Description = "activations to 8 bits, 2048")]
    public void Quantise() => _kernels.Prepare(WeightType.Q8, X, Width, Width, (byte*)Z);

    [Benchmark(Description = "softmax of 512 scores")]
    public float Softmax()
    {
        // In place: a copy first, so that every round has the same scores.
        new ReadOnlySpan<float>(X, Scores).CopyTo(new Span<float>(Z, Scores));
        float maximum = float.NegativeInfinity, sum = 0;
        return _kernels.Softmax(Z, Scores, 0, Scores, 0, ref maximum, ref sum);
    }
}
