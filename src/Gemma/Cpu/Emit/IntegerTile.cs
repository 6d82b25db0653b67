using Gemma.Cpu.Kernels;

namespace Gemma.Cpu.Emit;

/// <summary>
/// 8- or 4-bit panels times 8-bit rows with vpdpbusd: exact in int32 within a block of 32, seeded with the correction for the weights' bias; then the blocks
/// are added in fp32 in ascending order, each as dot · (scale of the weights · scale of the row). A step is two blocks.
/// </summary>
internal sealed class IntegerTile(Assembler assembler, int rows, int panels, int bits, bool isFirst) : TileWriter(assembler, rows, panels, isFirst)
{
    /// <summary>Rows times panels: 12 sums and 12 dots leave eight registers.</summary>
    public const int MostSums = 12;

    private const int ScaleBytes = 32, Groups = 8;

    private static readonly Zmm Value = new(28), Mask = new(30), Scale = new(31);

    // Four bits take more computing for each line than eight, so one row gains too (3 to 8 %).
    protected override bool Prefetches => base.Prefetches || Rows == 1 && bits == 4;

    protected override void WriteLoop()
    {
        var loop = new Label();
        if (bits == 4)
        {
            Code.Mov(Gp.R11, 0x0F0F0F0F);
            Code.Vpbroadcastd(Mask, Gp.R11);
            PointAtSeventhRow();
        }
        Code.Align();
        Code.Mark(loop);
        for (int panel = 0; panel < Panels; panel++) Prefetch(panel, 0);
        for (int block = 0; block < 2; block++) WriteBlock(block);
        Advance(2 * QuantizedPanel.BlockBytes(bits), EmittedRow.StepBytes);
        Code.Sub(Steps, 1);
        Code.Jnz(loop);
    }

    private void WriteBlock(int block)
    {
        for (int row = 0; row < Rows; row++)
        {
            Code.Vpbroadcastd(Dot(row, 0), Row(row) + EmittedRow.Correction(block));
            if (Panels == 2) Code.Vmovdqa32(Dot(row, 1), Dot(row, 0));
        }
        int weights = 2 * ScaleBytes + block * Groups * 8 * bits;
        if (bits == 8)
        {
            for (int group = 0; group < Groups; group++)
            {
                for (int panel = 0; panel < Panels; panel++) Load(Weights(panel), panel, weights + group * 64);
                WriteGroup(block, group);
            }
        }
        else
        {
            for (int group = 0; group < Groups / 2; group++)
            {
                for (int panel = 0; panel < Panels; panel++)
                {
                    Load(Nibbles(panel), panel, weights + group * 64);
                    Code.Vpandd(Weights(panel), Nibbles(panel), Mask);
                }
                WriteGroup(block, group);
                for (int panel = 0; panel < Panels; panel++)
                {
                    Code.Vpsrld(Nibbles(panel), Nibbles(panel), 4);
                    Code.Vpandd(Weights(panel), Nibbles(panel), Mask);
                }
                WriteGroup(block, group + Groups / 2);
            }
        }
        for (int panel = 0; panel < Panels; panel++) Code.Vcvtph2ps(Weights(panel), PanelAt(panel) + block * ScaleBytes);
        ForEachSum((row, panel) =>
        {
            Code.Vcvtdq2ps(Dot(row, panel), Dot(row, panel));
            Code.Vmulps(Scale, Weights(panel), (Row(row) + EmittedRow.Scale(block)).Broadcast);
            Code.Vfmadd231ps(Sum(row, panel), Dot(row, panel), Scale);
        });
    }

    /// <summary>Four k of all rows and panels.</summary>
    private void WriteGroup(int block, int group)
    {
        for (int row = 0; row < Rows; row++)
        {
            Memory values = Row(row) + EmittedRow.Values(block, group);
            if (Panels == 1)
            {
                Code.Vpdpbusd(Dot(row, 0), Weights(0), values.Broadcast);
                continue;
            }
            Code.Vpbroadcastd(Value, values);
            for (int panel = 0; panel < Panels; panel++) Code.Vpdpbusd(Dot(row, panel), Weights(panel), Value);
        }
    }

    private Zmm Dot(int row, int panel) => new(12 + row * Panels + panel);

    private static Zmm Weights(int panel) => new(24 + panel);

    private static Zmm Nibbles(int panel) => new(26 + panel);
}
