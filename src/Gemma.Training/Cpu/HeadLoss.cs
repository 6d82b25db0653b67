using Gemma.Cpu;

namespace Gemma.Training.Cpu;

/// <summary>
/// Cross-entropy over the tied head, some rows at a time: their logits are computed, become their own gradients, give the hidden rows' gradients, and all together the
/// head's; then the next rows' take their place.
/// </summary>
internal sealed unsafe class HeadLoss(MatrixProducts products, FrozenProducts frozen, GradientKernels gradients) : IDisposable
{
    // Logits of a chunk: enough rows that the head's gradient is not read and written too often.
    private const long ChunkBytes = 16 << 20;

    // Of a head that is not trained, whose panels are made anew for each chunk.
    private const long FrozenChunkBytes = 256 << 20;

    private const int BlockRows = 48;

    private readonly Scratch _logits = new(), _losses = new(), _threads = new();

    public long Bytes => _logits.Bytes + _losses.Bytes + _threads.Bytes;

    /// <inheritdoc cref="IGradientBackend{T}.CrossEntropy"/>
    public Loss Run(DenseMatrix hidden, DenseMatrix head, PackedParameter packed, int version, ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, float softCap,
        float gradientScale, DenseMatrix? hiddenGradient, DenseMatrix? headSum, Span<double> rowLosses)
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
                if (headSum is not null) products.Gradient(MatrixView.OfRows(hidden, first, count), new MatrixView(logits, stride, count, head.Rows), headSum.Data);
            }
        }
        return Sum(losses, weights, rowLosses);
    }

    /// <summary>The same with a head that is not trained: its panels are the outer loop, so that each is made once for many rows.</summary>
    public Loss Run(DenseMatrix hidden, PackedWeights head, ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, float softCap, float gradientScale, DenseMatrix? hiddenGradient,
        Span<double> rowLosses)
    {
        int stride = head.PanelCount * ProductKernels.PanelRows, rows = hidden.Rows, chunk = (int)Math.Clamp(FrozenChunkBytes / ((long)stride * sizeof(float)), BlockRows, rows + BlockRows);
        float* logits = (float*)_logits.Reserve((nint)Math.Min(chunk, rows) * stride * sizeof(float));
        double* losses = (double*)_losses.Reserve((nint)rows * sizeof(double));
        fixed (int* target = targets)
        fixed (float* weight = weights)
        {
            for (int first = 0; first < rows; first += chunk)
            {
                int count = Math.Min(chunk, rows - first);
                frozen.Linear(MatrixView.OfRows(hidden, first, count), head, new MatrixView(logits, stride, count, stride), false);
                var work = new LossWork(gradients, logits, stride, head.Rows, target + first, weight + first, softCap, gradientScale, losses + first, count);
                products.Team.Run(ref work);
                if (hiddenGradient is not null) frozen.Gradient(new MatrixView(logits, stride, count, head.Rows), head, MatrixView.OfRows(hiddenGradient, first, count), false);
            }
        }
        return Sum(losses, weights, rowLosses);
    }

    private static Loss Sum(double* losses, ReadOnlySpan<float> weights, Span<double> rowLosses)
    {
        double sum = 0, all = 0;
        for (int row = 0; row < weights.Length; row++)
        {
            sum += losses[row] * weights[row];
            all += weights[row];
        }
        if (!rowLosses.IsEmpty) new ReadOnlySpan<double>(losses, weights.Length).CopyTo(rowLosses);
        return new Loss(sum, all);
    }

    public void Dispose()
    {
        _logits.Dispose();
        _losses.Dispose();
        _threads.Dispose();
    }

    private struct LossWork(GradientKernels gradients, float* logits, int stride, int vocabulary, int* targets, float* weights, float softCap, float scale, double* losses, int rows) : IWork
    {
        private int _next;

        public void Run(int part, int parts)
        {
            for (int row; (row = Interlocked.Increment(ref _next) - 1) < rows;)
                losses[row] = gradients.CrossEntropy(logits + (nint)row * stride, vocabulary, targets[row], softCap, scale * weights[row]);
        }
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
