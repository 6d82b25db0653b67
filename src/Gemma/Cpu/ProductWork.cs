using Gemma.Cpu.Kernels;

namespace Gemma.Cpu;

/// <summary>
/// x · weightᵀ over all panels. Threads take runs of neighbouring panels: long ones at first, because memory streams are what decides a decode step, and ever
/// shorter ones towards the end, so that all threads end together though a shared machine slows one of them now and then.
/// </summary>
internal unsafe struct ProductWork(CpuKernels kernels, PackedWeights weights, byte* x, nint stride, int rows, bool gated, float* result, int resultColumns,
    int threads) : IWork
{
    // Short runs lose bandwidth (4 to 32 KB halve it), so only the last ones are.
    private const long LongestRun = 2 << 20, ShortestRun = 128 << 10;

    // Activations that stay in the second-level cache while panels pass by.
    private const long CachedBytes = 512 << 10;

    // Of these, a stretch of k stays in that cache.
    private const int MostRows = 768;

    // Rows of a pair whose product goes through a tile of its own.
    private const int TileRows = 36;

    private const int Width = 2 * PackedWeights.PanelRows;

    private int _next;

    public void Run(int part, int parts)
    {
        int pairs = (weights.PanelCount + 1) / 2;
        int block = !gated && kernels.PassesRowsOnce(weights.Type) ? MostRows : (int)Math.Clamp(CachedBytes / (long)stride, TileRows, 1 << 20) / TileRows * TileRows;
        float* tile = stackalloc float[TileRows * Width];
        while (Take(pairs, out int first) is > 0 and int run)
        {
            for (int row = 0; row < rows; row += block)
            {
                int count = Math.Min(block, rows - row), whole = gated ? 0 : Math.Min(run, weights.Rows / Width - first);
                if (whole > 0)
                {
                    kernels.Multiply(weights.Type, weights.Panel(2 * first), weights.PanelBytes, 2 * whole, weights.PaddedColumns, x + row * stride, stride, count,
                        result + (nint)row * resultColumns + first * Width, resultColumns);
                }
                for (int pair = first + whole; pair < first + run; pair++) Pair(pair, row, count, tile);
            }
        }
    }

    /// <summary>The next run of pairs: half of a thread's share of what is left; 0 when nothing is.</summary>
    private int Take(int pairs, out int first)
    {
        long pairBytes = 2 * (long)weights.PanelBytes;
        int longest = (int)Math.Max(1, LongestRun / pairBytes), shortest = (int)Math.Clamp(ShortestRun / pairBytes, 1, longest);
        while (true)
        {
            first = Volatile.Read(ref _next);
            int left = pairs - first;
            if (left <= 0) return 0;
            int run = Math.Min(left, threads == 1 ? longest : Math.Clamp(left / (2 * threads), shortest, longest));
            if (Interlocked.CompareExchange(ref _next, first + run, first) == first) return run;
        }
    }

    /// <summary>Two panels whose product is not what the result holds: gate and up, or the last ones, of which some rows are padding.</summary>
    private readonly void Pair(int pair, int row, int count, float* tile)
    {
        byte* panels = weights.Panel(2 * pair);
        int panelCount = Math.Min(2, weights.PanelCount - 2 * pair), wanted = Math.Min(Width, weights.Rows - pair * Width);
        for (int left = (count + TileRows - 1) / TileRows, done = 0; left > 0; left--)
        {
            int rowsNow = (count - done + left - 1) / left;
            kernels.Multiply(weights.Type, panels, weights.PanelBytes, panelCount, weights.PaddedColumns, x + (row + done) * stride, stride, rowsNow, tile, Width);
            for (int i = 0; i < rowsNow; i++)
            {
                float* product = tile + i * Width, destination = result + (nint)(row + done + i) * resultColumns;
                if (gated) kernels.GatedGelu(product, product + PackedWeights.PanelRows, PackedWeights.PanelRows, destination + pair * PackedWeights.PanelRows);
                else new ReadOnlySpan<float>(product, wanted).CopyTo(new Span<float>(destination + pair * Width, wanted));
            }
            done += rowsNow;
        }
    }
}
