using System.Diagnostics;
using System.Globalization;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Benchmarks;

/// <summary>
/// Matrix products of each set of kernels: one row over panels in the second-level cache and over panels in memory, and 512 rows. One row is the decode of a
/// token; where its rate in the cache is not well above a core's rate of memory, the core is what limits decode.
/// </summary>
internal static unsafe class Products
{
    private const int Columns = 2048;

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
        using var one = new ThreadTeam(1);
        using var all = new ThreadTeam();
        double[] rates = [Rate(kernels, type, 256 << 10, one, 1).Bytes, Rate(kernels, type, 256 << 20, one, 1).Bytes, Rate(kernels, type, 256 << 20, all, 1).Bytes];
        double[] operations = [Rate(kernels, type, 16 << 20, one, 512).Operations, Rate(kernels, type, 16 << 20, all, 512).Operations];
        Console.WriteLine($"{kernels.Name,-12} {type,-4} one row: cache {rates[0] / 1e9,6:F1}  memory, 1 thread {rates[1] / 1e9,6:F1}  all {rates[2] / 1e9,6:F1} GB/s;  512 rows: 1 thread {operations[0] / 1e9,6:F0}  all {operations[1] / 1e9,6:F0} GOP/s");
    }

    private static (double Bytes, double Operations) Rate(CpuKernels kernels, WeightType type, long bytes, ThreadTeam team, int rows)
    {
        float bits = type switch { WeightType.F32 => 32, WeightType.BF16 => 16, WeightType.Q8 => 8.5f, WeightType.Q6_K => 6.625f, WeightType.Q4_K => 4.625f, _ => 4.5f };
        int outputs = Math.Max(32, (int)(bytes * 8 / bits / Columns) / 32 * 32);
        var random = new SyntheticWeights(1);
        var spec = new TensorSpec(TensorRole.Query, 0, "", "", outputs, Columns);
        using PackedWeights weights = PackedWeights.Pack(type, outputs, Columns, (row, destination) => random.ReadRow(spec, row, destination), kernels, team);
        using var x = new NativeBuffer((nuint)(rows * Columns * 4));
        using var result = new NativeBuffer((nuint)((long)rows * outputs * 4));
        random.ReadRow(spec, 0, new Span<float>(x.Pointer, rows * Columns));
        nint stride = (kernels.PreparedBytes(type, Columns) + 63) & ~63;
        using var prepared = new NativeBuffer((nuint)(stride * rows));
        for (int row = 0; row < rows; row++)
        {
            if (kernels.Prepares(type)) kernels.Prepare(type, (float*)x.Pointer + row * Columns, Columns, Columns, prepared.Pointer + row * stride);
            else new Span<byte>(x.Pointer + row * stride, (int)stride).CopyTo(new Span<byte>(prepared.Pointer + row * stride, (int)stride));
        }
        double best = double.MaxValue;
        long begin = Stopwatch.GetTimestamp();
        int repeat = Math.Max(1, (int)((8 << 20) / (weights.ByteCount * rows)));
        for (int round = 0; round < 40 && (round < 6 || Stopwatch.GetElapsedTime(begin).TotalSeconds < 0.25); round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < repeat; i++)
            {
                var work = new ProductWork(kernels, weights, prepared.Pointer, stride, rows, false, (float*)result.Pointer, outputs, team.Count);
                team.Run(ref work);
            }
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds / repeat);
        }
        return (weights.ByteCount / best, 2.0 * outputs * Columns * rows / best);
    }
}
