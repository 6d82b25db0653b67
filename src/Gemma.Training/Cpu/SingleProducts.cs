using System.Runtime.Intrinsics;
using Gemma.Cpu;
using Gemma.Cpu.Emit;
using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>Products in fp32: in emitted tiles where the processor has AVX-512, else in the kernels of inference.</summary>
internal sealed unsafe class SingleProducts(CpuKernels kernels, DenseTiles? tiles) : ProductKernels
{
    private const int TileRows = 24, TileColumns = 2 * PanelRows;

    /// <summary>The kernels of inference take k in pairs.</summary>
    public override int Units(int k) => (k + 1) & ~1;

    public override bool ReadsSingles => true;

    public override bool Reads(WeightType type) => type == WeightType.F32;

    public override void Multiply(byte* panels, nint panelBytes, int panelCount, int units, byte* rows, nint rowBytes, int rowCount, float* result, nint resultStride, bool adds)
    {
        if (tiles is not null)
        {
            tiles.Multiply(panels, panelBytes, panelCount, units, rows, rowBytes, rowCount, result, resultStride, adds);
            return;
        }
        if (!adds)
        {
            kernels.MultiplySingles(WeightType.F32, panels, panelBytes, panelCount, units, (float*)rows, rowBytes / sizeof(float), rowCount, result, resultStride);
            return;
        }
        float* tile = stackalloc float[TileRows * TileColumns];
        for (int done = 0; done < rowCount; done += TileRows)
        {
            int count = Math.Min(TileRows, rowCount - done);
            kernels.MultiplySingles(WeightType.F32, panels, panelBytes, panelCount, units, (float*)(rows + done * rowBytes), rowBytes / sizeof(float), count, tile, TileColumns);
            for (int row = 0; row < count; row++)
            {
                float* sums = result + (done + row) * resultStride;
                kernels.Add(sums, tile + row * TileColumns, panelCount * PanelRows, sums);
            }
        }
    }

    public override void Row(float* x, int k, byte* row)
    {
        new ReadOnlySpan<float>(x, k).CopyTo(new Span<float>(row, k));
        if (Units(k) > k) ((float*)row)[k] = 0;
    }

    public override void RowsOfColumns(float* x, nint stride, int k, int columns, byte* rows, nint rowBytes)
    {
        Transpose.Run(x, stride, k, columns, (float*)rows, rowBytes / sizeof(float));
        if (Units(k) == k) return;
        for (int column = 0; column < columns; column++) ((float*)(rows + column * rowBytes))[k] = 0;
    }

    public override void PanelOfRows(float* x, nint stride, int rows, int k, byte* panel)
    {
        if (rows < PanelRows || Units(k) > k) new Span<float>(panel, Units(k) * PanelRows).Clear();
        Transpose.Run(x, stride, rows, k, (float*)panel, PanelRows);
    }

    public override void PanelOfColumns(float* x, nint stride, int k, int columns, byte* panel)
    {
        if (columns < PanelRows || Units(k) > k) new Span<float>(panel, Units(k) * PanelRows).Clear();
        if (columns == PanelRows)
        {
            for (int i = 0; i < k; i++, x += stride, panel += PanelUnit) Vector512.Load(x).Store((float*)panel);
            return;
        }
        for (int i = 0; i < k; i++) new ReadOnlySpan<float>(x + i * stride, columns).CopyTo(new Span<float>(panel + (nint)i * PanelUnit, columns));
    }
}
