using Gemma.Cpu.Kernels;
using Gemma.Generation;

namespace Gemma.Cpu;

/// <summary>
/// Causal attention over paged keys and values. All query heads that share a key head, at several positions, are the rows of one matrix product with a page, so
/// multi-query models read their cache once for all heads.
/// </summary>
/// <remarks>
/// Softmax runs block by block (arXiv 2205.14135). Blocks are gathered into spans of <see cref="SpanPages"/> at fixed positions, each computed by itself and
/// merged in ascending order. Long contexts are thereby shared among threads, and how they are shared changes no bit of the result.
/// <para>
/// Where keys and values are bf16 and the processor multiplies such numbers, queries and the weights of values are rounded to bf16 too: that is an error of the
/// size that the rounded keys and values have already, and twice the speed. With fp32 keys and values everything is fp32.
/// </para>
/// </remarks>
internal sealed unsafe class PagedAttention(CpuKernels kernels, ThreadTeam team, Arena arena)
{
    private const int PageTokens = KvCache.PageTokens;

    // A block's scores are in memory at once: its maxima, sums and corrections are taken once for all its pages.
    private const int BlockPages = 4, BlockTokens = BlockPages * PageTokens;

    private const int SpanPages = 2 * BlockPages, SpanTokens = SpanPages * PageTokens;

    // Rows of a task: enough to keep the tiles of the product full, few enough to stay in the first-level caches.
    private const int TaskRows = 48;

    private readonly CpuKernels _rounding = CpuKernels.For(kernels.Isa, roundActivations: true);
    private readonly List<Task> _tasks = [];

    /// <summary>Query positions of one segment and key head, with the spans of positions they see.</summary>
    private readonly record struct Task(int Segment, int KeyHead, int FirstRow, int Count, int FirstSpan, int SpanCount, nint Partial);

    public Matrix Run(Matrix qkv, Batch batch, in AttentionShape shape)
    {
        foreach (Segment segment in batch.Segments)
            if (segment.Cache is null) throw new UsageException("a document without a cache is for training: add the tokens with a KvSequence");
        Matrix result = arena.Allocate(qkv.Rows, shape.QueryWidth);
        Arena.Mark mark = arena.Save();
        var store = new StoreWork(qkv, batch, shape);
        if ((long)qkv.Rows * shape.KeyValueWidth < 1 << 13) store.Run(0, 1);
        else team.Run(ref store);
        Plan(batch, shape);
        int most = Math.Max(1, TaskRows / Group(shape)) * Group(shape);
        nint size = Scratch.Size(most, QueryBytes(shape.HeadDimension), shape.HeadDimension);
        var attend = new AttendWork(this, qkv, batch, shape, result, arena.AllocateBytes(size * team.Count), size, most);
        if (_tasks.Count == 1) attend.Run(0, 1);
        else team.Run(ref attend);
        Merge(shape, result);
        arena.Release(mark);
        return result;
    }

    /// <summary>Query heads that share a key head.</summary>
    private static int Group(in AttentionShape shape) => shape.HeadCount / shape.KeyValueHeadCount;

    /// <summary>Bytes of a query, rounded or not.</summary>
    private nint QueryBytes(int dimension) => Math.Max(dimension * sizeof(float), _rounding.PreparedBytes(WeightType.BF16, dimension));

    private void Plan(Batch batch, in AttentionShape shape)
    {
        _tasks.Clear();
        int group = Group(shape), block = Math.Max(1, TaskRows / group), blocks = 0;
        foreach (Segment segment in batch.Segments) blocks += (segment.Count + block - 1) / block;
        // Few blocks leave threads idle: then each span is a task of its own, and its partial result waits for the merge.
        bool apart = blocks * shape.KeyValueHeadCount < 4 * team.Count;
        for (int s = 0; s < batch.Segments.Length; s++)
        {
            Segment segment = batch.Segments[s];
            for (int first = 0; first < segment.Count; first += block)
            {
                int count = Math.Min(block, segment.Count - first), start = segment.FirstPosition + first;
                int firstSpan = FirstSeen(start, shape) / SpanTokens, spans = (start + count - 1) / SpanTokens - firstSpan + 1;
                for (int head = 0; head < shape.KeyValueHeadCount; head++)
                {
                    if (!apart || spans == 1)
                    {
                        _tasks.Add(new Task(s, head, segment.Start + first, count, firstSpan, spans, 0));
                        continue;
                    }
                    for (int span = 0; span < spans; span++)
                    {
                        nint partial = (nint)arena.Allocate((nint)count * group * (shape.HeadDimension + 2));
                        _tasks.Add(new Task(s, head, segment.Start + first, count, firstSpan + span, 1, partial));
                    }
                }
            }
        }
    }

    private static int FirstSeen(int position, in AttentionShape shape) => shape.Window > 0 ? Math.Max(0, position - shape.Window + 1) : 0;

    /// <summary>Merges partial results of spans, which stand one after another in the list of tasks, in ascending order.</summary>
    private void Merge(in AttentionShape shape, Matrix result)
    {
        int dimension = shape.HeadDimension, group = Group(shape);
        for (int t = 0; t < _tasks.Count; t++)
        {
            Task task = _tasks[t];
            if (task.Partial == 0) continue;
            int rows = task.Count * group;
            var accumulated = (float*)task.Partial;
            float* state = accumulated + (nint)rows * dimension;
            while (t + 1 < _tasks.Count && _tasks[t + 1].Partial != 0 && _tasks[t + 1].FirstSpan == _tasks[t].FirstSpan + 1)
            {
                var more = (float*)_tasks[++t].Partial;
                MergeSpan(accumulated, state, more, more + (nint)rows * dimension, rows, dimension);
            }
            Finish(accumulated, state, task, shape, result);
        }
    }

    /// <summary>state is [rows][maximum, sum].</summary>
    private void MergeSpan(float* left, float* leftState, float* right, float* rightState, int rows, int dimension)
    {
        for (int row = 0; row < rows; row++, left += dimension, right += dimension, leftState += 2, rightState += 2)
        {
            if (float.IsNegativeInfinity(rightState[0])) continue;
            float maximum = MathF.Max(leftState[0], rightState[0]);
            float a = MathF.Exp(leftState[0] - maximum), b = MathF.Exp(rightState[0] - maximum);
            kernels.Accumulate(left, a, right, b, dimension);
            leftState[1] = leftState[1] * a + rightState[1] * b;
            leftState[0] = maximum;
        }
    }

    private void Finish(float* accumulated, float* state, in Task task, in AttentionShape shape, Matrix result)
    {
        int group = Group(shape), dimension = shape.HeadDimension;
        for (int i = 0; i < task.Count; i++)
        {
            float* destination = result.RowPointer(task.FirstRow + i) + task.KeyHead * group * dimension;
            for (int head = 0; head < group; head++, state += 2, accumulated += dimension, destination += dimension)
                kernels.Scale(accumulated, 1 / state[1], dimension, destination);
        }
    }

    /// <summary>Puts the new keys and values into their pages.</summary>
    private readonly struct StoreWork(Matrix qkv, Batch batch, AttentionShape shape) : IWork
    {
        public void Run(int part, int parts)
        {
            foreach (Segment segment in batch.Segments)
            {
                int begin = (int)((long)segment.Count * part / parts), end = (int)((long)segment.Count * (part + 1) / parts);
                for (int i = begin; i < end; i++) Store(segment, i);
            }
        }

        private void Store(Segment segment, int i)
        {
            KvCache cache = segment.Cache!.Cache;
            int position = segment.FirstPosition + i, lane = position % PageTokens;
            byte* keys = cache.Page(segment.Cache!.Pages[position / PageTokens]) + shape.Layer * cache.LayerStride;
            float* key = qkv.RowPointer(segment.Start + i) + shape.QueryWidth, value = key + shape.KeyValueWidth;
            for (int head = 0; head < shape.KeyValueHeadCount; head++, keys += cache.HeadStride, key += shape.HeadDimension, value += shape.HeadDimension)
            {
                if (cache.Type == KvType.Float32) Store((float*)keys, (float*)(keys + cache.ValueOffset), lane, key, value, shape.HeadDimension);
                else Store((ushort*)keys, (ushort*)(keys + cache.ValueOffset), lane, key, value, shape.HeadDimension);
            }
        }

        private static void Store(float* keys, float* values, int lane, float* key, float* value, int dimension)
        {
            keys += lane / 16 * 16 * dimension + lane % 16;
            for (int k = 0; k < dimension; k++) keys[k * 16] = key[k];
            values += lane * 16;
            for (int k = 0; k < dimension; k++) values[k / 16 * PageTokens * 16 + k % 16] = value[k];
        }

        private static void Store(ushort* keys, ushort* values, int lane, float* key, float* value, int dimension)
        {
            keys += lane / 16 * 16 * dimension + lane % 16 * 2;
            for (int k = 0; k < dimension; k++) keys[k / 2 * 32 + k % 2] = BFloat16.FromSingle(key[k]);
            values += lane / 2 * 32 + lane % 2;
            for (int k = 0; k < dimension; k++) values[k / 16 * PageTokens * 16 + k % 16 * 2] = BFloat16.FromSingle(value[k]);
        }
    }

    /// <summary>What a thread works in.</summary>
    private readonly struct Scratch
    {
        public readonly byte* Queries;
        public readonly float* Scores, Product, Span, Whole, Corrections, SpanState, WholeState;
        public readonly byte* Rounded;

        public Scratch(byte* memory, int rows, nint queryBytes, int dimension)
        {
            Queries = memory;
            Scores = (float*)(memory + rows * queryBytes);
            Rounded = (byte*)(Scores + (nint)rows * BlockTokens);
            Product = (float*)(Rounded + (nint)rows * BlockTokens * sizeof(ushort));
            Span = Product + (nint)rows * dimension;
            Whole = Span + (nint)rows * dimension;
            Corrections = Whole + (nint)rows * dimension;
            SpanState = Corrections + rows;
            WholeState = SpanState + 2 * rows;
        }

        /// <summary>Bytes, in whole cache lines.</summary>
        public static nint Size(int rows, nint queryBytes, int dimension) =>
            (nint)(new Scratch(null, rows, queryBytes, dimension).WholeState + 2 * rows) + 63 & ~63;
    }

    private struct AttendWork(PagedAttention attention, Matrix qkv, Batch batch, AttentionShape shape, Matrix result, byte* scratch, nint scratchSize, int most)
        : IWork
    {
        private int _next;

        public void Run(int part, int parts)
        {
            var memory = new Scratch(scratch + part * scratchSize, most, attention.QueryBytes(shape.HeadDimension), shape.HeadDimension);
            for (int t; (t = Interlocked.Increment(ref _next) - 1) < attention._tasks.Count;) Attend(attention._tasks[t], memory);
        }

        private readonly void Attend(Task task, in Scratch memory)
        {
            Segment segment = batch.Segments[task.Segment];
            int dimension = shape.HeadDimension, rows = task.Count * Group(shape), firstPosition = segment.FirstPosition + task.FirstRow - segment.Start;
            Product product = attention.ProductWith(segment.Cache!.Cache.Type, dimension);
            GatherQueries(task, product, memory.Queries);
            float* whole = memory.Whole, wholeState = memory.WholeState;
            if (task.Partial != 0)
            {
                whole = (float*)task.Partial;
                wholeState = whole + (nint)rows * dimension;
            }
            Span(task.FirstSpan, segment, task, firstPosition, product, memory, whole, wholeState);
            for (int i = 1; i < task.SpanCount; i++)
            {
                Span(task.FirstSpan + i, segment, task, firstPosition, product, memory, memory.Span, memory.SpanState);
                attention.MergeSpan(whole, wholeState, memory.Span, memory.SpanState, rows, dimension);
            }
            if (task.Partial == 0) attention.Finish(whole, wholeState, task, shape, result);
        }

        /// <summary>Query heads of one key head at one position after another.</summary>
        private readonly void GatherQueries(in Task task, in Product product, byte* queries)
        {
            int group = Group(shape), dimension = shape.HeadDimension;
            for (int i = 0; i < task.Count; i++)
            {
                float* query = qkv.RowPointer(task.FirstRow + i) + task.KeyHead * group * dimension;
                for (int head = 0; head < group; head++, query += dimension, queries += product.QueryBytes) product.Prepare(query, dimension, queries);
            }
        }

        private readonly void Span(int span, Segment segment, in Task task, int firstPosition, in Product product, in Scratch memory, float* accumulated,
            float* state)
        {
            int dimension = shape.HeadDimension, group = Group(shape), rows = task.Count * group, lastPosition = firstPosition + task.Count - 1;
            new Span<float>(accumulated, rows * dimension).Clear();
            for (int row = 0; row < rows; row++)
            {
                state[2 * row] = float.NegativeInfinity;
                state[2 * row + 1] = 0;
            }
            int firstPage = Math.Max(span * SpanPages, FirstSeen(firstPosition, shape) / PageTokens);
            int endPage = Math.Min((span + 1) * SpanPages, lastPosition / PageTokens + 1);
            // Blocks begin at fixed positions, also where a window hides their first pages.
            for (int block = firstPage / BlockPages * BlockPages; block < endPage; block += BlockPages)
            {
                int first = Math.Max(firstPage, block), end = Math.Min(endPage, block + BlockPages), tokens = (end - block) * PageTokens;
                for (int page = first; page < end; page++)
                    product.Scores(Keys(segment, task, page), memory.Queries, rows, memory.Scores + (page - block) * PageTokens);
                for (int row = 0; row < rows; row++)
                {
                    int position = firstPosition + row / group, start = block * PageTokens;
                    int firstSeen = Math.Clamp(FirstSeen(position, shape) - start, 0, tokens), endSeen = Math.Clamp(position + 1 - start, 0, tokens);
                    float* scores = memory.Scores + (nint)row * BlockTokens;
                    memory.Corrections[row] = attention.Softmax(scores, tokens, firstSeen, endSeen, shape.SoftCap, ref state[2 * row], ref state[2 * row + 1]);
                    product.Prepare(scores, tokens, product.Weights(memory) + row * product.WeightBytes);
                }
                for (int page = first; page < end; page++)
                {
                    byte* values = Keys(segment, task, page) + segment.Cache!.Cache.ValueOffset;
                    product.Weigh(values, product.Weights(memory) + (page - block) * product.PageBytes, rows, memory.Product);
                    for (nint row = 0; row < rows; row++)
                    {
                        float correction = page == first ? memory.Corrections[row] : 1;
                        attention.Accumulate(accumulated + row * dimension, correction, memory.Product + row * dimension, dimension);
                    }
                }
            }
        }

        private readonly byte* Keys(Segment segment, in Task task, int page)
        {
            KvCache cache = segment.Cache!.Cache;
            return cache.Page(segment.Cache!.Pages[page]) + shape.Layer * cache.LayerStride + task.KeyHead * cache.HeadStride;
        }
    }

    private float Softmax(float* scores, int count, int first, int end, float softCap, ref float maximum, ref float sum) =>
        kernels.Softmax(scores, count, first, end, softCap, ref maximum, ref sum);

    private void Accumulate(float* accumulated, float correction, float* product, int dimension) =>
        kernels.Accumulate(accumulated, correction, product, 1, dimension);

    private Product ProductWith(KvType type, int dimension) => new(kernels, _rounding, type, dimension);

    /// <summary>The two products of attention with pages of one type: in fp32, or with both sides rounded to bf16.</summary>
    private readonly struct Product(CpuKernels kernels, CpuKernels rounding, KvType type, int dimension)
    {
        private readonly bool _rounds = type == KvType.BFloat16 && rounding.Prepares(WeightType.BF16);
        private readonly WeightType _type = type == KvType.BFloat16 ? WeightType.BF16 : WeightType.F32;
        private readonly nint _panelRowBytes = type == KvType.BFloat16 ? 32 : 64;

        public nint QueryBytes => _rounds ? rounding.PreparedBytes(WeightType.BF16, dimension) : dimension * sizeof(float);

        /// <summary>Bytes of a row's weights of a block.</summary>
        public nint WeightBytes => BlockTokens * (_rounds ? sizeof(ushort) : sizeof(float));

        /// <summary>Bytes of those of a page.</summary>
        public nint PageBytes => WeightBytes / BlockPages;

        /// <summary>Where the rows' weights are once they are <see cref="Prepare"/>d.</summary>
        public byte* Weights(in Scratch memory) => _rounds ? memory.Rounded : (byte*)memory.Scores;

        /// <summary>Brings a row into the form that the products read; nothing where it is there already.</summary>
        public void Prepare(float* x, int n, byte* row)
        {
            if (_rounds) rounding.Prepare(WeightType.BF16, x, n, n, row);
            else if (row != (byte*)x) new ReadOnlySpan<float>(x, n).CopyTo(new Span<float>(row, n));
        }

        /// <summary>Queries times the keys of a page: [rows, BlockTokens].</summary>
        public void Scores(byte* keys, byte* queries, int rows, float* scores) =>
            Multiply(keys, dimension * _panelRowBytes, 2, dimension, queries, QueryBytes, rows, scores, BlockTokens);

        /// <summary>Weights times the values of a page: [rows, dimension].</summary>
        public void Weigh(byte* values, byte* weights, int rows, float* result)
        {
            nint panelBytes = PageTokens * _panelRowBytes;
            for (int panel = 0; panel < dimension / 16; panel += 2)
            {
                int panels = Math.Min(2, dimension / 16 - panel);
                Multiply(values + panel * panelBytes, panelBytes, panels, PageTokens, weights, WeightBytes, rows, result + panel * 16, dimension);
            }
        }

        private void Multiply(byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result, nint resultStride)
        {
            if (_rounds) rounding.Multiply(WeightType.BF16, panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
            else kernels.MultiplySingles(_type, panels, panelBytes, panelCount, columns, (float*)x, stride / sizeof(float), rows, result, resultStride);
        }
    }
}
