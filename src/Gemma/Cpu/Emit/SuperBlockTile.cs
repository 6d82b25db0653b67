using Gemma.Cpu.Kernels;

namespace Gemma.Cpu.Emit;

/// <summary>
/// What the kernels for Q4_K and Q6_K panels share: a loop over super-blocks of 256 k, a step, and in it one over their eight blocks of 32. A counter of bytes of
/// scales reaches everything of a block: scales at 1 times the counter, nibbles at 8 times, upper bits at 4 times.
/// </summary>
internal abstract class SuperBlockTile(Assembler assembler, int rows, int panels, bool isFirst, WeightType type) : TileWriter(assembler, rows, panels, isFirst)
{
    private const int ScaleBytes = 32, AllScaleBytes = 8 * ScaleBytes;

    private const Gp Counter = Gp.Rdx, SecondPanel = Gp.R11;

    /// <summary>0x0F in each byte.</summary>
    protected static readonly Zmm LowMask = new(30);

    protected static readonly Zmm Value = new(28);

    protected override void WriteLoop()
    {
        Label super = new(), block = new();
        FillBytes(LowMask, 0x0F);
        WriteConstants();
        PointAtSeventhRow();
        if (Panels == 2) Code.Lea(SecondPanel, PanelAt(1)); // and the distance's register is free for the counter
        Code.Align();
        Code.Mark(super);
        Code.Mov(Counter, -AllScaleBytes);
        Code.Mark(block);
        WriteBlock();
        for (int row = 0; row < Rows; row += RowsPerBase) Code.Add(Row(row).Base, SuperBlockRow.RecordBytes(type));
        Code.Add(Counter, ScaleBytes);
        Code.Jnz(block);
        for (int panel = 0; panel < Panels; panel++) Code.Add(Base(panel), SuperBlockPanel.Bytes(type));
        Code.Sub(Steps, 1);
        Code.Jnz(super);
    }

    protected virtual void WriteConstants() { }

    /// <summary>32 k of all rows and panels.</summary>
    protected abstract void WriteBlock();

    protected void FillBytes(Zmm destination, byte value)
    {
        Code.Mov(SecondPanel, value * 0x01010101);
        Code.Vpbroadcastd(destination, SecondPanel);
    }

    /// <summary>What the panel's super-block begins with.</summary>
    protected static Memory Head(int panel, int offset = 0) => new(Base(panel), offset);

    protected static Memory Scales(int panel, int offset) => At(panel, SuperBlockPanel.ScalesOffset, 1) + offset;

    protected static Memory Nibbles(int panel, int offset) => At(panel, SuperBlockPanel.NibblesOffset, 8) + offset;

    protected static Memory UpperBits(int panel, int offset) => At(panel, SuperBlockPanel.UpperOffset, 4) + offset;

    protected Memory Values(int row, int group) => Row(row) + (SuperBlockRow.ValuesOffset(type) + group * 4);

    protected void Fetch(Zmm weights, Memory source)
    {
        Prefetch(source);
        Code.Vmovdqu32(weights, source);
    }

    /// <summary>Four k of all rows and panels.</summary>
    protected void WriteGroup(int group)
    {
        for (int row = 0; row < Rows; row++)
        {
            if (Panels == 1)
            {
                Code.Vpdpbusd(Dot(row, 0), Weights(0), Values(row, group).Broadcast);
                continue;
            }
            Code.Vpbroadcastd(Value, Values(row, group));
            for (int panel = 0; panel < Panels; panel++) Code.Vpdpbusd(Dot(row, panel), Weights(panel), Value);
        }
    }

    protected Zmm Dot(int row, int panel) => new(12 + row * Panels + panel);

    protected static Zmm Weights(int panel) => new(24 + panel);

    protected static Zmm Pairs(int panel) => new(26 + panel);

    private static Gp Base(int panel) => panel == 0 ? PanelAt(0).Base : SecondPanel;

    /// <summary>The counter goes from −256 to 0, so that its flags end the loop.</summary>
    private static Memory At(int panel, int offset, int scale) => new(Base(panel), offset + AllScaleBytes * scale, Counter, scale);
}
