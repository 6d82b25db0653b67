using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Gemma.Cpu;
using Gemma.Cpu.Emit;
using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>Both sides rounded to bf16, two k in each unit, summed in fp32.</summary>
internal sealed unsafe class BFloat16Products(DenseTiles tiles) : ProductKernels
{
    public override int Units(int k) => (k + 1) / 2;

    public override bool Reads(WeightType type) => type == WeightType.BF16;

    public override void Multiply(byte* panels, nint panelBytes, int panelCount, int units, byte* rows, nint rowBytes, int rowCount, float* result, nint resultStride, bool adds) =>
        tiles.Multiply(panels, panelBytes, panelCount, units, rows, rowBytes, rowCount, result, resultStride, adds);

    public override void Row(float* x, int k, byte* row) => EmittedRow.Round(x, k, 2 * Units(k), row);

    public override void RowsOfColumns(float* x, nint stride, int k, int columns, byte* rows, nint rowBytes)
    {
        float* square = stackalloc float[16 * PanelRows];
        int units = Units(k);
        for (int unit = 0; unit < units; unit += 16)
        {
            int count = Math.Min(16, units - unit);
            for (int column = 0; column < columns; column += PanelRows)
            {
                int width = Math.Min(PanelRows, columns - column);
                for (int i = 0; i < count; i++) Pairs(x, stride, k, 2 * (unit + i), column, width, square + i * PanelRows);
                Transpose.Run(square, PanelRows, count, width, (float*)(rows + column * rowBytes) + unit, rowBytes / sizeof(float));
            }
        }
    }

    public override void PanelOfRows(float* x, nint stride, int rows, int k, byte* panel)
    {
        float* square = stackalloc float[PanelRows * 16];
        new Span<float>(square, PanelRows * 16).Clear();
        int units = Units(k);
        for (int unit = 0; unit < units; unit += 16)
        {
            int count = Math.Min(16, units - unit), values = Math.Min(32, k - 2 * unit);
            for (int row = 0; row < rows; row++) EmittedRow.Round(x + row * stride + 2 * unit, values, 2 * count, (byte*)(square + row * 16));
            Transpose.Run(square, 16, PanelRows, count, (float*)(panel + (nint)unit * PanelUnit), PanelRows);
        }
    }

    public override void PanelOfColumns(float* x, nint stride, int k, int columns, byte* panel)
    {
        int units = Units(k);
        for (int unit = 0; unit < units; unit++, panel += PanelUnit) Pairs(x, stride, k, 2 * unit, 0, columns, (float*)panel);
    }

    /// <summary>Rows k and k + 1 of up to 16 columns, the later in the upper halves; what is missing is zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pairs(float* x, nint stride, int end, int k, int column, int width, float* pairs)
    {
        float* first = x + k * stride + column;
        if (width == PanelRows)
        {
            Vector512<uint> even = Rounded(Vector512.Load(first)) >>> 16;
            if (k + 1 < end) even |= Rounded(Vector512.Load(first + stride)) & Vector512.Create(0xFFFF0000);
            even.Store((uint*)pairs);
            return;
        }
        new Span<float>(pairs, PanelRows).Clear();
        for (int i = 0; i < width; i++)
            ((uint*)pairs)[i] = BFloat16.FromSingle(first[i]) | (k + 1 < end ? (uint)BFloat16.FromSingle(first[stride + i]) << 16 : 0);
    }

    /// <summary>To nearest, ties to even, in the upper halves; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Rounded(Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32(), rounded = bits + Vector512.Create(0x7FFFu) + (bits >>> 16 & Vector512<uint>.One);
        return Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), rounded, bits | Vector512.Create(0x00400000u));
    }
}
