namespace Gemma.Cpu.Emit;

/// <summary>bf16 panels times bf16 rows with vdpbf16ps, summed in fp32 in ascending order of k. A step is two k.</summary>
internal sealed class BFloat16Tile(Assembler assembler, int rows, int panels, bool isFirst) : TileWriter(assembler, rows, panels, isFirst)
{
    /// <summary>Rows times panels: they leave two registers for weights and one for activations.</summary>
    public const int MostSums = 24;

    public const int StepBytes = 4;

    private const int Unrolled = 8, PanelStepBytes = 64;

    private static readonly Zmm Value = new(28);

    protected override void WriteLoop()
    {
        Label loop = new(), tail = new(), single = new(), end = new();
        Code.Sub(Steps, Unrolled);
        Code.Js(tail);
        Code.Align();
        Code.Mark(loop);
        for (int step = 0; step < Unrolled; step++) WriteStep(step);
        Advance(Unrolled * PanelStepBytes, Unrolled * StepBytes);
        Code.Sub(Steps, Unrolled);
        Code.Jns(loop);
        Code.Mark(tail);
        Code.Add(Steps, Unrolled);
        Code.Jz(end);
        Code.Mark(single);
        WriteStep(0);
        Advance(PanelStepBytes, StepBytes);
        Code.Sub(Steps, 1);
        Code.Jnz(single);
        Code.Mark(end);
    }

    private void WriteStep(int step)
    {
        for (int panel = 0; panel < Panels; panel++) Load(Weights(panel), panel, step * PanelStepBytes);
        for (int row = 0; row < Rows; row++)
        {
            Memory values = Row(row) + step * StepBytes;
            if (Panels == 1)
            {
                Code.Vdpbf16ps(Sum(row, 0), Weights(0), values.Broadcast);
                continue;
            }
            Code.Vpbroadcastd(Value, values);
            for (int panel = 0; panel < Panels; panel++) Code.Vdpbf16ps(Sum(row, panel), Weights(panel), Value);
        }
    }

    private static Zmm Weights(int panel) => new(24 + panel);
}
