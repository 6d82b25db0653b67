using Gemma.Cpu;

namespace Gemma.Training.Cpu;

/// <summary>
/// x · wᵀ and dy · w with weights that are not trained, from the one copy that is kept of them: fp32, bf16 or 8 bits, in the panels of inference. Where these are what
/// the tiles read they are read there; otherwise (other numbers, or k along the outputs) panels are made of them a stretch of k at a time, in memory that stays in the
/// second-level cache while all rows pass by. A task is the outputs of a few panels, all rows: so each weight is turned once for each product.
/// </summary>
internal sealed unsafe class FrozenProducts(ProductKernels products, ThreadTeam team) : IDisposable
{
    // k of a stretch, in units; two panels of it take 64 KiB.
    private const int StretchUnits = 512;

    private const int MostPairs = 4;

    private readonly Scratch _rows = new(), _threads = new();

    public long Bytes => _rows.Bytes + _threads.Bytes;

    /// <summary>result = or += x · weightsᵀ. A result's row has room for whole panels.</summary>
    public void Linear(MatrixView x, PackedWeights weights, MatrixView result, bool adds) => Run(x, weights, weights.Rows, result, adds, isTransposed: false);

    /// <summary>result = or += gradient · weights.</summary>
    public void Gradient(MatrixView gradient, PackedWeights weights, MatrixView result, bool adds) => Run(gradient, weights, weights.Columns, result, adds, isTransposed: true);

    public void Dispose()
    {
        _rows.Dispose();
        _threads.Dispose();
    }

    private void Run(MatrixView x, PackedWeights weights, int outputs, MatrixView result, bool adds, bool isTransposed)
    {
        int panels = (outputs + ProductKernels.PanelRows - 1) / ProductKernels.PanelRows, units = products.Units(x.Columns);
        if (result.Stride < panels * ProductKernels.PanelRows) throw new ArgumentException("rows of the result have no room for whole panels", nameof(result));
        nint rowBytes = ProductKernels.RowBytes(units);
        byte* rows = _rows.Reserve(rowBytes * x.Rows);
        var prepare = new PrepareWork(products, x, rows, rowBytes);
        team.Run(ref prepare);
        // Few enough at a time that threads end together.
        int pairs = Math.Clamp(panels / (8 * team.Count), 1, MostPairs);
        nint size = 2 * pairs * StretchUnits * ProductKernels.PanelUnit;
        var work = new ProductWork(products, x, rows, rowBytes, weights, isTransposed, panels, pairs, result, adds, _threads.Reserve(size * team.Count), size);
        team.Run(ref work);
    }

    private readonly struct PrepareWork(ProductKernels products, MatrixView x, byte* rows, nint rowBytes) : IWork
    {
        public void Run(int part, int parts)
        {
            for (int row = (int)((long)x.Rows * part / parts); row < (int)((long)x.Rows * (part + 1) / parts); row++) products.Row(x.RowPointer(row), x.Columns, rows + row * rowBytes);
        }
    }

    private struct ProductWork(ProductKernels products, MatrixView x, byte* rows, nint rowBytes, PackedWeights weights, bool isTransposed, int panelCount, int pairs, MatrixView result,
        bool adds, byte* scratch, nint scratchSize) : IWork
    {
        private const nint StretchBytes = (nint)StretchUnits * ProductKernels.PanelUnit;

        private int _next;

        public void Run(int part, int parts)
        {
            byte* memory = scratch + part * scratchSize;
            int k = x.Columns, stretch = StretchUnits / products.Units(2) * 2;
            bool isReadInPlace = !isTransposed && products.Reads(weights.Type);
            for (int first; (first = Interlocked.Add(ref _next, 2 * pairs) - 2 * pairs) < panelCount;)
            {
                int count = Math.Min(2 * pairs, panelCount - first);
                for (int begin = 0; begin < k; begin += stretch)
                {
                    int length = Math.Min(stretch, k - begin);
                    byte* panels = memory;
                    nint panelBytes = StretchBytes;
                    if (isReadInPlace)
                    {
                        panels = weights.Panel(first) + (nint)products.Units(begin) * ProductKernels.PanelUnit;
                        panelBytes = weights.PanelBytes;
                    }
                    else if (isTransposed) Turn(first, count, begin, length, memory);
                    else Copy(first, count, begin, length, memory);
                    for (int panel = 0; panel < count; panel += 2)
                    {
                        products.Multiply(panels + panel * panelBytes, panelBytes, Math.Min(2, count - panel), products.Units(length), rows + (nint)products.Units(begin) * ProductKernels.RowUnit,
                            rowBytes, x.Rows, result.Data + (first + panel) * ProductKernels.PanelRows, result.Stride, adds || begin > 0);
                    }
                }
            }
        }

        /// <summary>The same panels in the numbers that the tiles read.</summary>
        private readonly void Copy(int first, int count, int begin, int length, byte* panels)
        {
            float* square = stackalloc float[FrozenPanels.Side * FrozenPanels.Side];
            for (int panel = 0; panel < count; panel++)
            {
                for (int k = 0; k < length; k += FrozenPanels.Side)
                {
                    FrozenPanels.Read(weights, first + panel, begin + k, square);
                    products.PanelOfColumns(square, FrozenPanels.Side, FrozenPanels.Side, FrozenPanels.Side, panels + panel * StretchBytes + (nint)products.Units(k) * ProductKernels.PanelUnit);
                }
            }
        }

        /// <summary>Panels of 16 inputs, k along the outputs. Squares that lie beside each other in memory are read one after the other.</summary>
        private readonly void Turn(int first, int count, int begin, int length, byte* panels)
        {
            const int Outputs = 2 * FrozenPanels.Side;
            float* piece = stackalloc float[FrozenPanels.Side * Outputs]; // [inputs, outputs]
            for (int k = 0; k < length; k += Outputs)
            {
                byte* destination = panels + (nint)products.Units(k) * ProductKernels.PanelUnit;
                for (int panel = 0; panel < count; panel++, destination += StretchBytes)
                {
                    for (int half = 0; half < Math.Min(Outputs, length - k); half += FrozenPanels.Side)
                        FrozenPanels.Read(weights, (begin + k + half) / FrozenPanels.Side, (first + panel) * FrozenPanels.Side, piece + half, Outputs);
                    products.PanelOfRows(piece, Outputs, FrozenPanels.Side, Math.Min(Outputs, length - k), destination);
                }
            }
        }
    }
}
