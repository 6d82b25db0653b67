using Gemma.Cpu.Kernels;

namespace Gemma.Cpu.Emit;

/// <summary>Q4_K panels times 8-bit rows with vpdpbusd: the sums and roundings of <see cref="Q4KProduct"/>.</summary>
internal sealed class Q4KTile(Assembler assembler, int rows, int panels, bool isFirst) : SuperBlockTile(assembler, rows, panels, isFirst, WeightType.Q4_K)
{
    private const int Groups = 8;

    protected override void WriteBlock()
    {
        ForEachSum((row, panel) => Code.Vpxord(Dot(row, panel), Dot(row, panel), Dot(row, panel)));
        for (int group = 0; group < Groups / 2; group++)
        {
            for (int panel = 0; panel < Panels; panel++)
            {
                Fetch(Pairs(panel), Nibbles(panel, group * 64));
                Code.Vpandd(Weights(panel), Pairs(panel), LowMask);
            }
            WriteGroup(group);
            for (int panel = 0; panel < Panels; panel++)
            {
                Code.Vpsrld(Pairs(panel), Pairs(panel), 4);
                Code.Vpandd(Weights(panel), Pairs(panel), LowMask);
            }
            WriteGroup(group + Groups / 2);
        }
        for (int panel = 0; panel < Panels; panel++)
        {
            WriteScale(Scale(panel), panel, 0, 0);
            WriteScale(Minimum(panel), panel, 16, SuperBlockPanel.MinimumOffset);
        }
        ForEachSum((row, panel) =>
        {
            Code.Vcvtdq2ps(Dot(row, panel), Dot(row, panel));
            Code.Vmulps(Dot(row, panel), Dot(row, panel), Scale(panel));
            Code.Vfmadd231ps(Dot(row, panel), Minimum(panel), (Row(row) + SuperBlockRow.CorrectionOffset).Broadcast);
            Code.Vfmadd231ps(Sum(row, panel), Dot(row, panel), Row(row).Broadcast);
        });
    }

    private void WriteScale(Zmm scale, int panel, int integers, int factors)
    {
        Code.Vpmovzxbd(scale, Scales(panel, integers));
        Code.Vcvtdq2ps(scale, scale);
        Code.Vcvtph2ps(Value, Head(panel, factors));
        Code.Vmulps(scale, scale, Value);
    }

    // The registers of the weights, which are not needed by then.
    private static Zmm Scale(int panel) => Weights(panel);

    private static Zmm Minimum(int panel) => Pairs(panel);
}
