using Gemma.Cpu.Kernels;

namespace Gemma.Cpu;

/// <summary>
/// The model's operations on the processor's vector units. Activations are fp32 in an arena that holds one layer; every row is computed by itself, in an order
/// that does not depend on the rows beside it, so a sequence gives the same bits alone, in a batch, and however its prompt is cut.
/// </summary>
internal sealed unsafe class CpuBackend : IBackend<Matrix>, IDisposable
{
    // Below this many multiplications or elements a fork and join costs more than a second thread saves.
    private const long SmallProduct = 1 << 18, SmallRows = 1 << 14;

    private readonly float _normEpsilon;
    private readonly CpuKernels _kernels;
    private readonly Arena _arena = new();
    private readonly List<RopeTable> _ropes = [];
    private readonly PagedAttention _attention;
    private readonly List<AdaptedRows> _adapted = []; // of the pass; empty where no sequence has an adapter

    public CpuBackend(GemmaConfig config, CpuKernels kernels, ThreadTeam team)
    {
        _normEpsilon = config.NormEpsilon;
        _kernels = kernels;
        Team = team;
        _attention = new PagedAttention(kernels, team, _arena);
    }

    public ThreadTeam Team { get; }

    public CpuKernels Kernels => _kernels;

    /// <summary>Bytes of activations this backend holds.</summary>
    public long ActivationBytes => _arena.Bytes;

    /// <summary>Takes back the activations of the pass before.</summary>
    public void BeginPass()
    {
        _arena.Release(default);
        _adapted.Clear();
    }

    /// <summary>The same, for a pass with this batch.</summary>
    public void BeginPass(Batch batch)
    {
        BeginPass();
        foreach (Segment segment in batch.Segments)
        {
            if (segment.Adapter is not { } adapter) continue;
            // Neighbours with one adapter are one product.
            if (_adapted is [.., var last] && last.Adapter == adapter && last.End == segment.Start) _adapted[^1] = last with { End = segment.Start + segment.Count };
            else _adapted.Add(new AdaptedRows(adapter, segment.Start, segment.Start + segment.Count));
        }
    }

    public Matrix Embed(Matrix table, ReadOnlySpan<int> tokens, float scale)
    {
        PackedWeights weights = table.Packed!;
        Matrix result = _arena.Allocate(tokens.Length, weights.Columns);
        for (int row = 0; row < tokens.Length; row++)
        {
            if ((uint)tokens[row] >= (uint)weights.Rows)
                throw new UsageException(FormattableString.Invariant($"token id {tokens[row]} is not in the vocabulary: ids are 0 to {weights.Rows - 1}"));
            weights.ReadRow(tokens[row], scale, result.RowPointer(row));
        }
        return result;
    }

    public Matrix RmsNorm(Matrix x, Matrix gain)
    {
        Matrix result = _arena.Allocate(x.Rows, x.Columns);
        var work = new NormWork(_kernels, x.Data, gain.Data, _normEpsilon, x.Rows, x.Columns, result.Data);
        Run(ref work, (long)x.Rows * x.Columns);
        return result;
    }

    public Matrix Linear(Matrix x, Matrix weight)
    {
        Matrix result = _arena.Allocate(x.Rows, weight.Rows);
        Multiply(x, weight, result);
        Adapt(x, weight, result);
        return result;
    }

    public Matrix GatedLinear(Matrix x, Matrix gateUp)
    {
        Matrix result = _arena.Allocate(x.Rows, gateUp.Rows / 2);
        if (gateUp.Next is null && !IsAdapted(gateUp))
        {
            Multiply(x.Data, x.Rows, gateUp.Packed!, true, result.Data, result.Columns);
            return result;
        }
        Arena.Mark mark = _arena.Save();
        Matrix both = _arena.Allocate(x.Rows, gateUp.Rows);
        Multiply(x, gateUp, both);
        Adapt(x, gateUp, both);
        var work = new GateWork(_kernels, both, result, gateUp.Next is null);
        Run(ref work, (long)both.Rows * both.Columns);
        _arena.Release(mark);
        return result;
    }

    public Matrix HeadNorm(Matrix qkv, Matrix queryGain, Matrix keyGain, in AttentionShape shape)
    {
        var work = new HeadNormWork(_kernels, qkv, queryGain.Data, keyGain.Data, _normEpsilon, shape);
        Run(ref work, (long)qkv.Rows * qkv.Columns);
        return qkv;
    }

    public Matrix Rope(Matrix qkv, ReadOnlySpan<int> positions, in AttentionShape shape)
    {
        RopeTable table = RopeOf(shape);
        int end = 0;
        foreach (int position in positions) end = Math.Max(end, position + 1);
        table.Reserve(end);
        fixed (int* first = positions)
        {
            var work = new RopeWork(_kernels, qkv, first, table, shape);
            Run(ref work, (long)qkv.Rows * (shape.QueryWidth + shape.KeyValueWidth));
        }
        return qkv;
    }

    public Matrix Attention(Matrix qkv, Batch batch, in AttentionShape shape) => _attention.Run(qkv, batch, shape);

    public Matrix Add(Matrix x, Matrix y)
    {
        var work = new AddWork(_kernels, x, y);
        Run(ref work, (long)x.Rows * x.Columns);
        return x;
    }

    public Matrix Rows(Matrix x, ReadOnlySpan<int> rows)
    {
        if (rows.Length == x.Rows) return x; // the rows are ascending, so these are all
        Matrix result = _arena.Allocate(rows.Length, x.Columns);
        for (int i = 0; i < rows.Length; i++) x.Row(rows[i]).CopyTo(new Span<float>(result.RowPointer(i), x.Columns));
        return result;
    }

    public Matrix SoftCap(Matrix x, float cap)
    {
        var work = new SoftCapWork(_kernels, x, cap);
        Run(ref work, (long)x.Rows * x.Columns);
        return x;
    }

    public Matrix Layer(Matrix x, int layer, Batch batch, LayerFunction<Matrix> function)
    {
        Arena.Mark mark = _arena.Save();
        Matrix result = function(x, layer, batch);
        if (result.Data != x.Data) new ReadOnlySpan<float>(result.Data, x.Rows * x.Columns).CopyTo(new Span<float>(x.Data, x.Rows * x.Columns));
        _arena.Release(mark);
        return x;
    }

    public void Dispose()
    {
        _arena.Dispose();
        foreach (RopeTable table in _ropes) table.Dispose();
    }

    private RopeTable RopeOf(in AttentionShape shape)
    {
        foreach (RopeTable table in _ropes)
            if (table.Is(shape.RopeBase, shape.RopeScale)) return table;
        _ropes.Add(new RopeTable(shape.RopeBase, shape.RopeScale, shape.HeadDimension));
        return _ropes[^1];
    }

    /// <summary>The columns of one part of the weights after those of the one before.</summary>
    private void Multiply(Matrix x, Matrix weight, Matrix result)
    {
        float* columns = result.Data;
        for (Matrix? part = weight; part is not null; part = part.Next)
        {
            Multiply(x.Data, x.Rows, part.Packed!, false, columns, result.Columns);
            columns += part.Packed!.Rows;
        }
    }

    private bool IsAdapted(Matrix weight)
    {
        foreach (AdaptedRows rows in _adapted)
            if (rows.Adapter.Find(weight) is not null) return true;
        return false;
    }

    /// <summary>Adds what the adapters of the pass's sequences make of their rows.</summary>
    private void Adapt(Matrix x, Matrix weight, Matrix result)
    {
        foreach (AdaptedRows rows in _adapted)
        {
            if (rows.Adapter.Find(weight) is not { } update) continue;
            Arena.Mark mark = _arena.Save();
            int count = rows.End - rows.Begin;
            // Weights in fp32 are read in whole pairs of columns.
            Matrix projected = _arena.Allocate(count, update.Up.PaddedColumns), added = _arena.Allocate(count, result.Columns);
            if (update.Up.PaddedColumns > update.Up.Columns)
                for (int row = 0; row < count; row++) projected.RowPointer(row)[update.Up.Columns] = 0;
            Multiply(x.RowPointer(rows.Begin), count, update.Down, false, projected.Data, projected.Columns);
            Multiply(projected.Data, count, update.Up, false, added.Data, added.Columns);
            var work = new AddRowsWork(_kernels, result, rows.Begin, added);
            Run(ref work, (long)count * added.Columns);
            _arena.Release(mark);
        }
    }

    private void Multiply(float* x, int rows, PackedWeights weights, bool gated, float* result, int resultColumns)
    {
        Arena.Mark mark = _arena.Save();
        byte* prepared = (byte*)x;
        nint stride = (nint)(weights.Type == WeightType.F32 ? weights.PaddedColumns : weights.Columns) * sizeof(float);
        if (_kernels.Prepares(weights.Type))
        {
            stride = (_kernels.PreparedBytes(weights.Type, weights.PaddedColumns) + 63) & ~63;
            prepared = _arena.AllocateBytes(stride * rows);
            var prepare = new PrepareWork(_kernels, weights, x, rows, prepared, stride);
            Run(ref prepare, (long)rows * weights.Columns);
        }
        var product = new ProductWork(_kernels, weights, prepared, stride, rows, gated, result, resultColumns, Team.Count);
        if ((long)rows * weights.Rows * weights.Columns < SmallProduct) product.Run(0, 1);
        else Team.Run(ref product);
        _arena.Release(mark);
    }

    private void Run<TWork>(ref TWork work, long elements) where TWork : struct, IWork
    {
        if (elements < SmallRows) work.Run(0, 1);
        else Team.Run(ref work);
    }

    /// <summary>Rows of the pass that have an adapter.</summary>
    private readonly record struct AdaptedRows(GemmaAdapter Adapter, int Begin, int End);

    /// <summary>The rows of one of the parts.</summary>
    private static (int Begin, int End) Share(int rows, int part, int parts) => ((int)((long)rows * part / parts), (int)((long)rows * (part + 1) / parts));

    private readonly struct NormWork(CpuKernels kernels, float* x, float* gain, float epsilon, int rows, int columns, float* result) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(rows, part, parts);
            for (nint row = begin; row < end; row++) kernels.RmsNorm(x + row * columns, gain, epsilon, columns, result + row * columns);
        }
    }

    private readonly struct HeadNormWork(CpuKernels kernels, Matrix qkv, float* queryGain, float* keyGain, float epsilon, AttentionShape shape) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(qkv.Rows, part, parts);
            for (int row = begin; row < end; row++)
            {
                float* head = qkv.RowPointer(row);
                for (int i = 0; i < shape.HeadCount + shape.KeyValueHeadCount; i++, head += shape.HeadDimension)
                    kernels.RmsNorm(head, i < shape.HeadCount ? queryGain : keyGain, epsilon, shape.HeadDimension, head);
            }
        }
    }

    private readonly struct RopeWork(CpuKernels kernels, Matrix qkv, int* positions, RopeTable table, AttentionShape shape) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(qkv.Rows, part, parts);
            for (int row = begin; row < end; row++)
            {
                float* head = qkv.RowPointer(row), cosines = table.Cosines(positions[row]), sines = table.Sines(positions[row]);
                for (int i = 0; i < shape.HeadCount + shape.KeyValueHeadCount; i++, head += shape.HeadDimension)
                    kernels.Rope(head, cosines, sines, shape.HeadDimension / 2, i < shape.HeadCount ? shape.QueryScale : 1, head);
            }
        }
    }

    private readonly struct AddWork(CpuKernels kernels, Matrix x, Matrix y) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(x.Rows, part, parts);
            for (int row = begin; row < end; row++) kernels.Add(x.RowPointer(row), y.RowPointer(row), x.Columns, x.RowPointer(row));
        }
    }

    /// <summary>A row of logits is long: threads share its pieces.</summary>
    private readonly struct SoftCapWork(CpuKernels kernels, Matrix x, float cap) : IWork
    {
        private const int Piece = 4096;

        public void Run(int part, int parts)
        {
            int pieces = (x.Columns + Piece - 1) / Piece;
            (int begin, int end) = Share(x.Rows * pieces, part, parts);
            for (int i = begin; i < end; i++)
            {
                int first = i % pieces * Piece;
                float* values = x.RowPointer(i / pieces) + first;
                kernels.SoftCap(values, cap, Math.Min(Piece, x.Columns - first), values);
            }
        }
    }

    private readonly struct AddRowsWork(CpuKernels kernels, Matrix sum, int first, Matrix added) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(added.Rows, part, parts);
            for (int row = begin; row < end; row++) kernels.Add(sum.RowPointer(first + row), added.RowPointer(row), added.Columns, sum.RowPointer(first + row));
        }
    }

    /// <summary>Gate and up one behind the other, or sixteen of each in turn.</summary>
    private readonly struct GateWork(CpuKernels kernels, Matrix both, Matrix result, bool areInTurn) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(both.Rows, part, parts);
            for (int row = begin; row < end; row++)
            {
                float* gate = both.RowPointer(row);
                if (areInTurn)
                {
                    for (int i = 0; i < result.Columns; i += PackedWeights.PanelRows, gate += 2 * PackedWeights.PanelRows)
                        kernels.GatedGelu(gate, gate + PackedWeights.PanelRows, PackedWeights.PanelRows, result.RowPointer(row) + i);
                    continue;
                }
                kernels.GatedGelu(gate, gate + result.Columns, result.Columns, result.RowPointer(row));
            }
        }
    }

    private readonly struct PrepareWork(CpuKernels kernels, PackedWeights weights, float* x, int rows, byte* prepared, nint stride) : IWork
    {
        public void Run(int part, int parts)
        {
            (int begin, int end) = Share(rows, part, parts);
            for (nint row = begin; row < end; row++)
                kernels.Prepare(weights.Type, x + row * weights.Columns, weights.Columns, weights.PaddedColumns, prepared + row * stride);
        }
    }
}
