using Gemma.Cpu;

namespace Gemma.Training.Cpu;

/// <summary>
/// Cross-entropy over the tied head, some rows at a time: their logits are computed, become their own gradients, give the hidden rows' gradients, and all together the
/// head's; then the next rows' take their place.
/// </summary>
internal sealed unsafe class HeadLoss(MatrixProducts products, GradientKernels gradients) : IDisposable
{
    // Logits of a chunk: enough rows that the head's gradient is not read and written too often.
    private const long ChunkBytes = 16 << 20;

    private const int BlockRows = 48;

    private readonly Scratch _logits = new(), _losses = new(), _threads = new();

    public long Bytes => _logits.Bytes + _losses.Bytes + _threads.Bytes;

    /// <inheritdoc cref="IGradientBackend{T}.CrossEntropy"/>
    public Loss Run(DenseMatrix hidden, DenseMatrix head, PackedParameter packed, int version, ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, float softCap,
        float gradientScale, DenseMatrix? hiddenGradient, DenseMatrix? headSum)
    {
        ThreadTeam team = products.Team;
        int stride = packed.ForwardCount * ProductKernels.PanelRows, rows = hidden.Rows;
        int chunk = Math.Min((rows + BlockRows - 1) / BlockRows, (int)Math.Max(team.Count, ChunkBytes / ((long)stride * sizeof(float) * BlockRows))) * BlockRows;
        float* logits = (float*)_logits.Reserve((nint)chunk * stride * sizeof(float));
        double* losses = (double*)_losses.Reserve((nint)rows * sizeof(double));
        nint size = BlockRows * ProductKernels.RowBytes(Math.Max(products.Kernels.Units(hidden.Columns), products.Kernels.Units(head.Rows)));
        byte* scratch = _threads.Reserve(size * team.Count);
        byte* forward = packed.Forward(version, team), backward = hiddenGradient is null ? null : packed.Backward(version, team);
        fixed (int* target = targets)
        fixed (float* weight = weights)
        {
            for (int first = 0; first < rows; first += chunk)
            {
                int count = Math.Min(chunk, rows - first);
                var work = new RowsWork(products.Kernels, gradients, packed, forward, backward, hidden, first, count, head.Rows, target, weight, softCap, gradientScale, hiddenGradient,
                    logits, stride, losses, scratch, size);
                team.Run(ref work);
                if (headSum is not null) products.Gradient(hidden.RowPointer(first), hidden.Columns, logits, stride, count, head.Rows, headSum.Data);
            }
        }
        double sum = 0, all = 0;
        for (int row = 0; row < rows; row++)
        {
            sum += losses[row] * weights[row];
            all += weights[row];
        }
        return new Loss(sum, all);
    }

    public void Dispose()
    {
        _logits.Dispose();
        _losses.Dispose();
        _threads.Dispose();
    }

    private struct RowsWork(ProductKernels products, GradientKernels gradients, PackedParameter packed, byte* forward, byte* backward, DenseMatrix hidden, int firstRow, int rowCount,
        int vocabulary, int* targets, float* weights, float softCap, float scale, DenseMatrix? hiddenGradient, float* logits, int stride, double* losses, byte* scratch, nint scratchSize) : IWork
    {
        private int _next;

        public void Run(int part, int parts)
        {
            byte* memory = scratch + part * scratchSize;
            int width = hidden.Columns;
            for (int done; (done = Interlocked.Add(ref _next, BlockRows) - BlockRows) < rowCount;)
            {
                int count = Math.Min(BlockRows, rowCount - done), first = firstRow + done;
                float* block = logits + (nint)done * stride;
                byte* rows = products.Rows(hidden.RowPointer(first), width, count, width, memory, out nint rowBytes);
                products.MultiplyAll(forward, packed.ForwardBytes, packed.ForwardCount, products.Units(width), rows, rowBytes, count, block, stride, false);
                for (int row = 0; row < count; row++)
                    losses[first + row] = gradients.CrossEntropy(block + (nint)row * stride, vocabulary, targets[first + row], softCap, scale * weights[first + row]);
                if (hiddenGradient is null) continue;
                rows = products.Rows(block, stride, count, vocabulary, memory, out rowBytes);
                products.MultiplyAll(backward, packed.BackwardBytes, packed.BackwardCount, products.Units(vocabulary), rows, rowBytes, count, hiddenGradient.RowPointer(first), width, false);
            }
        }
    }
}
