using Gemma.Cpu.Kernels;

namespace Gemma.Cpu.Emit;

/// <summary>Makes code executable, or returns null and says why not.</summary>
internal delegate ExecutableMemory? CodePlacer(ReadOnlySpan<byte> code, out string refusal);

/// <summary>
/// Products with 8- and 4-bit and bf16 panels in machine code made at start, for the instructions that .NET does not offer (AVX512-VNNI, AVX512-BF16);
/// the rest is the AVX-512 tier's.
/// </summary>
internal sealed unsafe class EmittedKernels : VectorKernels<Lanes512>
{
    // A stretch of k whose weights, of two panels, stay in the first-level cache while all rows pass by.
    private const int StretchBytes = 20 << 10;

    private static readonly Lazy<(EmittedKernels? Kernels, string Refusal)> Instance = new(() => (Create(ExecutableMemory.Create, SelfTest.Run, out string refusal), refusal));

    private readonly ExecutableMemory _memory;
    private readonly nint[] _q8, _q4, _bFloat16;

    private EmittedKernels(ExecutableMemory memory, nint[] q8, nint[] q4, nint[] bFloat16) : base(Isa.Vnni)
    {
        _memory = memory;
        _q8 = q8;
        _q4 = q4;
        _bFloat16 = bFloat16;
    }

    /// <summary>The kernels of this process, or null where <see cref="Refusal"/> says why there are none.</summary>
    public static EmittedKernels? Shared => Instance.Value.Kernels;

    public static string Refusal => Instance.Value.Refusal;

    public override string Name => HasBFloat16 ? "vnni+bf16" : "vnni";

    private bool HasBFloat16 => _bFloat16.Length > 0;

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
        int[] q8 = WriteAll(assembler, IntegerTile.MostRows, (rows, panels) => new IntegerTile(assembler, rows, panels, 8));
        int[] q4 = WriteAll(assembler, IntegerTile.MostRows, (rows, panels) => new IntegerTile(assembler, rows, panels, 4));
        int[] bFloat16 = Cpuid.HasBFloat16 ? WriteAll(assembler, BFloat16Tile.MostRows, (rows, panels) => new BFloat16Tile(assembler, rows, panels)) : [];
        ExecutableMemory? memory = place(assembler.Code, out refusal);
        if (memory is null) return null;
        var kernels = new EmittedKernels(memory, At(q8), At(q4), At(bFloat16));
        if (test(kernels) is not { } difference) return kernels;
        refusal = $"their self-test failed: {difference}";
        memory.Dispose();
        return null;

        nint[] At(int[] offsets) => [.. offsets.Select(offset => (nint)memory.Pointer + offset)];
    }

    /// <summary>The same without the products that round activations: bf16 weights then go through the AVX-512 tier's.</summary>
    public EmittedKernels WithoutRounding() => new(_memory, _q8, _q4, []);

    public override bool Prepares(WeightType type) => type == WeightType.BF16 ? HasBFloat16 : base.Prepares(type);

    public override int PreparedBytes(WeightType type, int columns) => Prepares(type) ? EmittedRow.Bytes(type, columns) : base.PreparedBytes(type, columns);

    public override void Prepare(WeightType type, float* x, int columns, int padded, byte* prepared)
    {
        if (type == WeightType.BF16) EmittedRow.Round(x, columns, padded, prepared);
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
        nint[] kernels = type switch
        {
            WeightType.BF16 => _bFloat16,
            WeightType.Q8 => _q8,
            _ => _q4,
        };
        int steps = isBFloat16 ? columns / 2 : columns / (2 * PackedWeights.Block), mostRows = kernels.Length / 2;
        int rowStepBytes = isBFloat16 ? BFloat16Tile.StepBytes : EmittedRow.StepBytes, tiles = (rows + mostRows - 1) / mostRows;
        nint panelStepBytes = panelBytes / steps;
        if (rows == 1 && !isBFloat16)
        {
            // A step of decoding: memory is the limit, and it likes one stream. (A single chain of bf16 sums would be slower than memory.)
            for (int panel = 0; panel < panelCount; panel++)
                Call(kernels, 1, 1, new Tile { Panels = panels + panel * panelBytes, Rows = x, Result = result + panel * 16, Steps = steps });
            return;
        }
        int stretch = tiles == 1 ? steps : (int)Math.Max(8, StretchBytes / (2 * panelStepBytes));
        for (int step = 0; step < steps; step += stretch)
        {
            var tile = new Tile
            {
                Panels = panels + step * panelStepBytes,
                PanelBytes = panelBytes,
                Rows = x + (nint)step * rowStepBytes,
                RowBytes = stride,
                Result = result,
                ResultBytes = resultStride * sizeof(float),
                Steps = Math.Min(stretch, steps - step),
                Continues = step,
            };
            for (int row = 0, left = tiles; left > 0; left--)
            {
                int height = (rows - row + left - 1) / left;
                Call(kernels, height, panelCount, tile);
                row += height;
                tile.Rows += height * stride;
                tile.Result += height * resultStride;
            }
        }
    }

    public override void MultiplySingles(WeightType type, byte* panels, nint panelBytes, int panelCount, int columns, float* x, nint stride, int rows, float* result,
        nint resultStride) => base.Multiply(type, panels, panelBytes, panelCount, columns, (byte*)x, stride * sizeof(float), rows, result, resultStride);

    private static int[] WriteAll(Assembler assembler, int mostRows, Func<int, int, TileWriter> tile)
    {
        int[] offsets = new int[2 * mostRows];
        for (int i = 0; i < offsets.Length; i++)
        {
            assembler.Align();
            offsets[i] = assembler.Position;
            tile(i / 2 + 1, i % 2 + 1).Write();
        }
        return offsets;
    }

    private static void Call(nint[] kernels, int rows, int panels, in Tile tile)
    {
        fixed (Tile* arguments = &tile) ((delegate* unmanaged<Tile*, void>)kernels[2 * (rows - 1) + panels - 1])(arguments);
    }
}
