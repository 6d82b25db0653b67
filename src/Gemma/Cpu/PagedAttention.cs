using System.Runtime.CompilerServices;
using Gemma.Cpu.Kernels;
using Gemma.Generation;

namespace Gemma.Cpu;

/// <summary>
/// Causal attention over paged keys and values. All query heads that share a key head, at several positions, are the rows of one matrix product with a page, so
/// multi-query models read their cache once for all heads.
/// </summary>
/// <remarks>
/// Softmax runs page by page (arXiv 2205.14135). Pages are gathered into spans of <see cref="SpanPages"/> at fixed positions, each computed by itself and merged
/// in ascending order. Long contexts are thereby shared among threads, and how they are shared changes no bit of the result.
/// </remarks>
internal sealed unsafe class PagedAttention(CpuKernels kernels, ThreadTeam team, Arena arena)
{
    private const int PageTokens = KvCache.PageTokens;
    private const int SpanPages = 16, SpanTokens = SpanPages * PageTokens;

    // Rows of a task: enough to keep the tiles of the product full, few enough to stay in the first-level caches.
    private const int TaskRows = 48;

    private readonly List<Task> _tasks = [];

    /// <summary>Query positions of one segment and key head, with the spans of positions they see.</summary>
    private readonly record struct Task(int Segment, int KeyHead, int FirstRow, int Count, int FirstSpan, int SpanCount, nint Partial);

    public Matrix Run(Matrix qkv, Batch batch, in AttentionShape shape)
    {
        Matrix result = arena.Allocate(qkv.Rows, shape.QueryWidth);
        Arena.Mark mark = arena.Save();
        var store = new StoreWork(qkv, batch, shape);
        if ((long)qkv.Rows * shape.KeyValueWidth < 1 << 13) store.Run(0, 1);
        else team.Run(ref store);
        Plan(batch, shape);
        // Queries, scores of a page, product of a page, a span's result, the whole result; then corrections and two states: for each thread.
        int most = Math.Max(1, TaskRows / Group(shape)) * Group(shape);
        nint scratch = ((nint)most * (4 * shape.HeadDimension + PageTokens + 1 + 4) + 15) & ~15;
        var attend = new AttendWork(this, qkv, batch, shape, result, arena.Allocate(scratch * team.Count), scratch, most);
        if (_tasks.Count == 1) attend.Run(0, 1);
        else team.Run(ref attend);
        Merge(shape, result);
        arena.Release(mark);
        return result;
    }

    /// <summary>Query heads that share a key head.</summary>
    private static int Group(in AttentionShape shape) => shape.HeadCount / shape.KeyValueHeadCount;

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
    private static void MergeSpan(float* left, float* leftState, float* right, float* rightState, int rows, int dimension)
    {
        for (int row = 0; row < rows; row++, left += dimension, right += dimension, leftState += 2, rightState += 2)
        {
            if (float.IsNegativeInfinity(rightState[0])) continue;
            float maximum = MathF.Max(leftState[0], rightState[0]);
            float a = MathF.Exp(leftState[0] - maximum), b = MathF.Exp(rightState[0] - maximum);
            for (int i = 0; i < dimension; i++) left[i] = left[i] * a + right[i] * b;
            leftState[1] = leftState[1] * a + rightState[1] * b;
            leftState[0] = maximum;
        }
    }

    private static void Finish(float* accumulated, float* state, in Task task, in AttentionShape shape, Matrix result)
    {
        int group = Group(shape), dimension = shape.HeadDimension;
        for (int i = 0; i < task.Count; i++)
        {
            float* destination = result.RowPointer(task.FirstRow + i) + task.KeyHead * group * dimension;
            for (int head = 0; head < group; head++, state += 2)
            {
                float inverse = 1 / state[1];
                for (int k = 0; k < dimension; k++) *destination++ = *accumulated++ * inverse;
            }
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
            KvCache cache = segment.Cache.Cache;
            int position = segment.FirstPosition + i, lane = position % PageTokens;
            byte* keys = cache.Page(segment.Cache.Pages[position / PageTokens]) + shape.Layer * cache.LayerStride;
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

    private struct AttendWork(PagedAttention attention, Matrix qkv, Batch batch, AttentionShape shape, Matrix result, float* scratch, nint scratchSize, int most)
        : IWork
    {
        private int _next;

        public void Run(int part, int parts)
        {
            for (int t; (t = Interlocked.Increment(ref _next) - 1) < attention._tasks.Count;) Attend(attention._tasks[t], scratch + part * scratchSize);
        }

        private readonly void Attend(Task task, float* memory)
        {
            int dimension = shape.HeadDimension, group = Group(shape), rows = task.Count * group;
            Segment segment = batch.Segments[task.Segment];
            float* queries = memory, scores = queries + (nint)most * dimension, product = scores + (nint)most * PageTokens;
            float* span = product + (nint)most * dimension, whole = span + (nint)most * dimension;
            float* corrections = whole + (nint)most * dimension, spanState = corrections + most, wholeState = spanState + 2 * most;
            for (int i = 0; i < task.Count; i++)
            {
                int width = group * dimension;
                new ReadOnlySpan<float>(qkv.RowPointer(task.FirstRow + i) + task.KeyHead * width, width).CopyTo(new Span<float>(queries + (nint)i * width, width));
            }
            int firstPosition = segment.FirstPosition + task.FirstRow - segment.Start;
            if (task.Partial != 0)
            {
                whole = (float*)task.Partial;
                wholeState = whole + (nint)rows * dimension;
            }
            Span(task.FirstSpan, segment, task, firstPosition, rows, queries, scores, corrections, product, whole, wholeState);
            for (int i = 1; i < task.SpanCount; i++)
            {
                Span(task.FirstSpan + i, segment, task, firstPosition, rows, queries, scores, corrections, product, span, spanState);
                MergeSpan(whole, wholeState, span, spanState, rows, dimension);
            }
            if (task.Partial == 0) Finish(whole, wholeState, task, shape, result);
        }

        private readonly void Span(int span, Segment segment, in Task task, int firstPosition, int rows, float* queries, float* scores, float* corrections,
            float* product, float* accumulated, float* state)
        {
            int dimension = shape.HeadDimension, group = Group(shape), lastPosition = firstPosition + task.Count - 1;
            new Span<float>(accumulated, rows * dimension).Clear();
            for (int row = 0; row < rows; row++)
            {
                state[2 * row] = float.NegativeInfinity;
                state[2 * row + 1] = 0;
            }
            KvCache cache = segment.Cache.Cache;
            WeightType type = cache.Type == KvType.Float32 ? WeightType.F32 : WeightType.BF16;
            ReadOnlySpan<int> pages = segment.Cache.Pages;
            int firstPage = Math.Max(span * SpanPages, FirstSeen(firstPosition, shape) / PageTokens);
            int endPage = Math.Min((span + 1) * SpanPages, lastPosition / PageTokens + 1);
            for (int page = firstPage; page < endPage; page++)
            {
                byte* keys = cache.Page(pages[page]) + shape.Layer * cache.LayerStride + task.KeyHead * cache.HeadStride, values = keys + cache.ValueOffset;
                attention.Scores(type, keys, cache.HeadStride / 2, dimension, queries, rows, scores);
                for (int row = 0; row < rows; row++)
                {
                    int position = firstPosition + row / group, start = page * PageTokens;
                    int first = Math.Clamp(FirstSeen(position, shape) - start, 0, PageTokens), end = Math.Clamp(position + 1 - start, 0, PageTokens);
                    corrections[row] = attention.Softmax(scores + row * PageTokens, first, end, shape.SoftCap, ref state[2 * row], ref state[2 * row + 1]);
                }
                attention.Weigh(type, values, cache.ElementSize, dimension, scores, rows, corrections, product, accumulated);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Scores(WeightType type, byte* keys, nint panelBytes, int dimension, float* queries, int rows, float* scores) =>
        kernels.MultiplySingles(type, keys, panelBytes, 2, dimension, queries, dimension, rows, scores, PageTokens);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private float Softmax(float* scores, int first, int end, float softCap, ref float maximum, ref float sum) =>
        kernels.Softmax(scores, first, end, softCap, ref maximum, ref sum);

    /// <summary>accumulated = accumulated · correction + scores · values.</summary>
    private void Weigh(WeightType type, byte* values, int elementSize, int dimension, float* scores, int rows, float* corrections, float* product,
        float* accumulated)
    {
        nint panelBytes = PageTokens * 16 * elementSize;
        for (int panel = 0; panel < dimension / 16; panel += 2)
        {
            kernels.MultiplySingles(type, values + panel * panelBytes, panelBytes, Math.Min(2, dimension / 16 - panel), PageTokens, scores, PageTokens, rows,
                product + panel * 16, dimension);
        }
        for (int row = 0; row < rows; row++) kernels.Accumulate(accumulated + (nint)row * dimension, corrections[row], product + (nint)row * dimension, dimension);
    }
}
