using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>
/// Causal attention within the documents of a batch, block by block, without a matrix of all scores (Dao et al., arXiv 2205.14135): what the backward pass needs of it
/// is one number a head and token, the log of the sum of exponentials. A task is one head of one document.
/// </summary>
internal sealed unsafe class FlashAttention(ProductKernels products, CpuKernels kernels, GradientKernels gradients, ThreadTeam team) : IDisposable
{
    private const int QueryRows = 48, KeyBlock = 128;

    private readonly Scratch _threads = new();

    public long Bytes => _threads.Bytes;

    /// <param name="qkv">[tokens, queries | keys | values]</param>
    /// <param name="batch">Its documents.</param>
    /// <param name="shape">Heads, window, soft cap.</param>
    /// <param name="result">[tokens, query width]</param>
    /// <param name="logSums">[heads, tokens]</param>
    public void Run(DenseMatrix qkv, Batch batch, in AttentionShape shape, DenseMatrix result, DenseMatrix? logSums)
    {
        int longest = 0;
        foreach (Segment segment in batch.Segments) longest = Math.Max(longest, segment.Count);
        nint size = new Memory(products, null, longest, shape.HeadDimension).Size;
        var work = new Work(products, kernels, gradients, qkv, batch, shape, result, logSums, _threads.Reserve(size * team.Count), size, longest);
        team.Run(ref work);
    }

    public void Dispose() => _threads.Dispose();

    /// <summary>Positions in whole pairs of panels.</summary>
    public static int Padded(int count) => count + 31 & ~31;

    /// <summary>What a thread works in.</summary>
    private readonly struct Memory
    {
        public readonly byte* Keys, Values, Queries, Weights;
        public readonly float* Scores, Sums, Maxima, Totals;
        public readonly nint Size;

        public Memory(ProductKernels products, byte* memory, int longest, int dimension)
        {
            int padded = Padded(longest);
            Keys = memory;
            Values = Keys + (nint)padded / 16 * products.Units(dimension) * ProductKernels.PanelUnit;
            Queries = Values + (nint)dimension / 16 * products.Units(padded) * ProductKernels.PanelUnit;
            Weights = Queries + QueryRows * ProductKernels.RowBytes(products.Units(dimension));
            Scores = (float*)(Weights + QueryRows * ProductKernels.RowBytes(products.Units(KeyBlock)));
            Sums = Scores + QueryRows * KeyBlock;
            Maxima = Sums + (nint)QueryRows * dimension;
            Totals = Maxima + QueryRows;
            Size = (nint)(Totals + QueryRows) - (nint)memory + 63 & ~63;
        }
    }

    private struct Work(ProductKernels products, CpuKernels kernels, GradientKernels gradients, DenseMatrix qkv, Batch batch, AttentionShape shape, DenseMatrix result, DenseMatrix? logSums, byte* scratch,
        nint scratchSize, int longest) : IWork
    {
        private int _next;

        public void Run(int part, int parts)
        {
            var memory = new Memory(products, scratch + part * scratchSize, longest, shape.HeadDimension);
            int tasks = batch.Segments.Length * shape.HeadCount;
            for (int task; (task = Interlocked.Increment(ref _next) - 1) < tasks;) Head(batch.Segments[task / shape.HeadCount], task % shape.HeadCount, memory);
        }

        private readonly void Head(in Segment document, int head, in Memory memory)
        {
            int dimension = shape.HeadDimension, count = document.Count, padded = Padded(count), stride = qkv.Columns;
            int keyHead = head * shape.KeyValueHeadCount / shape.HeadCount;
            float* queries = qkv.RowPointer(document.Start) + head * dimension, keys = qkv.RowPointer(document.Start) + shape.QueryWidth + keyHead * dimension;
            float* values = keys + shape.KeyValueWidth;
            nint keyBytes = (nint)products.Units(dimension) * ProductKernels.PanelUnit, valueBytes = (nint)products.Units(padded) * ProductKernels.PanelUnit;
            PackPositions(products, keys, stride, count, dimension, memory.Keys);
            PackColumns(products, values, stride, count, dimension, memory.Values);
            for (int first = 0; first < count; first += QueryRows)
            {
                int rows = Math.Min(QueryRows, count - first), end = first + rows;
                byte* prepared = products.Rows(queries + (nint)first * stride, stride, rows, dimension, memory.Queries, out nint queryBytes);
                new Span<float>(memory.Sums, rows * dimension).Clear();
                new Span<float>(memory.Maxima, rows).Fill(float.NegativeInfinity);
                new Span<float>(memory.Totals, rows).Clear();
                int firstKey = shape.Window > 0 ? Math.Max(0, first - shape.Window + 1) / 32 * 32 : 0;
                for (int key = firstKey; key < end; key += KeyBlock)
                {
                    int width = Math.Min(KeyBlock, Padded(end) - key);
                    products.MultiplyAll(memory.Keys + key / 16 * keyBytes, keyBytes, width / 16, products.Units(dimension), prepared, queryBytes, rows, memory.Scores, KeyBlock, false);
                    for (int row = 0; row < rows; row++)
                    {
                        int position = first + row, seen = shape.Window > 0 ? Math.Clamp(position - shape.Window + 1 - key, 0, width) : 0;
                        float correction = gradients.Softmax(memory.Scores + row * KeyBlock, width, seen, Math.Clamp(position + 1 - key, 0, width), shape.SoftCap,
                            ref memory.Maxima[row], ref memory.Totals[row]);
                        float* sums = memory.Sums + (nint)row * dimension;
                        if (correction != 1) kernels.Scale(sums, correction, dimension, sums);
                    }
                    byte* weights = products.Rows(memory.Scores, KeyBlock, rows, width, memory.Weights, out nint weightBytes);
                    products.MultiplyAll(memory.Values + (nint)products.Units(key) * ProductKernels.PanelUnit, valueBytes, dimension / 16, products.Units(width), weights, weightBytes, rows,
                        memory.Sums, dimension, true);
                }
                for (int row = 0; row < rows; row++)
                {
                    int token = document.Start + first + row;
                    kernels.Scale(memory.Sums + (nint)row * dimension, 1 / memory.Totals[row], dimension, result.RowPointer(token) + head * dimension);
                    if (logSums is not null) logSums.RowPointer(head)[token] = memory.Maxima[row] + MathF.Log(memory.Totals[row]);
                }
            }
        }
    }

    /// <summary>Panels of 16 positions, k along the head's dimension; whole pairs of panels.</summary>
    public static void PackPositions(ProductKernels products, float* x, nint stride, int count, int dimension, byte* panels)
    {
        nint panelBytes = (nint)products.Units(dimension) * ProductKernels.PanelUnit;
        for (int position = 0; position < Padded(count); position += ProductKernels.PanelRows, panels += panelBytes)
            products.PanelOfRows(x + position * stride, stride, Math.Clamp(count - position, 0, ProductKernels.PanelRows), dimension, panels);
    }

    /// <summary>Panels of 16 of the head's dimension, k along the positions, padded with zeros.</summary>
    public static void PackColumns(ProductKernels products, float* x, nint stride, int count, int dimension, byte* panels)
    {
        int units = products.Units(Padded(count)), whole = products.Units(count);
        for (int column = 0; column < dimension; column += ProductKernels.PanelRows, panels += (nint)units * ProductKernels.PanelUnit)
        {
            products.PanelOfColumns(x + column, stride, count, ProductKernels.PanelRows, panels);
            new Span<byte>(panels + (nint)whole * ProductKernels.PanelUnit, (units - whole) * ProductKernels.PanelUnit).Clear();
        }
    }
}
