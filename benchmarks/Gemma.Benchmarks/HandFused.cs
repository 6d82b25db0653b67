using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Generation;

namespace Gemma.Benchmarks;

/// <summary>
/// A Gemma 1 with one key head as somebody would write it who wanted nothing but this one model to run fast: the kernels in a row, no operations between them
/// and the model, no arena, no batch, no pages, all passes over rows that can be one are one. One sequence, of at most 1,024 positions.
/// </summary>
internal sealed unsafe class HandFused : IDisposable
{
    private const int Positions = 1024, PageTokens = KvCache.PageTokens, TaskPositions = 6;

    private readonly GemmaConfig _config;
    private readonly Weights<Matrix> _weights;
    private readonly CpuKernels _kernels, _rounding;
    private readonly ThreadTeam _team;
    private readonly List<NativeBuffer> _buffers = [];
    private readonly int _heads, _dimension, _queryWidth;
    private readonly float* _x, _normed, _qkv, _attention, _gated, _product, _logits, _angles;
    private readonly byte* _prepared, _keyValues, _scratch;
    private readonly nint _pageBytes, _layerBytes, _scratchBytes;
    private int _first, _rows, _next;

    public HandFused(GemmaModel model, int mostRows)
    {
        _config = model.Config;
        _weights = model.Weights;
        _kernels = model.Backend.Kernels;
        _rounding = CpuKernels.For(_kernels.Isa, roundActivations: true);
        _team = model.Team;
        if (_config.Architecture != GemmaArchitecture.Gemma1 || _config.KeyValueHeadCount != 1 || !_rounding.Prepares(WeightType.BF16))
            throw new UsageException("the hand-fused loop is written for a Gemma 1 with one key head, on a processor with AVX512-BF16");
        (_heads, _dimension, _queryWidth) = (_config.HeadCount, _config.HeadDimension, _config.HeadCount * _config.HeadDimension);
        _pageBytes = (nint)2 * PageTokens * _dimension * sizeof(ushort);
        _layerBytes = _pageBytes * (Positions / PageTokens);
        nint taskRows = TaskPositions * _heads;
        _scratchBytes = taskRows * ((nint)_dimension * (sizeof(ushort) + 2 * sizeof(float)) + (nint)Positions * (sizeof(float) + sizeof(ushort)));
        _x = Floats(mostRows, _config.Width);
        _normed = Floats(mostRows, _config.Width);
        _qkv = Floats(mostRows, _queryWidth + 2 * _dimension);
        _attention = Floats(mostRows, _queryWidth);
        _gated = Floats(mostRows, _config.FeedForwardWidth);
        _product = Floats(mostRows, _config.Width);
        _logits = Floats(1, _config.VocabularySize);
        _angles = Floats(Positions, _dimension);
        LayerWeights<Matrix> any = _weights.Layers[0];
        Matrix[] products = [any.QueryKeyValue, any.AttentionOutput, any.GateUp, any.Down, _weights.Embedding];
        _prepared = Bytes(mostRows * (nint)products.Max(weight => (long)Stride(weight)));
        _keyValues = Bytes(_layerBytes * _config.LayerCount);
        _scratch = Bytes(_scratchBytes * _team.Count);
        for (int position = 0; position < Positions; position++)
        {
            for (int i = 0; i < _dimension / 2; i++)
            {
                (double sin, double cos) = Math.SinCos((double)(position * (1 / MathF.Pow(_config.RopeBase, 2 * i / (float)_dimension))));
                _angles[(nint)position * _dimension + i] = (float)cos;
                _angles[(nint)position * _dimension + _dimension / 2 + i] = (float)sin;
            }
        }
    }

    private enum Stage
    {
        NormAndPrepare,
        RotateAndStore,
        Attend,
        AddNormAndPrepare,
        Prepare,
    }

    /// <summary>Forgets all positions.</summary>
    public void Clear() => _first = 0;

    /// <summary>Logits of the last token so far.</summary>
    public ReadOnlySpan<float> Logits => new(_logits, _config.VocabularySize);

    /// <summary>The next tokens.</summary>
    public void Forward(ReadOnlySpan<int> ids)
    {
        _rows = ids.Length;
        for (int row = 0; row < ids.Length; row++) _weights.Embedding.Packed!.ReadRow(ids[row], _config.EmbeddingScale, _x + (nint)row * _config.Width);
        Run(Stage.NormAndPrepare, 0, _weights.Layers[0].QueryKeyValue, _weights.Layers[0].AttentionNorm);
        for (int i = 0; i < _weights.Layers.Length; i++)
        {
            LayerWeights<Matrix> layer = _weights.Layers[i];
            bool isLast = i == _weights.Layers.Length - 1;
            Multiply(layer.QueryKeyValue, false, _rows, _prepared, _qkv);
            Run(Stage.RotateAndStore, i);
            Run(Stage.Attend, i, layer.AttentionOutput);
            Multiply(layer.AttentionOutput, false, _rows, _prepared, _product);
            Run(Stage.AddNormAndPrepare, i, layer.GateUp, layer.FeedForwardNorm);
            Multiply(layer.GateUp, true, _rows, _prepared, _gated);
            Run(Stage.Prepare, i, layer.Down);
            Multiply(layer.Down, false, _rows, _prepared, _product);
            Run(Stage.AddNormAndPrepare, i, isLast ? _weights.Embedding : _weights.Layers[i + 1].QueryKeyValue,
                isLast ? _weights.FinalNorm : _weights.Layers[i + 1].AttentionNorm);
        }
        Multiply(_weights.Embedding, false, 1, _prepared + (_rows - 1) * Stride(_weights.Embedding), _logits);
        _first += ids.Length;
    }

    public void Dispose()
    {
        foreach (NativeBuffer buffer in _buffers) buffer.Dispose();
    }

    private float* Floats(int rows, int columns) => (float*)Bytes((nint)rows * columns * sizeof(float));

    private byte* Bytes(nint count)
    {
        _buffers.Add(new NativeBuffer((nuint)count));
        return _buffers[^1].Pointer;
    }

    private nint Stride(Matrix weight) => (_kernels.PreparedBytes(weight.Packed!.Type, weight.Packed.PaddedColumns) + 63) & ~63;

    private void Multiply(Matrix weight, bool gated, int rows, byte* prepared, float* result)
    {
        PackedWeights packed = weight.Packed!;
        var work = new ProductWork(_kernels, packed, prepared, Stride(weight), rows, gated, result, gated ? packed.Rows / 2 : packed.Rows, _team.Count);
        _team.Run(ref work);
    }

    private void Run(Stage stage, int layer, Matrix? next = null, Matrix? gain = null)
    {
        _next = 0;
        var work = new StageWork(this, stage, layer, next, gain);
        if (_rows <= TaskPositions) work.Run(0, 1);
        else _team.Run(ref work);
    }

    private void Prepare(Matrix weight, float* x, int row)
    {
        PackedWeights packed = weight.Packed!;
        byte* prepared = _prepared + row * Stride(weight);
        if (_kernels.Prepares(packed.Type)) _kernels.Prepare(packed.Type, x, packed.Columns, packed.PaddedColumns, prepared);
        else new ReadOnlySpan<float>(x, packed.Columns).CopyTo(new Span<float>(prepared, packed.Columns));
    }

    private void RotateAndStore(int layer, int row)
    {
        int position = _first + row, lane = position % PageTokens;
        float* head = _qkv + (nint)row * (_queryWidth + 2 * _dimension), cosines = _angles + (nint)position * _dimension, sines = cosines + _dimension / 2;
        float scale = 1 / MathF.Sqrt(_config.QueryPreAttentionScalar);
        for (int i = 0; i <= _heads; i++, head += _dimension) _kernels.Rope(head, cosines, sines, _dimension / 2, i < _heads ? scale : 1, head);
        float* key = head - _dimension, value = head;
        ushort* keys = (ushort*)(_keyValues + layer * _layerBytes + position / PageTokens * _pageBytes), values = keys + PageTokens * _dimension;
        keys += lane / 16 * 16 * _dimension + lane % 16 * 2;
        values += lane / 2 * 32 + lane % 2;
        for (int k = 0; k < _dimension; k++)
        {
            keys[k / 2 * 32 + k % 2] = BFloat16.FromSingle(key[k]);
            values[k / 16 * PageTokens * 16 + k % 16 * 2] = BFloat16.FromSingle(value[k]);
        }
    }

    private void Attend(int layer, int firstRow, int count, Matrix next, byte* scratch)
    {
        int rows = count * _heads, pages = (_first + firstRow + count - 1) / PageTokens + 1, tokens = pages * PageTokens;
        nint queryBytes = _dimension * sizeof(ushort);
        byte* queries = scratch, rounded = queries + rows * queryBytes;
        float* scores = (float*)(rounded + (nint)rows * Positions * sizeof(ushort)), product = scores + (nint)rows * Positions;
        float* sums = product + (nint)rows * _dimension;
        float* inverse = stackalloc float[rows];
        for (int row = 0; row < rows; row++)
        {
            float* query = _qkv + (nint)(firstRow + row / _heads) * (_queryWidth + 2 * _dimension) + row % _heads * _dimension;
            _rounding.Prepare(WeightType.BF16, query, _dimension, _dimension, queries + row * queryBytes);
        }
        byte* keys = _keyValues + layer * _layerBytes;
        for (int page = 0; page < pages; page++)
        {
            _rounding.Multiply(WeightType.BF16, keys + page * _pageBytes, _pageBytes / 4, 2, _dimension, queries, queryBytes, rows,
                scores + page * PageTokens, Positions);
        }
        for (int row = 0; row < rows; row++)
        {
            float maximum = float.NegativeInfinity, sum = 0;
            _kernels.Softmax(scores + (nint)row * Positions, tokens, 0, _first + firstRow + row / _heads + 1, 0, ref maximum, ref sum);
            inverse[row] = 1 / sum;
            _rounding.Prepare(WeightType.BF16, scores + (nint)row * Positions, tokens, tokens, rounded + (nint)row * Positions * sizeof(ushort));
        }
        nint panelBytes = PageTokens * 16 * sizeof(ushort);
        for (int page = 0; page < pages; page++)
        {
            byte* values = keys + page * _pageBytes + _pageBytes / 2;
            for (int panel = 0; panel < _dimension / 16; panel += 2)
            {
                _rounding.Multiply(WeightType.BF16, values + panel * panelBytes, panelBytes, 2, PageTokens, rounded + page * PageTokens * sizeof(ushort),
                    Positions * sizeof(ushort), rows, (page == 0 ? sums : product) + panel * 16, _dimension);
            }
            if (page > 0) _kernels.Add(sums, product, rows * _dimension, sums);
        }
        for (int row = 0; row < rows; row++)
        {
            float* attention = _attention + (nint)(firstRow + row / _heads) * _queryWidth;
            _kernels.Scale(sums + (nint)row * _dimension, inverse[row], _dimension, attention + row % _heads * _dimension);
            if (row % _heads == _heads - 1) Prepare(next, attention, firstRow + row / _heads);
        }
    }

    private readonly struct StageWork(HandFused hand, Stage stage, int layer, Matrix? next, Matrix? gain) : IWork
    {
        public void Run(int part, int parts)
        {
            if (stage == Stage.Attend)
            {
                for (int first; (first = Interlocked.Add(ref hand._next, TaskPositions) - TaskPositions) < hand._rows;)
                    hand.Attend(layer, first, Math.Min(TaskPositions, hand._rows - first), next!, hand._scratch + part * hand._scratchBytes);
                return;
            }
            int width = hand._config.Width, end = (int)((long)hand._rows * (part + 1) / parts);
            for (int row = (int)((long)hand._rows * part / parts); row < end; row++)
            {
                float* x = hand._x + (nint)row * width, normed = hand._normed + (nint)row * width;
                switch (stage)
                {
                    case Stage.RotateAndStore:
                        hand.RotateAndStore(layer, row);
                        break;
                    case Stage.Prepare:
                        hand.Prepare(next!, hand._gated + (nint)row * hand._config.FeedForwardWidth, row);
                        break;
                    default:
                        if (stage == Stage.AddNormAndPrepare) hand._kernels.Add(x, hand._product + (nint)row * width, width, x);
                        hand._kernels.RmsNorm(x, gain!.Data, hand._config.NormEpsilon, width, normed);
                        hand.Prepare(next!, normed, row);
                        break;
                }
            }
        }
    }
}
