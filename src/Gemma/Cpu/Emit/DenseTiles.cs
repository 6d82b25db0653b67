using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gemma.Cpu.Emit;

/// <summary>
/// The tiles of dense products by themselves, for who packs both sides of a product anew each time, as training does: they add to what the result holds, and no
/// weights are read from far away.
/// </summary>
internal sealed unsafe class DenseTiles
{
    // A stretch of k whose panels stay in the first-level cache while all rows pass by.
    private const int StretchSteps = 160;

    private static readonly Lazy<(DenseTiles? Tiles, string Refusal)> Singles = new(() => (Create(false, out string refusal), refusal));
    private static readonly Lazy<(DenseTiles? Tiles, string Refusal)> BFloat16s = new(() => (Create(true, out string refusal), refusal));

    private readonly ExecutableMemory _memory;
    private readonly TileSet _tiles;

    private DenseTiles(ExecutableMemory memory, TileSet tiles)
    {
        _memory = memory;
        _tiles = tiles;
    }

    /// <summary>Those of this process, or null and why there are none.</summary>
    public static DenseTiles? Shared(bool isBFloat16, out string refusal)
    {
        (DenseTiles? tiles, refusal) = (isBFloat16 ? BFloat16s : Singles).Value;
        return tiles;
    }

    /// <summary>result[row, 16 · panelCount] = or += rows · panels.</summary>
    /// <param name="panels">Where k begins in the first panel: [k][16] of fp32 or [k / 2][16][2] of bf16.</param>
    /// <param name="panelBytes">From there to the same place in the second.</param>
    /// <param name="panelCount">1 or 2.</param>
    /// <param name="steps">32-bit values of k.</param>
    /// <param name="rows">Where k begins in the first row.</param>
    /// <param name="rowBytes">Bytes from row to row.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="result">Where the product goes.</param>
    /// <param name="resultStride">Floats from a row of the result to the next.</param>
    /// <param name="adds">Whether the product is added to what is there.</param>
    public void Multiply(byte* panels, nint panelBytes, int panelCount, int steps, byte* rows, nint rowBytes, int rowCount, float* result, nint resultStride, bool adds)
    {
        int mostRows = _tiles.MostRows(panelCount), count = (rowCount + mostRows - 1) / mostRows, stretch = count == 1 ? steps : StretchSteps;
        var tile = new Tile { PanelBytes = panelBytes, RowBytes = rowBytes, ResultBytes = resultStride * sizeof(float) };
        for (int step = 0; step < steps; step += stretch)
        {
            tile.Panels = panels + (nint)step * DenseTile.PanelStepBytes;
            tile.Rows = rows + (nint)step * DenseTile.StepBytes;
            tile.Result = result;
            tile.Steps = Math.Min(stretch, steps - step);
            tile.Continues = adds ? 1 : step;
            for (int left = count, row = 0; left > 0; left--)
            {
                int height = (rowCount - row + left - 1) / left;
                ((delegate* unmanaged<Tile*, void>)(_memory.Pointer + _tiles.Offset(height, panelCount, row == 0 || height < mostRows / 2)))(&tile);
                row += height;
                tile.Rows += height * rowBytes;
                tile.Result += height * resultStride;
            }
        }
    }

    private static DenseTiles? Create(bool isBFloat16, out string refusal)
    {
        if (isBFloat16 ? !Cpuid.HasBFloat16 : !(Vector512.IsHardwareAccelerated && Avx512BW.IsSupported))
        {
            refusal = isBFloat16 ? "the processor lacks AVX512-BF16" : "the processor lacks AVX-512";
            return null;
        }
        var assembler = new Assembler();
        TileSet tiles = TileSet.Write(assembler, DenseTile.MostSums, (rows, panels, isFirst) => new DenseTile(assembler, rows, panels, isFirst, isBFloat16));
        ExecutableMemory? memory = ExecutableMemory.Create(assembler.Code, out refusal);
        if (memory is null) return null;
        var result = new DenseTiles(memory, tiles);
        if (result.Test(isBFloat16) is not { } difference) return result;
        refusal = $"their self-test failed: {difference}";
        memory.Dispose();
        return null;
    }

    /// <summary>Whole numbers, whose products are exact, through tiles of every height: null, or where the first difference is.</summary>
    private string? Test(bool isBFloat16)
    {
        const int steps = 11, mostRows = DenseTile.MostSums;
        uint* panels = stackalloc uint[2 * 16 * steps], rows = stackalloc uint[mostRows * steps];
        float* result = stackalloc float[mostRows * 32];
        for (int i = 0; i < 2 * 16 * steps; i++) panels[i] = Step(i % 7 - 3, i % 5, isBFloat16);
        for (int i = 0; i < mostRows * steps; i++) rows[i] = Step(i % 9 - 4, i % 3, isBFloat16);
        for (int panelCount = 1; panelCount <= 2; panelCount++)
        {
            for (int rowCount = 1; rowCount <= mostRows; rowCount++)
            {
                new Span<float>(result, mostRows * 32).Fill(1);
                Multiply((byte*)panels, 64 * steps, panelCount, steps, (byte*)rows, 4 * steps, rowCount, result, 32, adds: true);
                for (int row = 0; row < rowCount; row++)
                {
                    for (int lane = 0; lane < 16 * panelCount; lane++)
                    {
                        float expected = 1;
                        for (int step = 0; step < steps; step++)
                        {
                            uint x = rows[row * steps + step], y = panels[(lane / 16 * steps + step) * 16 + lane % 16];
                            expected += isBFloat16 ? Low(x) * Low(y) + High(x) * High(y) : Whole(x) * Whole(y);
                        }
                        if (result[row * 32 + lane] != expected)
                            return FormattableString.Invariant($"{rowCount} rows, {panelCount} panels: expected {expected}, found {result[row * 32 + lane]}");
                    }
                }
            }
        }
        return null;

        static float Whole(uint x) => BitConverter.UInt32BitsToSingle(x);
        static float Low(uint x) => Whole(x << 16);
        static float High(uint x) => Whole(x & 0xFFFF0000);
        static uint Step(int first, int second, bool pair) =>
            pair ? BitConverter.SingleToUInt32Bits(first) >> 16 | BitConverter.SingleToUInt32Bits(second) & 0xFFFF0000 : BitConverter.SingleToUInt32Bits(first);
    }
}
