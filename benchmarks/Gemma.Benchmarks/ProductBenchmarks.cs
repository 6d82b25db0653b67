using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Benchmarks;

/// <summary>
/// Matrix products of the tier in use (GEMMA_ISA chooses another): 128 MB of weights from memory, times one row (decode), 8 (sequences together), 32 and 512
/// (a prompt). GB/s counts the weights once, GOP/s a multiplication and an addition as two.
/// </summary>
[Config(typeof(Rates))]
public class ProductBenchmarks : IDisposable
{
    private const long WeightBytes = 128 << 20;

    private ProductCase? _product;

    [Params(WeightType.Q4, WeightType.Q4_K, WeightType.Q6_K, WeightType.Q8, WeightType.BF16, WeightType.F32)]
    public WeightType Type { get; set; }

    [Params(1, 8, 32, 512)]
    public int Rows { get; set; }

    /// <summary>0 is one for each processor.</summary>
    [Params(1, 0)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Prepare() => _product = new ProductCase(CpuKernels.For(IsaSelection.Current, roundActivations: true), Type, WeightBytes, Rows, Threads);

    [GlobalCleanup]
    public void Dispose()
    {
        _product?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public void Multiply() => _product!.Run();

    private sealed class Rates : ManualConfig
    {
        public Rates() => AddColumn(
            new Rate("GB/s", "Bytes of weights that the median product reads a second", (type, _) => WeightBytes),
            // The panels' size is rounded to whole ones: less than a thousandth.
            new Rate("GOP/s", "Multiplications and additions of the median product a second", (type, rows) => 2.0 * rows * WeightBytes * 8 / ProductCase.Bits(type)));
    }

    private sealed class Rate(string name, string legend, Func<WeightType, int, double> amount) : IColumn
    {
        public string Id => name;

        public string ColumnName => name;

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public UnitType UnitType => UnitType.Dimensionless;

        public string Legend => legend;

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
        {
            if (summary[benchmarkCase]?.ResultStatistics is not { } statistics) return "NA";
            // The median is in nanoseconds, so this is 10⁹ a second.
            double rate = amount((WeightType)benchmarkCase.Parameters[nameof(Type)], (int)benchmarkCase.Parameters[nameof(Rows)]) / statistics.Median;
            return rate.ToString("F1", summary.GetCultureInfo());
        }

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

        public bool IsAvailable(Summary summary) => true;

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;
    }
}
