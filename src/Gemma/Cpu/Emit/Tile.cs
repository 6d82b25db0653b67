using System.Runtime.InteropServices;

namespace Gemma.Cpu.Emit;

/// <summary>What an emitted kernel is called with: some rows times one or two panels, over a stretch of k. The kernels read the fields by offset.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Tile
{
    public const int PanelsOffset = 0, PanelBytesOffset = 8, RowsOffset = 16, RowBytesOffset = 24, ResultOffset = 32, ResultBytesOffset = 40, StepsOffset = 48,
        ContinuesOffset = 56, AheadOffset = 64, AheadStepBytesOffset = 72;

    /// <summary>Where the stretch starts in the first panel.</summary>
    public byte* Panels;

    /// <summary>From there to the same place in the second.</summary>
    public nint PanelBytes;

    /// <summary>Where the stretch starts in the first prepared row.</summary>
    public byte* Rows;

    public nint RowBytes;

    public float* Result;

    public nint ResultBytes;

    /// <summary>Length of the stretch, in the kernel's unit.</summary>
    public nint Steps;

    /// <summary>Not 0: the result holds the sums of the stretches before this one, and they go on.</summary>
    public nint Continues;

    /// <summary>What of the first panel a later stretch will read and this tile asks for.</summary>
    public byte* Ahead;

    /// <summary>Bytes from what one pass of the loop asks for to what the next does.</summary>
    public nint AheadStepBytes;
}
