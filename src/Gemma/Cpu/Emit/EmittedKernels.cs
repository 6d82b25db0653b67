using Gemma.Cpu.Kernels;

namespace Gemma.Cpu.Emit;

/// <summary>Makes code executable, or returns null and says why not.</summary>
internal delegate ExecutableMemory? CodePlacer(ReadOnlySpan<byte> code, out string refusal);

/// <summary>
/// Products with quantised and bf16 panels in machine code made at start, for the instructions that .NET does not offer (AVX512-VNNI, AVX512-BF16);
/// the rest is the AVX-512 tier's.
/// </summary>
internal sealed unsafe class EmittedKernels : VectorKernels<Lanes512>
{
    // A stretch of k whose weights, of two panels, stay in the second-level cache while all rows pass by: a tile reads them in order, which that cache delivers in time,
    // and long stretches save more in loads and stores of sums than the first-level cache would.
    private const int StretchBytes = 128 << 10;

    // Rows that may stay in the second-level cache while two panels after two others are multiplied with them.
    private const int CachedBytes = 512 << 10;

    private static readonly Lazy<(EmittedKernels? Kernels, string Refusal)> Instance = new(() => (Create(ExecutableMemory.Create, SelfTest.Run, out string refusal), refusal));

    private readonly ExecutableMemory _memory;
    private readonly TileSet _q8, _q4, _q4K, _q6K;
    private readonly TileSet? _bFloat16;

    private EmittedKernels(ExecutableMemory memory, TileSet q8, TileSet q4, TileSet q4K, TileSet q6K, TileSet? bFloat16) : base(Isa.Vnni)
    {
        _memory = memory;
        _q8 = q8;
        _q4 = q4;
        _q4K = q4K;
        _q6K = q6K;
        _bFloat16 = bFloat16;
    }

    /// <summary>The kernels of this process, or null where <see cref="Refusal"/> says why there are none.</summary>
    public static EmittedKernels? Shared => Instance.Value.Kernels;

    public static string Refusal => Instance.Value.Refusal;

    public override string Name => HasBFloat16 ? "vnni+bf16" : "vnni";

    private bool HasBFloat16 => _bFloat16 is not null;

    /// <param name="place">Makes code executable.</param>
    /// <param name="test">Compares the kernels with their twin: null, or what differs.</param>
    /// <param name="refusal">Why the result is null; empty where it is not.</param>
    public static EmittedKernels? Create(CodePlacer place, Func<CpuKernels, string?> test, out string refusal)
    {
        if (!Cpuid.HasVnni)
        {
            refusal = "the processor lacks AVX512-VNNI";
            return null;
        }
        var assembler = new Assembler();
        TileSet q8 = TileSet.Write(assembler, IntegerTile.MostSums, (rows, panels, isFirst) => new IntegerTile(assembler, rows, panels, 8, isFirst));
        TileSet q4 = TileSet.Write(assembler, IntegerTile.MostSums, (rows, panels, isFirst) => new IntegerTile(assembler, rows, panels, 4, isFirst));
        TileSet q4K = TileSet.Write(assembler, IntegerTile.MostSums, (rows, panels, isFirst) => new Q4KTile(assembler, rows, panels, isFirst));
        TileSet q6K = TileSet.Write(assembler, IntegerTile.MostSums, (rows, panels, isFirst) => new Q6KTile(assembler, rows, panels, isFirst));
        TileSet? bFloat16 = Cpuid.HasBFloat16
            ? TileSet.Write(assembler, DenseTile.MostSums, (rows, panels, isFirst) => new DenseTile(assembler, rows, panels, isFirst, asksAhead: panels == 2 && !isFirst)) : null;
        ExecutableMemory? memory = place(assembler.Code, out refusal);
        if (memory is null) return null;
        var kernels = new EmittedKernels(memory, q8, q4, q4K, q6K, bFloat16);
        if (test(kernels) is not { } difference) return kernels;
        refusal = $"their self-test failed: {difference}";
        memory.Dispose();
        return null;
    }

    /// <summary>The same without the products that round activations: bf16 weights then go through the AVX-512 tier's.</summary>
    public EmittedKernels WithoutRounding() => new(_memory, _q8, _q4, _q4K, _q6K, null);

    public override bool Prepares(WeightType type) => type == WeightType.BF16 ? HasBFloat16 : base.Prepares(type);

    public override int PreparedBytes(WeightType type, int columns) =>
        Prepares(type) && !PackedWeights.IsSuperBlocked(type) ? EmittedRow.Bytes(type, columns) : base.PreparedBytes(type, columns);

    public override void Prepare(WeightType type, float* x, int columns, int padded, byte* prepared)
    {
        if (PackedWeights.IsSuperBlocked(type)) base.Prepare(type, x, columns, padded, prepared);
        else if (type == WeightType.BF16) EmittedRow.Round(x, columns, padded, prepared);
        else EmittedRow.Quantize(type, x, columns, padded, prepared);
    }

    public override void Multiply(WeightType type, byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result,
        nint resultStride)
    {
        if (!Prepares(type))
        {
            base.Multiply(type, panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
            return;
        }
        bool isBFloat16 = type == WeightType.BF16;
        // The kernels, and how many k and bytes of a row one of their steps is.
        (TileSet tiles, int stepColumns, int rowStepBytes) = type switch
        {
            WeightType.BF16 => (_bFloat16!, 2, DenseTile.StepBytes),
            WeightType.Q8 => (_q8, 2 * PackedWeights.Block, EmittedRow.StepBytes),
            WeightType.Q4 => (_q4, 2 * PackedWeights.Block, EmittedRow.StepBytes),
            _ => (type == WeightType.Q4_K ? _q4K : _q6K, PackedWeights.SuperBlock, 8 * SuperBlockRow.RecordBytes(type)),
        };
        int steps = columns / stepColumns;
        var tile = new Tile
        {
            Panels = panels,
            PanelBytes = panelBytes,
            Rows = x,
            RowBytes = stride,
            Result = result,
            ResultBytes = resultStride * sizeof(float),
            Steps = steps,
        };
        if (rows <= IntegerTile.MostSums && !isBFloat16)
        {
            // Few rows: memory is the limit, and it likes one stream.
            for (int panel = 0; panel < panelCount; panel++, tile.Panels += panelBytes, tile.Result += PackedWeights.PanelRows) Call(tiles, rows, 1, true, tile);
            return;
        }
        nint panelStepBytes = panelBytes / steps;
        int stretch = rows <= tiles.MostRows(2) ? steps : (int)Math.Clamp(StretchBytes / (2 * panelStepBytes), 1, steps);
        // Rows that do not stay in the cache pass by once for all panels, a stretch at a time, and not for each two panels.
        int group = rows * stride > CachedBytes ? panelCount : 2;
        for (int first = 0; first < panelCount; first += group)
        {
            int end = Math.Min(first + group, panelCount);
            for (int step = 0; step < steps; step += stretch)
            {
                tile.Steps = Math.Min(stretch, steps - step);
                tile.Continues = step;
                for (int panel = first; panel < end; panel += 2)
                {
                    int panelsNow = Math.Min(2, end - panel), mostRows = tiles.MostRows(panelsNow);
                    tile.Panels = panels + panel * panelBytes + step * panelStepBytes;
                    tile.Rows = x + (nint)step * rowStepBytes;
                    tile.Result = result + panel * PackedWeights.PanelRows;
                    int count = (rows + mostRows - 1) / mostRows;
                    bool asksAhead = isBFloat16 && panelsNow == 2 && count > 1;
                    // The tiles after the first ask for what the first of the next stretch will read.
                    nint aheadBytes = asksAhead ? stretch * panelStepBytes / (count - 1) : 0;
                    if (asksAhead)
                    {
                        tile.AheadStepBytes = aheadBytes / Math.Max(1, stretch / DenseTile.Unrolled);
                        tile.Ahead = panel + 2 < end ? tile.Panels + 2 * panelBytes
                            : step + stretch < steps ? panels + first * panelBytes + (step + stretch) * panelStepBytes : panels + end * panelBytes;
                    }
                    for (int left = count, row = 0; left > 0; left--)
                    {
                        int height = (rows - row + left - 1) / left;
                        Call(tiles, height, panelsNow, row == 0, tile);
                        if (row > 0) tile.Ahead += aheadBytes;
                        row += height;
                        tile.Rows += height * stride;
                        tile.Result += height * resultStride;
                    }
                }
            }
        }
    }

    public override bool PassesRowsOnce(WeightType type) => Prepares(type);

    public override void MultiplySingles(WeightType type, byte* panels, nint panelBytes, int panelCount, int columns, float* x, nint stride, int rows, float* result,
        nint resultStride) => base.Multiply(type, panels, panelBytes, panelCount, columns, (byte*)x, stride * sizeof(float), rows, result, resultStride);

    private void Call(TileSet tiles, int rows, int panels, bool isFirst, in Tile tile)
    {
        fixed (Tile* arguments = &tile) ((delegate* unmanaged<Tile*, void>)(_memory.Pointer + tiles.Offset(rows, panels, isFirst)))(arguments);
    }
}
