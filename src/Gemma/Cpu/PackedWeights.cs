using System.Buffers;
using System.Runtime.CompilerServices;
using Gemma.Cpu.Kernels;
using Gemma.Formats;

namespace Gemma.Cpu;

/// <summary>Reads one row of weights as fp32; called from several threads at once.</summary>
internal delegate void RowReader(int row, Span<float> destination);

/// <summary>Gives one row of weights in blocks; called from several threads at once.</summary>
internal delegate ReadOnlySpan<byte> BlockReader(int row);

/// <summary>
/// Weights of a linear map, [output features, input features], in the order the kernels read them: panels of 16 rows, contiguous, one after another.
/// </summary>
/// <remarks>
/// fp32: [k][16]. bf16: [k / 2][16][2]. Q8 and Q4 for each two blocks of 32 k: fp16 scales [2][16], then the two blocks' weights, biased to be unsigned
/// (w + 128, w + 8): [8 groups of 4 k][16 rows][4 k] bytes, for Q4 [4 groups][16][4] with group g in the low nibbles and g + 4 in the high ones.
/// Columns are padded with zero weights to a multiple of 64 (Q8, Q4), rows to whole panels. Q4_K and Q6_K: <see cref="SuperBlockPanel"/>.
/// </remarks>
internal sealed unsafe class PackedWeights : IDisposable
{
    public const int PanelRows = 16;
    public const int Block = 32;

    /// <summary>Columns of Q4_K and Q6_K are multiples of this.</summary>
    public const int SuperBlock = 256;

    /// <summary>
    /// Raised whenever the same weights come to be packed into other bytes: another layout, another choice of scales, another number of a
    /// <see cref="WeightType"/>. What <see cref="WeightCache"/> has kept of an older version is packed anew.
    /// </summary>
    public const int Version = 2;

    private readonly NativeBuffer? _buffer;
    private readonly byte* _panels;

    private PackedWeights(WeightType type, int rows, int columns, byte* panels)
    {
        Type = type;
        Rows = rows;
        Columns = columns;
        PaddedColumns = Pad(type, columns);
        if (IsSuperBlocked(type) && PaddedColumns != columns)
            throw new UsageException(FormattableString.Invariant($"expected rows of whole super-blocks of {SuperBlock} weights for {type}, found rows of {columns}: load with q8 or q4"));
        PanelCount = PanelsOf(rows);
        PanelBytes = BytesOfPanel(type, columns);
        _buffer = panels is null ? new NativeBuffer((nuint)PanelBytes * (nuint)PanelCount, zeroed: false) : null;
        _panels = panels is null ? _buffer!.Pointer : panels;
    }

    public WeightType Type { get; }

    /// <summary>Output features.</summary>
    public int Rows { get; }

    /// <summary>Input features.</summary>
    public int Columns { get; }

    public int PaddedColumns { get; }

    public int PanelCount { get; }

    public nint PanelBytes { get; }

    public long ByteCount => PanelBytes * PanelCount;

    /// <summary>Products with these weights round activations to 8 bits.</summary>
    public static bool IsQuantised(WeightType type) => type is not (WeightType.F32 or WeightType.BF16);

    public static bool IsSuperBlocked(WeightType type) => type is WeightType.Q4_K or WeightType.Q6_K;

    /// <summary>Bytes of a matrix, packed.</summary>
    public static long Bytes(WeightType type, int rows, int columns) => (long)BytesOfPanel(type, columns) * PanelsOf(rows);

    /// <summary>Weights that are packed already; whoever owns the memory keeps it as long as they are in use.</summary>
    public static PackedWeights At(WeightType type, int rows, int columns, byte* panels) => new(type, rows, columns, panels);

    /// <summary>Packs all rows, on all threads; memory beside the result is one panel in fp32 for each thread.</summary>
    public static PackedWeights Pack(WeightType type, int rows, int columns, RowReader reader, CpuKernels kernels, ThreadTeam team)
    {
        if (IsSuperBlocked(type)) return Quantize(type, rows, columns, reader, team);
        var weights = new PackedWeights(type, rows, columns, panels: null);
        var work = new PackWork(weights, reader, kernels);
        return weights.Run(ref work, team);
    }

    /// <summary>Packs rows that come in blocks of the same type (GGML's Q8_0 for Q8, Q4_0 for Q4, or the K type itself), number by number: nothing is rounded.</summary>
    public static PackedWeights Pack(WeightType type, int rows, int columns, BlockReader reader, ThreadTeam team)
    {
        var weights = new PackedWeights(type, rows, columns, panels: null);
        var work = new BlockWork(weights, reader);
        return weights.Run(ref work, team);
    }

    /// <summary>By way of the published blocks: what is quantised here and what is read from a file that was quantised here are the same.</summary>
    private static PackedWeights Quantize(WeightType type, int rows, int columns, RowReader reader, ThreadTeam team)
    {
        TensorType blocks = type == WeightType.Q4_K ? TensorType.Q4_K : TensorType.Q6_K;
        return Pack(type, rows, columns, row =>
        {
            float[] values = ArrayPool<float>.Shared.Rent(columns);
            byte[] encoded = new byte[columns / SuperBlock * blocks.BlockBytes()];
            reader(row, values.AsSpan(0, columns));
            RowCodec.Encode(blocks, values.AsSpan(0, columns), encoded);
            ArrayPool<float>.Shared.Return(values);
            return encoded;
        }, team);
    }

    private PackedWeights Run<TWork>(ref TWork work, ThreadTeam team) where TWork : struct, IWork
    {
        try
        {
            team.Run(ref work);
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Panel(int panel) => _panels + panel * PanelBytes;

    /// <summary>One row as fp32, times a factor.</summary>
    public void ReadRow(int row, float factor, float* destination)
    {
        byte* panel = Panel(row / PanelRows);
        int lane = row % PanelRows;
        switch (Type)
        {
            case WeightType.F32:
                for (int k = 0; k < Columns; k++) destination[k] = SinglePanel.Element(panel, lane, k) * factor;
                break;
            case WeightType.BF16:
                for (int k = 0; k < Columns; k++) destination[k] = BFloat16Panel.Element(panel, lane, k) * factor;
                break;
            case WeightType.Q8:
                for (int k = 0; k < Columns; k++) destination[k] = QuantizedPanel.Weight8(panel, lane, k) * QuantizedPanel.Scale(panel, lane, k, 8) * factor;
                break;
            case WeightType.Q4_K or WeightType.Q6_K:
                for (int k = 0; k < Columns; k++) destination[k] = SuperBlockPanel.Weight(Type, panel, lane, k) * factor;
                break;
            default:
                for (int k = 0; k < Columns; k++) destination[k] = QuantizedPanel.Weight4(panel, lane, k) * QuantizedPanel.Scale(panel, lane, k, 4) * factor;
                break;
        }
    }

    public void Dispose() => _buffer?.Dispose();

    private static int Pad(WeightType type, int columns) =>
        (columns + Unit(type) - 1) / Unit(type) * Unit(type);

    private static int Unit(WeightType type) => IsSuperBlocked(type) ? SuperBlock : IsQuantised(type) ? 2 * Block : 2;

    private static int PanelsOf(int rows) => (rows + PanelRows - 1) / PanelRows;

    private static nint BytesOfPanel(WeightType type, int columns) => type switch
    {
        WeightType.F32 => (nint)Pad(type, columns) * PanelRows * 4,
        WeightType.BF16 => (nint)Pad(type, columns) * PanelRows * 2,
        WeightType.Q4_K or WeightType.Q6_K => (nint)(Pad(type, columns) / SuperBlock) * SuperBlockPanel.Bytes(type),
        _ => (nint)(Pad(type, columns) / Block) * QuantizedPanel.BlockBytes(type == WeightType.Q8 ? 8 : 4),
    };

    private struct PackWork(PackedWeights weights, RowReader reader, CpuKernels kernels) : IWork
    {
        // Panels taken at a time: enough that threads write apart, few enough that they end together.
        private const int Chunk = 4;

        private int _next;

        public void Run(int part, int parts)
        {
            using var rows = new NativeBuffer((nuint)(PanelRows * weights.PaddedColumns * 4));
            var values = (float*)rows.Pointer;
            for (int first; (first = Interlocked.Add(ref _next, Chunk) - Chunk) < weights.PanelCount;)
            {
                for (int panel = first; panel < Math.Min(first + Chunk, weights.PanelCount); panel++)
                {
                    int count = Math.Min(PanelRows, weights.Rows - panel * PanelRows);
                    if (count < PanelRows) new Span<float>(values, PanelRows * weights.PaddedColumns).Clear();
                    for (int i = 0; i < count; i++) reader(panel * PanelRows + i, new Span<float>(values + (nint)i * weights.PaddedColumns, weights.Columns));
                    PackPanel(values, weights.Panel(panel));
                }
            }
        }

        private readonly void PackPanel(float* rows, byte* panel)
        {
            int columns = weights.PaddedColumns;
            switch (weights.Type)
            {
                case WeightType.F32:
                    Transposition.Run(rows, columns, columns, (float*)panel);
                    break;
                case WeightType.BF16:
                    // Pairs of bf16 pass as one 32-bit value.
                    for (int lane = 0; lane < PanelRows; lane++) BFloat16.FromSingles(rows + (nint)lane * columns, columns, (ushort*)(rows + (nint)lane * columns));
                    Transposition.Run(rows, columns, columns / 2, (float*)panel);
                    break;
                default:
                    kernels.Pack(weights.Type, rows, columns, panel);
                    break;
            }
        }
    }

    private struct BlockWork(PackedWeights weights, BlockReader reader) : IWork
    {
        private int _next;

        public void Run(int part, int parts)
        {
            // Lanes without a row, and what pads columns, are zeros of the scale 0.
            bool isPadded = weights.PaddedColumns != weights.Columns;
            for (int panel; (panel = Interlocked.Increment(ref _next) - 1) < weights.PanelCount;)
            {
                byte* packed = weights.Panel(panel);
                int count = Math.Min(PanelRows, weights.Rows - panel * PanelRows);
                if (count < PanelRows || isPadded) new Span<byte>(packed, (int)weights.PanelBytes).Clear();
                for (int lane = 0; lane < count; lane++)
                {
                    ReadOnlySpan<byte> row = reader(panel * PanelRows + lane);
                    if (IsSuperBlocked(weights.Type)) SuperBlockPanel.PackRow(weights.Type, row, lane, packed);
                    else QuantizedPanel.PackRow(weights.Type, row, lane, packed);
                }
            }
        }
    }
}
