using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Generation;

namespace Gemma.Training.Cpu;

/// <summary>
/// The model's operations and their gradients on the processor. All values are fp32, row-major; the sides of matrix products are packed as they are needed, in fp32 or in
/// bf16. Threads share outputs only, so results are the same for any number of them.
/// </summary>
internal sealed unsafe class CpuTrainingBackend : IGradientBackend<DenseMatrix>, IDisposable
{
    // Rows whose part of a gain's gradient is summed together, whoever computes them.
    private const int GainRows = 64;

    private readonly ParameterSet _parameters;
    private readonly CpuKernels _kernels;
    private readonly GradientKernels _gradients;
    private readonly ProductKernels _productKernels;
    private readonly MatrixProducts _products;
    private readonly FlashAttention _attention;
    private readonly FlashAttentionGradient _attentionGradient;
    private readonly FrozenProducts _frozen;
    private readonly HeadLoss _loss;
    private readonly MatrixPool _pool = new();
    private readonly Scratch _gains = new();
    private readonly List<RopeTable> _ropes = [];
    private readonly List<PackedParameter> _packed = [];

    public CpuTrainingBackend(ParameterSet parameters, Precision precision, int threads)
        : this(parameters, precision, threads, CpuKernels.For(IsaSelection.Current)) { }

    public CpuTrainingBackend(ParameterSet parameters, Precision precision, int threads, CpuKernels kernels)
    {
        _parameters = parameters;
        _kernels = kernels;
        _gradients = GradientKernels.For(kernels.Isa);
        _productKernels = ProductKernels.For(precision, kernels);
        Team = new ThreadTeam(threads);
        _products = new MatrixProducts(_productKernels, _gradients, Team);
        _attention = new FlashAttention(_productKernels, kernels, _gradients, Team);
        _attentionGradient = new FlashAttentionGradient(_productKernels, kernels, _gradients, Team);
        _frozen = new FrozenProducts(_productKernels, Team);
        _loss = new HeadLoss(_products, _frozen, _gradients);
    }

    public ThreadTeam Team { get; }

    /// <summary>Bytes of activations, gradients of activations, packed parameters and scratch.</summary>
    public long ActivationBytes => _pool.Bytes + _gains.Bytes + _products.Bytes + _frozen.Bytes + _attention.Bytes + _attentionGradient.Bytes + _loss.Bytes + _packed.Sum(packed => packed.Bytes);

    private float Epsilon => _parameters.Config.NormEpsilon;

    public DenseMatrix Embed(DenseMatrix table, ReadOnlySpan<int> tokens, float scale)
    {
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)table.Rows)
                throw new UsageException(FormattableString.Invariant($"token id {token} is not in the vocabulary: ids are 0 to {table.Rows - 1}"));
        }
        DenseMatrix result = _pool.Rent(tokens.Length, table.Columns);
        fixed (int* first = tokens)
        {
            var work = new EmbedWork(_kernels, table, first, scale, result);
            Team.Run(ref work);
        }
        return result;
    }

    public void EmbedGradient(DenseMatrix gradient, ReadOnlySpan<int> tokens, float scale, DenseMatrix tableSum)
    {
        fixed (int* first = tokens)
        {
            var work = new EmbedGradientWork(_kernels, gradient, first, scale, tableSum);
            Team.Run(ref work);
        }
    }

    public DenseMatrix RmsNorm(DenseMatrix x, DenseMatrix gain)
    {
        DenseMatrix result = _pool.Rent(x.Rows, x.Columns);
        var work = new NormWork(_kernels, x, gain, Epsilon, result);
        Team.Run(ref work);
        return result;
    }

    public DenseMatrix RmsNormGradient(DenseMatrix x, DenseMatrix gain, DenseMatrix gradient, DenseMatrix? sum, DenseMatrix? gainSum)
    {
        DenseMatrix result = sum ?? _pool.Rent(x.Rows, x.Columns);
        float* parts = gainSum is null ? null : (float*)_gains.Reserve((nint)Blocks(x.Rows) * x.Columns * sizeof(float));
        var work = new NormGradientWork(_gradients, x, gain, gradient, Epsilon, result, sum is not null, parts);
        Team.Run(ref work);
        if (gainSum is not null) AddParts(parts, Blocks(x.Rows), x.Columns, x.Columns, gainSum);
        return result;
    }

    public DenseMatrix Linear(DenseMatrix x, DenseMatrix weight)
    {
        DenseMatrix result = _pool.Rent(x.Rows, weight.Rows);
        if (weight.Frozen is { } frozen) _frozen.Linear(x, frozen, result, false);
        else Linear(x, PackedOf(weight), result, false);
        return result;
    }

    public DenseMatrix LinearGradient(DenseMatrix weight, DenseMatrix gradient, DenseMatrix? sum)
    {
        DenseMatrix result = sum ?? _pool.Rent(gradient.Rows, weight.Columns);
        if (weight.Frozen is { } frozen) _frozen.Gradient(gradient, frozen, result, sum is not null);
        else Transposed(gradient, PackedOf(weight), result, sum is not null);
        return result;
    }

    public DenseMatrix WeightGradient(DenseMatrix x, DenseMatrix gradient, DenseMatrix? sum)
    {
        DenseMatrix result = sum ?? Zero(gradient.Columns, x.Columns);
        _products.Gradient(x, gradient, result.Data);
        return result;
    }

    public DenseMatrix GatedLinear(DenseMatrix x, DenseMatrix gateUp)
    {
        DenseMatrix result = GatedLinear(x, gateUp, out DenseMatrix both);
        _pool.Return(both);
        return result;
    }

    public DenseMatrix GatedLinear(DenseMatrix x, DenseMatrix gateUp, out DenseMatrix products)
    {
        if (gateUp.Frozen is not null)
        {
            products = Linear(x, gateUp);
            return Gate(products);
        }
        products = _pool.Rent(x.Rows, gateUp.Rows);
        DenseMatrix result = _pool.Rent(x.Rows, gateUp.Rows / 2);
        PackedParameter packed = PackedOf(gateUp);
        _products.Linear(x, packed.Forward(_parameters.Version, Team), packed.ForwardBytes, packed.ForwardCount, products, false, result);
        return result;
    }

    public DenseMatrix Gate(DenseMatrix products)
    {
        DenseMatrix result = _pool.Rent(products.Rows, products.Columns / 2);
        var work = new GateWork(_gradients, products, result);
        Team.Run(ref work);
        return result;
    }

    public DenseMatrix AddLowRank(DenseMatrix x, LowRankUpdate<DenseMatrix> update, ulong? seed, DenseMatrix result)
    {
        DenseMatrix kept = Drop(x, update, seed), projected = _pool.Rent(x.Rows, update.Down.Rows);
        Linear(kept, PackedOf(update.Down), projected, false);
        Scale(projected, update.Scale);
        foreach (LowRankPart<DenseMatrix> part in update.Parts)
            Transposed(MatrixView.OfColumns(projected, part.FirstRank, part.Up.Rows), PackedOf(part.Up), MatrixView.OfColumns(result, part.FirstColumn, part.Up.Columns), true);
        if (kept != x) _pool.Return(kept);
        return projected;
    }

    public void LowRankGradient(DenseMatrix x, DenseMatrix projected, LowRankUpdate<DenseMatrix> update, ulong? seed, DenseMatrix gradient, DenseMatrix? sum)
    {
        DenseMatrix back = _pool.Rent(projected.Rows, projected.Columns);
        foreach (LowRankPart<DenseMatrix> part in update.Parts)
        {
            MatrixView given = MatrixView.OfColumns(gradient, part.FirstColumn, part.Up.Columns);
            Linear(given, PackedOf(part.Up), MatrixView.OfColumns(back, part.FirstRank, part.Up.Rows), false);
            _products.Gradient(given, MatrixView.OfColumns(projected, part.FirstRank, part.Up.Rows), part.UpGradient.Data);
        }
        Scale(back, update.Scale);
        DenseMatrix kept = Drop(x, update, seed);
        _products.Gradient(kept, back, update.DownGradient.Data);
        if (sum is not null && kept == x) Transposed(back, PackedOf(update.Down), sum, true);
        else if (sum is not null)
        {
            // What was dropped gives no gradient.
            Transposed(back, PackedOf(update.Down), kept, false);
            var work = new DropWork(_kernels, kept, update.Dropout, DropKey(update, seed!.Value), sum, true);
            Team.Run(ref work);
        }
        if (kept != x) _pool.Return(kept);
        _pool.Return(back);
    }

    public DenseMatrix GateGradient(DenseMatrix products, DenseMatrix gradient)
    {
        var work = new GateGradientWork(_gradients, products, gradient);
        Team.Run(ref work);
        return products;
    }

    public DenseMatrix HeadNorm(DenseMatrix qkv, DenseMatrix queryGain, DenseMatrix keyGain, in AttentionShape shape)
    {
        DenseMatrix result = _pool.Rent(qkv.Rows, qkv.Columns);
        var work = new HeadNormWork(_kernels, qkv, queryGain, keyGain, Epsilon, shape, result);
        Team.Run(ref work);
        return result;
    }

    public DenseMatrix HeadNormGradient(DenseMatrix qkv, DenseMatrix queryGain, DenseMatrix keyGain, DenseMatrix gradient, in AttentionShape shape, DenseMatrix? queryGainSum,
        DenseMatrix? keyGainSum)
    {
        int dimension = shape.HeadDimension, blocks = Blocks(qkv.Rows);
        float* parts = (float*)_gains.Reserve((nint)blocks * 2 * dimension * sizeof(float));
        var work = new HeadNormGradientWork(_gradients, qkv, queryGain, keyGain, gradient, Epsilon, shape, parts);
        Team.Run(ref work);
        if (queryGainSum is not null) AddParts(parts, blocks, 2 * dimension, dimension, queryGainSum);
        if (keyGainSum is not null) AddParts(parts + dimension, blocks, 2 * dimension, dimension, keyGainSum);
        return gradient;
    }

    public DenseMatrix Rope(DenseMatrix qkv, ReadOnlySpan<int> positions, in AttentionShape shape)
    {
        Turn(qkv, positions, shape, false);
        return qkv;
    }

    public DenseMatrix RopeGradient(DenseMatrix gradient, ReadOnlySpan<int> positions, in AttentionShape shape)
    {
        Turn(gradient, positions, shape, true);
        return gradient;
    }

    public DenseMatrix Attention(DenseMatrix qkv, Batch batch, in AttentionShape shape)
    {
        DenseMatrix result = _pool.Rent(qkv.Rows, shape.QueryWidth);
        _attention.Run(qkv, batch, shape, result, null);
        return result;
    }

    public DenseMatrix Attention(DenseMatrix qkv, Batch batch, in AttentionShape shape, out DenseMatrix logSums)
    {
        DenseMatrix result = _pool.Rent(qkv.Rows, shape.QueryWidth);
        logSums = _pool.Rent(shape.HeadCount, qkv.Rows);
        _attention.Run(qkv, batch, shape, result, logSums);
        return result;
    }

    public DenseMatrix AttentionGradient(DenseMatrix qkv, DenseMatrix result, DenseMatrix logSums, DenseMatrix gradient, Batch batch, in AttentionShape shape)
    {
        DenseMatrix qkvGradient = _pool.Rent(qkv.Rows, qkv.Columns);
        _attentionGradient.Run(qkv, result, logSums, gradient, batch, shape, qkvGradient);
        return qkvGradient;
    }

    public DenseMatrix Add(DenseMatrix x, DenseMatrix y)
    {
        DenseMatrix result = _pool.Rent(x.Rows, x.Columns);
        var work = new AddWork(_kernels, x, y, result);
        Team.Run(ref work);
        return result;
    }

    public void AddTo(DenseMatrix sum, DenseMatrix added)
    {
        var work = new AddWork(_kernels, sum, added, sum);
        Team.Run(ref work);
    }

    public DenseMatrix Rows(DenseMatrix x, ReadOnlySpan<int> rows)
    {
        if (rows.Length == x.Rows) return x; // the rows are ascending, so these are all
        DenseMatrix result = _pool.Rent(rows.Length, x.Columns);
        for (int i = 0; i < rows.Length; i++) x.Row(rows[i]).CopyTo(new Span<float>(result.RowPointer(i), x.Columns));
        return result;
    }

    public DenseMatrix RowsGradient(DenseMatrix gradient, ReadOnlySpan<int> rows, int count, DenseMatrix? sum)
    {
        DenseMatrix result = sum ?? Zero(count, gradient.Columns);
        for (int i = 0; i < rows.Length; i++)
            _kernels.Add(result.RowPointer(rows[i]), gradient.RowPointer(i), gradient.Columns, result.RowPointer(rows[i]));
        return result;
    }

    public DenseMatrix SoftCap(DenseMatrix x, float cap)
    {
        var work = new SoftCapWork(_kernels, x, cap);
        Team.Run(ref work);
        return x;
    }

    public DenseMatrix SoftCapGradient(DenseMatrix result, float cap, DenseMatrix gradient)
    {
        var work = new SoftCapGradientWork(_gradients, result, cap, gradient);
        Team.Run(ref work);
        return gradient;
    }

    public DenseMatrix Layer(DenseMatrix x, int layer, Batch batch, LayerFunction<DenseMatrix> function) => function(x, layer, batch);

    public Loss CrossEntropy(DenseMatrix hidden, DenseMatrix head, ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, float softCap, float gradientScale,
        out DenseMatrix? hiddenGradient, DenseMatrix? headSum, Span<double> rowLosses)
    {
        foreach (int target in targets)
        {
            if ((uint)target >= (uint)head.Rows)
                throw new UsageException(FormattableString.Invariant($"token id {target} is not in the vocabulary: ids are 0 to {head.Rows - 1}"));
        }
        hiddenGradient = gradientScale == 0 ? null : _pool.Rent(hidden.Rows, hidden.Columns);
        return head.Frozen is { } frozen ? _loss.Run(hidden, frozen, targets, weights, softCap, gradientScale, hiddenGradient, rowLosses)
            : _loss.Run(hidden, head, PackedOf(head), _parameters.Version, targets, weights, softCap, gradientScale, hiddenGradient, gradientScale == 0 ? null : headSum, rowLosses);
    }

    public DenseMatrix Copy(DenseMatrix x)
    {
        DenseMatrix result = _pool.Rent(x.Rows, x.Columns);
        Buffer.MemoryCopy(x.Data, result.Data, result.Count * sizeof(float), x.Count * sizeof(float));
        return result;
    }

    public int RowCount(DenseMatrix x) => x.Rows;

    public void Free(DenseMatrix value) => _pool.Return(value);

    public void Dispose()
    {
        Team.Dispose();
        _pool.Dispose();
        _gains.Dispose();
        _products.Dispose();
        _frozen.Dispose();
        _attention.Dispose();
        _attentionGradient.Dispose();
        _loss.Dispose();
        foreach (PackedParameter packed in _packed) packed.Dispose();
        foreach (RopeTable table in _ropes) table.Dispose();
    }

    private static int Blocks(int rows) => (rows + GainRows - 1) / GainRows;

    private static (int Begin, int End) Share(long count, int part, int parts) => ((int)(count * part / parts), (int)(count * (part + 1) / parts));

    private PackedParameter PackedOf(DenseMatrix weight)
    {
        if (weight.Packed is { } known) return known;
        var packed = new PackedParameter(_productKernels, weight);
        _packed.Add(packed);
        return weight.Packed = packed;
    }

    /// <summary>x · parameterᵀ.</summary>
    private void Linear(MatrixView x, PackedParameter packed, MatrixView result, bool adds) =>
        _products.Linear(x, packed.Forward(_parameters.Version, Team), packed.ForwardBytes, packed.ForwardCount, result, adds);

    /// <summary>x · parameter.</summary>
    private void Transposed(MatrixView x, PackedParameter packed, MatrixView result, bool adds) =>
        _products.Linear(x, packed.Backward(_parameters.Version, Team), packed.BackwardBytes, packed.BackwardCount, result, adds);

    /// <summary>Of any width, as ranks are; the vector kernels take whole sixteens.</summary>
    private static void Scale(DenseMatrix x, float factor)
    {
        for (long i = 0; i < x.Count; i++) x.Data[i] *= factor;
    }

    /// <summary>A copy without what chance drops, or x itself where it drops nothing.</summary>
    private DenseMatrix Drop(DenseMatrix x, LowRankUpdate<DenseMatrix> update, ulong? seed)
    {
        if (seed is not { } known || update.Dropout == 0) return x;
        DenseMatrix result = _pool.Rent(x.Rows, x.Columns);
        var work = new DropWork(_kernels, x, update.Dropout, DropKey(update, known), result, false);
        Team.Run(ref work);
        return result;
    }

    private static ulong DropKey(LowRankUpdate<DenseMatrix> update, ulong seed) => CounterRandom.Next(seed, update.Stream);

    private DenseMatrix Zero(int rows, int columns)
    {
        DenseMatrix result = _pool.Rent(rows, columns);
        System.Runtime.InteropServices.NativeMemory.Clear(result.Data, (nuint)result.Count * sizeof(float));
        return result;
    }

    private void AddParts(float* parts, int count, int stride, int columns, DenseMatrix sum)
    {
        for (nint part = 0; part < count; part++) _kernels.Add(sum.Data, parts + part * stride, columns, sum.Data);
    }

    private void Turn(DenseMatrix qkv, ReadOnlySpan<int> positions, in AttentionShape shape, bool back)
    {
        RopeTable table = RopeOf(shape);
        int end = 0;
        foreach (int position in positions) end = Math.Max(end, position + 1);
        table.Reserve(end);
        fixed (int* first = positions)
        {
            var work = new RopeWork(_kernels, _gradients, qkv, first, table, shape, back);
            Team.Run(ref work);
        }
    }

    private RopeTable RopeOf(in AttentionShape shape)
    {
        foreach (RopeTable table in _ropes)
            if (table.Is(shape.RopeBase, shape.RopeScale)) return table;
        _ropes.Add(new RopeTable(shape.RopeBase, shape.RopeScale, shape.HeadDimension));
        return _ropes[^1];
    }

    private readonly struct EmbedWork(CpuKernels kernels, DenseMatrix table, int* tokens, float scale, DenseMatrix result) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(result.Rows, part, parts);
            for (int row = begin; row < end; row++)
            {
                if (table.Frozen is { } frozen) frozen.ReadRow(tokens[row], scale, result.RowPointer(row));
                else kernels.Scale(table.RowPointer(tokens[row]), scale, table.Columns, result.RowPointer(row));
            }
        }
    }

    /// <summary>Rows of the table meet many tokens: threads share the columns.</summary>
    private readonly struct EmbedGradientWork(CpuKernels kernels, DenseMatrix gradient, int* tokens, float scale, DenseMatrix tableSum) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(gradient.Columns / 16, part, parts);
            if (begin == end) return;
            for (int row = 0; row < gradient.Rows; row++)
                kernels.Accumulate(tableSum.RowPointer(tokens[row]) + begin * 16, 1, gradient.RowPointer(row) + begin * 16, scale, (end - begin) * 16);
        }
    }

    private readonly struct NormWork(CpuKernels kernels, DenseMatrix x, DenseMatrix gain, float epsilon, DenseMatrix result) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(x.Rows, part, parts);
            for (int row = begin; row < end; row++) kernels.RmsNorm(x.RowPointer(row), gain.Data, epsilon, x.Columns, result.RowPointer(row));
        }
    }

    private readonly struct NormGradientWork(GradientKernels gradients, DenseMatrix x, DenseMatrix gain, DenseMatrix gradient, float epsilon, DenseMatrix result, bool adds,
        float* gainParts) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(Blocks(x.Rows), part, parts);
            for (int block = begin; block < end; block++)
            {
                float* gainSum = gainParts is null ? null : gainParts + (nint)block * x.Columns;
                if (gainSum is not null) new Span<float>(gainSum, x.Columns).Clear();
                for (int row = block * GainRows; row < Math.Min((block + 1) * GainRows, x.Rows); row++)
                    gradients.RmsNorm(x.RowPointer(row), gain.Data, gradient.RowPointer(row), epsilon, x.Columns, result.RowPointer(row), adds, gainSum);
            }
        }
    }

    private readonly struct HeadNormWork(CpuKernels kernels, DenseMatrix qkv, DenseMatrix queryGain, DenseMatrix keyGain, float epsilon, AttentionShape shape, DenseMatrix result) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(qkv.Rows, part, parts);
            for (int row = begin; row < end; row++)
            {
                float* source = qkv.RowPointer(row), destination = result.RowPointer(row);
                for (int i = 0; i < shape.HeadCount + shape.KeyValueHeadCount; i++, source += shape.HeadDimension, destination += shape.HeadDimension)
                    kernels.RmsNorm(source, i < shape.HeadCount ? queryGain.Data : keyGain.Data, epsilon, shape.HeadDimension, destination);
                new ReadOnlySpan<float>(source, shape.KeyValueWidth).CopyTo(new Span<float>(destination, shape.KeyValueWidth));
            }
        }
    }

    private readonly struct HeadNormGradientWork(GradientKernels gradients, DenseMatrix qkv, DenseMatrix queryGain, DenseMatrix keyGain, DenseMatrix gradient, float epsilon,
        AttentionShape shape, float* gainParts) : IWork
    {
        public void Run(int part, int parts)
        {
            int dimension = shape.HeadDimension;
            (int begin, int end) = Share(Blocks(qkv.Rows), part, parts);
            for (int block = begin; block < end; block++)
            {
                float* gainSums = gainParts + (nint)block * 2 * dimension;
                new Span<float>(gainSums, 2 * dimension).Clear();
                for (int row = block * GainRows; row < Math.Min((block + 1) * GainRows, qkv.Rows); row++)
                {
                    float* x = qkv.RowPointer(row), given = gradient.RowPointer(row);
                    for (int i = 0; i < shape.HeadCount + shape.KeyValueHeadCount; i++, x += dimension, given += dimension)
                    {
                        bool isQuery = i < shape.HeadCount;
                        gradients.RmsNorm(x, isQuery ? queryGain.Data : keyGain.Data, given, epsilon, dimension, given, false, isQuery ? gainSums : gainSums + dimension);
                    }
                }
            }
        }
    }

    private readonly struct RopeWork(CpuKernels kernels, GradientKernels gradients, DenseMatrix qkv, int* positions, RopeTable table, AttentionShape shape, bool back) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(qkv.Rows, part, parts);
            int half = shape.HeadDimension / 2;
            for (int row = begin; row < end; row++)
            {
                float* head = qkv.RowPointer(row), cosines = table.Cosines(positions[row]), sines = table.Sines(positions[row]);
                for (int i = 0; i < shape.HeadCount + shape.KeyValueHeadCount; i++, head += shape.HeadDimension)
                {
                    float scale = i < shape.HeadCount ? shape.QueryScale : 1;
                    if (back) gradients.Rope(head, cosines, sines, half, scale);
                    else kernels.Rope(head, cosines, sines, half, scale, head);
                }
            }
        }
    }

    private readonly struct AddWork(CpuKernels kernels, DenseMatrix x, DenseMatrix y, DenseMatrix result) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(x.Rows, part, parts);
            for (int row = begin; row < end; row++) kernels.Add(x.RowPointer(row), y.RowPointer(row), x.Columns, result.RowPointer(row));
        }
    }

    private readonly struct GateWork(GradientKernels gradients, DenseMatrix products, DenseMatrix result) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(products.Rows, part, parts);
            for (int row = begin; row < end; row++)
            {
                float* gate = products.RowPointer(row);
                gradients.Gate(gate, gate + result.Columns, result.Columns, result.RowPointer(row));
            }
        }
    }

    private readonly struct DropWork(CpuKernels kernels, DenseMatrix x, float share, ulong key, DenseMatrix result, bool adds) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(x.Rows, part, parts);
            for (int row = begin; row < end; row++)
            {
                Dropout.Run(x.RowPointer(row), x.Columns, share, CounterRandom.Next(key, (ulong)row), adds ? x.RowPointer(row) : result.RowPointer(row));
                if (adds) kernels.Add(result.RowPointer(row), x.RowPointer(row), x.Columns, result.RowPointer(row));
            }
        }
    }

    private readonly struct GateGradientWork(GradientKernels gradients, DenseMatrix products, DenseMatrix gradient) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(products.Rows, part, parts);
            for (int row = begin; row < end; row++)
            {
                float* gate = products.RowPointer(row);
                gradients.GatedGelu(gate, gate + gradient.Columns, gradient.RowPointer(row), gradient.Columns);
            }
        }
    }

    private readonly struct SoftCapWork(CpuKernels kernels, DenseMatrix x, float cap) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(x.Rows, part, parts);
            for (int row = begin; row < end; row++) kernels.SoftCap(x.RowPointer(row), cap, x.Columns, x.RowPointer(row));
        }
    }

    private readonly struct SoftCapGradientWork(GradientKernels gradients, DenseMatrix result, float cap, DenseMatrix gradient) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(result.Rows, part, parts);
            for (int row = begin; row < end; row++) gradients.SoftCap(result.RowPointer(row), cap, result.Columns, gradient.RowPointer(row));
        }
    }
}
