using Gemma.Cpu;
using Gemma.Cpu.Emit;
using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>
/// Both sides of a matrix product as its tiles read them, and the tiles. One side is rows, k contiguous; the other panels of 16 rows side by side, k outside. A unit of
/// k is 32 bits in both: one fp32, or two bf16. Each side can be made from a matrix whose k runs along its rows, or down its columns: so the same tiles compute
/// x · wᵀ, x · w and xᵀ · w.
/// </summary>
internal abstract unsafe class ProductKernels
{
    public const int PanelRows = 16;

    /// <summary>Bytes of a unit of a row, and of one of a panel.</summary>
    public const int RowUnit = 4, PanelUnit = RowUnit * PanelRows;

    /// <summary>The kernels of a precision on this processor.</summary>
    /// <exception cref="UsageException">It has none.</exception>
    public static ProductKernels For(Precision precision, CpuKernels kernels)
    {
        bool isVector512 = kernels.Isa >= Isa.Avx512;
        string refusal = FormattableString.Invariant($"the kernels in use are {kernels.Name}");
        if (precision == Precision.BFloat16)
        {
            return isVector512 && DenseTiles.Shared(true, out refusal) is { } tiles ? new BFloat16Products(tiles)
                : throw new UsageException($"training in bf16 needs AVX512-BF16, and {refusal}: train in fp32");
        }
        return new SingleProducts(kernels, isVector512 ? DenseTiles.Shared(false, out _) : null);
    }

    /// <summary>How many units k takes; what pads the last is zero.</summary>
    public abstract int Units(int k);

    /// <summary>result[row, 16 · panelCount] = or += rows · panels, over <paramref name="units"/> from where the pointers stand.</summary>
    public abstract void Multiply(byte* panels, nint panelBytes, int panelCount, int units, byte* rows, nint rowBytes, int rowCount, float* result, nint resultStride, bool adds);

    /// <summary>One row from a row.</summary>
    public abstract void Row(float* x, int k, byte* row);

    /// <summary>Rows from columns: row c is column c of x, whose rows are k.</summary>
    public abstract void RowsOfColumns(float* x, nint stride, int k, int columns, byte* rows, nint rowBytes);

    /// <summary>A panel from up to 16 rows.</summary>
    public abstract void PanelOfRows(float* x, nint stride, int rows, int k, byte* panel);

    /// <summary>A panel from up to 16 columns of x, whose rows are k.</summary>
    public abstract void PanelOfColumns(float* x, nint stride, int k, int columns, byte* panel);

    /// <summary>Bytes from row to row for so many units: rows a multiple of 4 KiB apart would share the same few places of the first-level cache.</summary>
    public static nint RowBytes(int units)
    {
        nint bytes = ((nint)units * RowUnit + 63) & ~63;
        return bytes % 1024 == 0 ? bytes + 64 : bytes;
    }

    /// <summary>Whether rows are fp32 as they are, where k fills whole units.</summary>
    public virtual bool ReadsSingles => false;

    /// <summary>Rows from rows: made in scratch, or those of x themselves where they are what the tiles read.</summary>
    public byte* Rows(float* x, nint stride, int rows, int k, byte* scratch, out nint rowBytes)
    {
        if (ReadsSingles && Units(k) == k && stride % 256 != 0)
        {
            rowBytes = stride * sizeof(float);
            return (byte*)x;
        }
        rowBytes = RowBytes(Units(k));
        for (int row = 0; row < rows; row++) Row(x + row * stride, k, scratch + row * rowBytes);
        return scratch;
    }

    /// <summary>Whether panels of inference in this type are what the tiles read.</summary>
    public abstract bool Reads(WeightType type);

    /// <summary>All panels of a product over a whole side.</summary>
    public void MultiplyAll(byte* panels, nint panelBytes, int panelCount, int units, byte* rows, nint rowBytes, int rowCount, float* result, nint resultStride, bool adds)
    {
        for (int panel = 0; panel < panelCount; panel += 2)
        {
            Multiply(panels + panel * panelBytes, panelBytes, Math.Min(2, panelCount - panel), units, rows, rowBytes, rowCount, result + panel * PanelRows, resultStride, adds);
        }
    }
}
