using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>
/// The gradient of <see cref="FlashAttention"/>. Scores are computed anew, key block by key block and turned on their side, [keys, queries]: so all five products find
/// their sides packed, and what belongs to a query is a lane. Heads that share a key head write its gradient apart; the parts are then added in order.
/// </summary>
internal sealed unsafe class FlashAttentionGradient(ProductKernels products, CpuKernels kernels, GradientKernels gradients, ThreadTeam team) : IDisposable
{
    private const int KeyRows = 64, QueryBlock = 128;

    private readonly Scratch _threads = new(), _parts = new();

    public long Bytes => _threads.Bytes + _parts.Bytes;

    /// <param name="qkv">[tokens, queries | keys | values]</param>
    /// <param name="attended">The forward pass's result, [tokens, query width].</param>
    /// <param name="logSums">[heads, tokens]</param>
    /// <param name="gradient">That of the result.</param>
    /// <param name="batch">The documents.</param>
    /// <param name="shape">Heads, window, soft cap.</param>
    /// <param name="result">Where the gradient of qkv goes.</param>
    public void Run(DenseMatrix qkv, DenseMatrix attended, DenseMatrix logSums, DenseMatrix gradient, Batch batch, in AttentionShape shape, DenseMatrix result)
    {
        int longest = 0;
        foreach (Segment segment in batch.Segments) longest = Math.Max(longest, segment.Count);
        nint size = new Memory(products, null, longest, shape.HeadDimension).Size;
        float* parts = (float*)_parts.Reserve((nint)shape.HeadCount * qkv.Rows * 2 * shape.HeadDimension * sizeof(float));
        var work = new Work(products, gradients, qkv, attended, logSums, gradient, batch, shape, result, parts, _threads.Reserve(size * team.Count), size, longest);
        team.Run(ref work);
        var sum = new SumWork(kernels, shape, parts, result);
        team.Run(ref sum);
    }

    public void Dispose()
    {
        _threads.Dispose();
        _parts.Dispose();
    }

    /// <summary>What a thread works in: positions are panels of 16 tokens, columns panels of 16 of the dimension.</summary>
    private readonly struct Memory
    {
        public readonly byte* QueryPositions, GradientPositions, QueryColumns, GradientColumns, KeyColumns, KeyRowsMemory, ValueRowsMemory, WeightRows, ScoreRows, TurnedRows;
        public readonly float* Scores, Products, LogSums, Deltas;
        public readonly nint Size;

        public Memory(ProductKernels products, byte* memory, int longest, int dimension)
        {
            int padded = FlashAttention.Padded(longest);
            nint positions = (nint)padded / 16 * products.Units(dimension) * ProductKernels.PanelUnit, columns = (nint)dimension / 16 * products.Units(padded) * ProductKernels.PanelUnit;
            QueryPositions = memory;
            GradientPositions = QueryPositions + positions;
            QueryColumns = GradientPositions + positions;
            GradientColumns = QueryColumns + columns;
            KeyColumns = GradientColumns + columns;
            KeyRowsMemory = KeyColumns + columns;
            ValueRowsMemory = KeyRowsMemory + KeyRows * ProductKernels.RowBytes(products.Units(dimension));
            WeightRows = ValueRowsMemory + KeyRows * ProductKernels.RowBytes(products.Units(dimension));
            ScoreRows = WeightRows + KeyRows * ProductKernels.RowBytes(products.Units(QueryBlock));
            TurnedRows = ScoreRows + KeyRows * ProductKernels.RowBytes(products.Units(QueryBlock));
            Scores = (float*)(TurnedRows + QueryBlock * ProductKernels.RowBytes(products.Units(KeyRows)));
            Products = Scores + KeyRows * QueryBlock;
            LogSums = Products + KeyRows * QueryBlock;
            Deltas = LogSums + padded;
            Size = (nint)(Deltas + padded) - (nint)memory + 63 & ~63;
        }
    }

    private struct Work(ProductKernels products, GradientKernels gradients, DenseMatrix qkv, DenseMatrix attended, DenseMatrix logSums, DenseMatrix gradient, Batch batch,
        AttentionShape shape, DenseMatrix result, float* parts, byte* scratch, nint scratchSize, int longest) : IWork
    {
        private int _next;

        public void Run(int part, int partCount)
        {
            var memory = new Memory(products, scratch + part * scratchSize, longest, shape.HeadDimension);
            int tasks = batch.Segments.Length * shape.HeadCount;
            for (int task; (task = Interlocked.Increment(ref _next) - 1) < tasks;) Head(batch.Segments[task / shape.HeadCount], task % shape.HeadCount, memory);
        }

        private readonly void Head(in Segment document, int head, in Memory memory)
        {
            int dimension = shape.HeadDimension, count = document.Count, stride = qkv.Columns, keyHead = head * shape.KeyValueHeadCount / shape.HeadCount;
            float* queries = qkv.RowPointer(document.Start) + head * dimension, keys = qkv.RowPointer(document.Start) + shape.QueryWidth + keyHead * dimension;
            float* given = gradient.RowPointer(document.Start) + head * dimension;
            FlashAttention.PackPositions(products, queries, stride, count, dimension, memory.QueryPositions);
            FlashAttention.PackPositions(products, given, gradient.Columns, count, dimension, memory.GradientPositions);
            FlashAttention.PackColumns(products, queries, stride, count, dimension, memory.QueryColumns);
            FlashAttention.PackColumns(products, given, gradient.Columns, count, dimension, memory.GradientColumns);
            FlashAttention.PackColumns(products, keys, stride, count, dimension, memory.KeyColumns);
            for (int i = 0; i < count; i++)
            {
                memory.LogSums[i] = logSums.RowPointer(head)[document.Start + i];
                memory.Deltas[i] = gradients.Dot(given + (nint)i * gradient.Columns, attended.RowPointer(document.Start + i) + head * dimension, dimension);
                new Span<float>(result.RowPointer(document.Start + i) + head * dimension, dimension).Clear();
            }
            for (int key = 0; key < count; key += KeyRows)
                Keys(document, head, key, keys + (nint)key * stride, memory);
        }

        /// <summary>A block of keys against all queries that see one of them.</summary>
        private readonly void Keys(in Segment document, int head, int firstKey, float* keys, in Memory memory)
        {
            int dimension = shape.HeadDimension, count = document.Count, rows = Math.Min(KeyRows, count - firstKey), units = products.Units(dimension);
            nint positionBytes = (nint)units * ProductKernels.PanelUnit, columnBytes = (nint)products.Units(FlashAttention.Padded(count)) * ProductKernels.PanelUnit;
            byte* keyRows = products.Rows(keys, qkv.Columns, rows, dimension, memory.KeyRowsMemory, out nint keyBytes);
            byte* valueRows = products.Rows(keys + shape.KeyValueWidth, qkv.Columns, rows, dimension, memory.ValueRowsMemory, out nint valueBytes);
            float* keySum = parts + ((nint)head * qkv.Rows + document.Start + firstKey) * 2 * dimension, valueSum = keySum + dimension;
            int lastSeen = shape.Window > 0 ? Math.Min(count, firstKey + rows - 1 + shape.Window) : count, begin = firstKey / 32 * 32;
            for (int query = begin; query < lastSeen; query += QueryBlock)
            {
                int width = Math.Min(QueryBlock, FlashAttention.Padded(lastSeen) - query), panels = width / 16;
                products.MultiplyAll(memory.QueryPositions + query / 16 * positionBytes, positionBytes, panels, units, keyRows, keyBytes, rows, memory.Scores, QueryBlock, false);
                products.MultiplyAll(memory.GradientPositions + query / 16 * positionBytes, positionBytes, panels, units, valueRows, valueBytes, rows, memory.Products, QueryBlock, false);
                for (int row = 0; row < rows; row++)
                {
                    int key = firstKey + row, end = shape.Window > 0 ? Math.Min(count, key + shape.Window) : count;
                    gradients.Attention(memory.Scores + row * QueryBlock, memory.Products + row * QueryBlock, memory.LogSums + query, memory.Deltas + query, width,
                        Math.Clamp(key - query, 0, width), Math.Clamp(end - query, 0, width), shape.SoftCap);
                }
                nint offset = (nint)products.Units(query) * ProductKernels.PanelUnit;
                int widthUnits = products.Units(width);
                byte* weights = products.Rows(memory.Scores, QueryBlock, rows, width, memory.WeightRows, out nint weightBytes);
                products.MultiplyAll(memory.GradientColumns + offset, columnBytes, dimension / 16, widthUnits, weights, weightBytes, rows, valueSum, 2 * dimension, query > begin);
                byte* scores = products.Rows(memory.Products, QueryBlock, rows, width, memory.ScoreRows, out nint scoreBytes);
                products.MultiplyAll(memory.QueryColumns + offset, columnBytes, dimension / 16, widthUnits, scores, scoreBytes, rows, keySum, 2 * dimension, query > begin);

                int queries = Math.Min(width, count - query);
                nint turnedBytes = ProductKernels.RowBytes(products.Units(KeyRows));
                products.RowsOfColumns(memory.Products, QueryBlock, rows, queries, memory.TurnedRows, turnedBytes);
                products.MultiplyAll(memory.KeyColumns + (nint)products.Units(firstKey) * ProductKernels.PanelUnit, columnBytes, dimension / 16, products.Units(rows), memory.TurnedRows,
                    turnedBytes, queries, result.RowPointer(document.Start + query) + head * dimension, result.Columns, true);
            }
        }
    }

    /// <summary>Adds up what the heads of a group have for their key head.</summary>
    private readonly struct SumWork(CpuKernels kernels, AttentionShape shape, float* heads, DenseMatrix result) : IWork
    {
        public void Run(int part, int parts)
        {
            int dimension = shape.HeadDimension, group = shape.HeadCount / shape.KeyValueHeadCount;
            for (int token = (int)((long)result.Rows * part / parts); token < (long)result.Rows * (part + 1) / parts; token++)
            {
                float* keys = result.RowPointer(token) + shape.QueryWidth, values = keys + shape.KeyValueWidth;
                for (int head = 0; head < shape.HeadCount; head++)
                {
                    float* source = heads + ((nint)head * result.Rows + token) * 2 * dimension, key = keys + head / group * dimension, value = values + head / group * dimension;
                    if (head % group == 0)
                    {
                        new ReadOnlySpan<float>(source, dimension).CopyTo(new Span<float>(key, dimension));
                        new ReadOnlySpan<float>(source + dimension, dimension).CopyTo(new Span<float>(value, dimension));
                        continue;
                    }
                    kernels.Add(key, source, dimension, key);
                    kernels.Add(value, source + dimension, dimension, value);
                }
            }
        }
    }
}
