using System.Diagnostics;
using System.Globalization;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Benchmarks;

/// <summary>
/// Matrix products of each set of kernels, quickly: <c>products [set]</c>. One row over panels in the second-level cache and over panels in memory, 8 rows, and
/// 512. One row is the decode of a token; where its rate in the cache is not well above a core's rate of memory, the core is what limits decode. Eight rows are
/// eight sequences together: the nearer their rate is to that of one row, the less they cost. <see cref="ProductBenchmarks"/> takes its time.
/// </summary>
internal static class Products
{
    private const long Cached = 256 << 10, Streamed = 256 << 20, Computed = 16 << 20;

    public static int Run(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        Console.WriteLine($"memory: 1 thread {MemoryBandwidth.Measure(1) / 1e9:F1} GB/s, all {MemoryBandwidth.Measure() / 1e9:F1} GB/s");
        foreach (CpuKernels kernels in CpuKernels.Available.Where(set => args.Length < 2 ? set.Isa >= Isa.Avx2 : set.Name == args[1]))
            foreach (WeightType type in Enum.GetValues<WeightType>()) Measure(kernels, type);
        return 0;
    }

    private static void Measure(CpuKernels kernels, WeightType type)
    {
        Console.WriteLine($"{kernels.Name,-12} {type,-4} one row: cache {Bandwidth(Cached, 1, 1)}  memory, 1 thread {Bandwidth(Streamed, 1, 1)}  all {Bandwidth(Streamed, 1, 0)} GB/s;  8 rows: memory, 1 thread {Bandwidth(Streamed, 8, 1)}  all {Bandwidth(Streamed, 8, 0)} GB/s;  512 rows: 1 thread {Speed(512, 1, 2048)}  all {Speed(512, 0, 2048)}, of 16384 {Speed(512, 0, 16384)}, 32 rows of 16384 {Speed(32, 0, 16384)} GOP/s");

        string Bandwidth(long bytes, int rows, int threads)
        {
            using var product = new ProductCase(kernels, type, bytes, rows, threads);
            return (product.Bytes / Best(product) / 1e9).ToString("F1", CultureInfo.InvariantCulture);
        }

        string Speed(int rows, int threads, int columns)
        {
            using var product = new ProductCase(kernels, type, Computed, rows, threads, columns);
            return (product.Operations / Best(product) / 1e9).ToString("F0", CultureInfo.InvariantCulture);
        }
    }

    /// <summary>Seconds of the shortest of several times.</summary>
    private static double Best(ProductCase product)
    {
        double best = double.MaxValue;
        long begin = Stopwatch.GetTimestamp();
        int repeat = Math.Max(1, (int)(4e9 / product.Operations / 100));
        for (int round = 0; round < 40 && (round < 6 || Stopwatch.GetElapsedTime(begin).TotalSeconds < 0.25); round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < repeat; i++) product.Run();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds / repeat);
        }
        return best;
    }
}
