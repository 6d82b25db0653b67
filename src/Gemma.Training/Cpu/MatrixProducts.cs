using Gemma.Cpu;

namespace Gemma.Training.Cpu;

/// <summary>
/// The three products of a linear map, shared out over a team. Threads share outputs, never a sum, and every sum runs in an order that does not depend on them: the
/// bits are the same for any number of threads.
/// </summary>
internal sealed unsafe class MatrixProducts(ProductKernels products, GradientKernels gradients, ThreadTeam team) : IDisposable
{
    // Prepared rows of a block stay in the second-level cache while all panels pass by.
    private const int BlockBytes = 256 << 10, TileRows = 12, MostRows = 16 * TileRows;

    // Rows of the outer product and k of one round of it, and rows of x packed together: what a thread holds near itself.
    private const int GradientRows = 96, GradientUnits = 512, PackedRows = 64;

    private readonly Scratch _threads = new(), _panels = new();

    public ProductKernels Kernels => products;

    public ThreadTeam Team => team;

    public long Bytes => _threads.Bytes + _panels.Bytes;

    /// <summary>result = or += x · panels, and gelu_tanh(left half) ⊙ right half of that into <paramref name="gated"/> where it is given.</summary>
    public void Linear(MatrixView x, byte* panels, nint panelBytes, int panelCount, MatrixView result, bool adds, DenseMatrix? gated = null)
    {
        nint rowBytes = ProductKernels.RowBytes(products.Units(x.Columns));
        int share = (x.Rows + 4 * team.Count - 1) / (4 * team.Count);
        int block = Math.Clamp((int)Math.Min(share, BlockBytes / rowBytes), 2 * TileRows, MostRows) / TileRows * TileRows;
        nint padded = result.Columns % ProductKernels.PanelRows == 0 ? 0 : (nint)panelCount * ProductKernels.PanelRows * sizeof(float) * block;
        nint size = block * rowBytes + padded;
        var work = new LinearWork(products, gradients, x, panels, panelBytes, panelCount, result, adds, gated, block, _threads.Reserve(size * team.Count), size, block * rowBytes);
        team.Run(ref work);
    }

    /// <summary>sum += gradientᵀ · x, over all rows.</summary>
    /// <param name="x">[rows, width]</param>
    /// <param name="gradient">[rows, outputs]</param>
    /// <param name="sum">[outputs, width], its rows one behind the other.</param>
    public void Gradient(MatrixView x, MatrixView gradient, float* sum)
    {
        int rows = x.Rows, width = x.Columns, outputs = gradient.Columns, panelCount = width / ProductKernels.PanelRows;
        nint panelBytes = (nint)products.Units(rows) * ProductKernels.PanelUnit;
        byte* panels = _panels.Reserve(panelCount * panelBytes);
        var pack = new PackWork(products, x, panels, panelBytes);
        team.Run(ref pack);

        int blocks = Math.Max((outputs + GradientRows - 1) / GradientRows, 2 * team.Count);
        int block = Math.Max(16, (outputs + blocks - 1) / blocks + 15 & ~15);
        nint size = block * ProductKernels.RowBytes(GradientUnits);
        var work = new GradientWork(products, width, gradient.Data, gradient.Stride, rows, outputs, sum, panels, panelBytes, block, _threads.Reserve(size * team.Count), size);
        team.Run(ref work);
    }

    public void Dispose()
    {
        _threads.Dispose();
        _panels.Dispose();
    }

    private struct LinearWork(ProductKernels products, GradientKernels gradients, MatrixView x, byte* panels, nint panelBytes, int panelCount, MatrixView result, bool adds,
        DenseMatrix? gated, int block, byte* scratch, nint scratchSize, nint padding) : IWork
    {
        private int _next;

        public void Run(int part, int parts)
        {
            byte* memory = scratch + part * scratchSize;
            int units = products.Units(x.Columns);
            for (int first; (first = Interlocked.Add(ref _next, block) - block) < x.Rows;)
            {
                int count = Math.Min(block, x.Rows - first);
                byte* rows = products.Rows(x.RowPointer(first), x.Stride, count, x.Columns, memory, out nint rowBytes);
                if (result.Columns % ProductKernels.PanelRows == 0)
                    products.MultiplyAll(panels, panelBytes, panelCount, units, rows, rowBytes, count, result.RowPointer(first), result.Stride, adds);
                else Padded(rows, rowBytes, first, count, (float*)(memory + padding));
                if (gated is null) continue;
                for (int row = first; row < first + count; row++)
                {
                    float* gate = result.RowPointer(row);
                    gradients.Gate(gate, gate + gated.Columns, gated.Columns, gated.RowPointer(row));
                }
            }
        }

        /// <summary>By way of rows of whole panels.</summary>
        private readonly void Padded(byte* rows, nint rowBytes, int first, int count, float* whole)
        {
            int stride = panelCount * ProductKernels.PanelRows;
            products.MultiplyAll(panels, panelBytes, panelCount, products.Units(x.Columns), rows, rowBytes, count, whole, stride, false);
            for (int row = 0; row < count; row++)
            {
                float* destination = result.RowPointer(first + row), source = whole + (nint)row * stride;
                for (int i = 0; i < result.Columns; i++) destination[i] = adds ? destination[i] + source[i] : source[i];
            }
        }
    }

    /// <summary>Panels of x's columns, k along its rows.</summary>
    private struct PackWork(ProductKernels products, MatrixView x, byte* panels, nint panelBytes) : IWork
    {
        private int _next;

        public void Run(int part, int parts)
        {
            for (int first; (first = Interlocked.Add(ref _next, PackedRows) - PackedRows) < x.Rows;)
            {
                int count = Math.Min(PackedRows, x.Rows - first);
                for (int panel = 0; panel < x.Columns / ProductKernels.PanelRows; panel++)
                {
                    products.PanelOfColumns(x.RowPointer(first) + panel * ProductKernels.PanelRows, x.Stride, count, ProductKernels.PanelRows,
                        panels + panel * panelBytes + (nint)products.Units(first) * ProductKernels.PanelUnit);
                }
            }
        }
    }

    private struct GradientWork(ProductKernels products, int width, float* gradient, nint gradientStride, int rows, int outputs, float* sum, byte* panels, nint panelBytes,
        int block, byte* scratch, nint scratchSize) : IWork
    {
        private int _next;

        public void Run(int part, int parts)
        {
            byte* memory = scratch + part * scratchSize;
            nint rowBytes = ProductKernels.RowBytes(GradientUnits);
            int step = GradientUnits / products.Units(2) * 2, panelCount = width / ProductKernels.PanelRows;
            for (int first; (first = Interlocked.Add(ref _next, block) - block) < outputs;)
            {
                int count = Math.Min(block, outputs - first);
                for (int row = 0; row < rows; row += step)
                {
                    int k = Math.Min(step, rows - row);
                    products.RowsOfColumns(gradient + row * gradientStride + first, gradientStride, k, count, memory, rowBytes);
                    products.MultiplyAll(panels + (nint)products.Units(row) * ProductKernels.PanelUnit, panelBytes, panelCount, products.Units(k), memory, rowBytes, count,
                        sum + (nint)first * width, width, true);
                }
            }
        }
    }
}
