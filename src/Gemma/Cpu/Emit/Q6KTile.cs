using Gemma.Cpu.Kernels;

namespace Gemma.Cpu.Emit;

/// <summary>Q6_K panels times 8-bit rows with vpdpbusd: the sums and roundings of <see cref="Q6KProduct"/>.</summary>
internal sealed class Q6KTile(Assembler assembler, int rows, int panels, bool isFirst) : SuperBlockTile(assembler, rows, panels, isFirst, WeightType.Q6_K)
{
    // a | b & c of destination, first and second operand.
    private const byte OrMasked = 0xF8;

    /// <summary>Bits 4 and 5 of each byte.</summary>
    private static readonly Zmm UpperMask = new(29);

    protected override void WriteConstants() => FillBytes(UpperMask, 0x30);

    protected override void WriteBlock()
    {
        for (int half = 0; half < 2; half++)
        {
            for (int row = 0; row < Rows; row++)
            {
                Code.Vpbroadcastd(Dot(row, 0), Row(row) + (SuperBlockRow.CorrectionOffset + half * 4));
                if (Panels == 2) Code.Vmovdqa32(Dot(row, 1), Dot(row, 0));
            }
            for (int pair = 0; pair < 2; pair++)
            {
                for (int panel = 0; panel < Panels; panel++)
                {
                    Fetch(Pairs(panel), Nibbles(panel, half * 128 + pair * 64));
                    WriteWeights(panel, half, pair);
                }
                WriteGroup(half * 4 + pair);
                for (int panel = 0; panel < Panels; panel++)
                {
                    Code.Vpsrld(Pairs(panel), Pairs(panel), 4);
                    WriteWeights(panel, half, pair + 2);
                }
                WriteGroup(half * 4 + pair + 2);
            }
            for (int panel = 0; panel < Panels; panel++)
            {
                Code.Vpmovsxbd(Weights(panel), Scales(panel, half * 16));
                Code.Vcvtdq2ps(Weights(panel), Weights(panel));
                Code.Vmulps(Weights(panel), Weights(panel), Head(panel));
            }
            ForEachSum((row, panel) =>
            {
                Code.Vcvtdq2ps(Dot(row, panel), Dot(row, panel));
                Code.Vmulps(Dot(row, panel), Dot(row, panel), Weights(panel));
                Code.Vfmadd231ps(Sum(row, panel), Dot(row, panel), Row(row).Broadcast);
            });
        }
    }

    /// <summary>The low nibbles at hand with their two upper bits, which are moved to bits 4 and 5.</summary>
    private void WriteWeights(int panel, int half, int group)
    {
        Memory upper = UpperBits(panel, half * 64);
        if (group == 0) Fetch(Weights(panel), upper);
        else Code.Vmovdqu32(Weights(panel), upper);
        if (group < 2) Code.Vpslld(Weights(panel), Weights(panel), (byte)(4 - 2 * group));
        else if (group == 3) Code.Vpsrld(Weights(panel), Weights(panel), 2);
        Code.Vpandd(Weights(panel), Weights(panel), UpperMask);
        Code.Vpternlogd(Weights(panel), Pairs(panel), LowMask, OrMasked);
    }
}
