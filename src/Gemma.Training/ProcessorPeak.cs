using System.Diagnostics;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Training.Cpu;

namespace Gemma.Training;

/// <summary>
/// The most operations a second of this processor's threads as they can be measured: tiles of a matrix product whose sides are packed and in the first caches.
/// What a step reaches of it is its utilisation.
/// </summary>
public static class ProcessorPeak
{
    private const int Rows = 96, Panels = 2, Units = 128, Rounds = 8;

    // Long enough for the clock to settle, short beside any run.
    private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(25);

    /// <summary>Measures for about a fifth of a second. On a machine that others use, too, it is what they leave.</summary>
    /// <returns>Floating-point operations a second, multiplications and additions counted each.</returns>
    public static double Measure(TrainingModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var products = ProductKernels.For(model.Options.Precision, CpuKernels.For(IsaSelection.Current));
        double best = 0;
        for (int round = 0; round < Rounds; round++)
        {
            var work = new TileWork(products, new double[model.Team.Count]);
            model.Team.Run(ref work);
            best = Math.Max(best, work.Rates.Sum());
        }
        return best;
    }

    private readonly unsafe struct TileWork(ProductKernels products, double[] rates) : IWork
    {
        public double[] Rates => rates;

        public void Run(int part, int parts)
        {
            nint rowBytes = ProductKernels.RowBytes(Units), panelBytes = (nint)Units * ProductKernels.PanelUnit;
            using NativeBuffer left = new((nuint)(Rows * rowBytes)), right = new((nuint)(Panels * panelBytes)), sums = new(Rows * Panels * ProductKernels.PanelRows * sizeof(float));
            // A unit is one fp32 number or two bf16.
            double numbers = (double)Units / products.Units(1 << 10) * (1 << 10), operations = 0;
            long start = Stopwatch.GetTimestamp();
            while (Stopwatch.GetElapsedTime(start) < Round)
            {
                for (int i = 0; i < 16; i++)
                    products.MultiplyAll(right.Pointer, panelBytes, Panels, Units, left.Pointer, rowBytes, Rows, (float*)sums.Pointer, Panels * ProductKernels.PanelRows, false);
                operations += 16 * 2.0 * Rows * Panels * ProductKernels.PanelRows * numbers;
            }
            rates[part] = operations / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }
}
