namespace Gemma.Cpu.Emit;

/// <summary>
/// bf16 panels times bf16 rows with vdpbf16ps, or fp32 ones with vfmadd231ps, summed in fp32 in ascending order of k. A step is one 32-bit value of a row: two k of
/// bf16 or one of fp32.
/// </summary>
internal sealed class DenseTile(Assembler assembler, int rows, int panels, bool isFirst, bool isBFloat16 = true, bool asksAhead = false)
    : TileWriter(assembler, rows, panels, isFirst)
{
    /// <summary>Rows times panels: they leave two registers for weights and one for activations.</summary>
    public const int MostSums = 24;

    public const int StepBytes = 4;

    /// <summary>Bytes of a panel's step.</summary>
    public const int PanelStepBytes = 64;

    /// <summary>Steps of a pass of the loop.</summary>
    public const int Unrolled = 8;

    private static readonly Zmm Value = new(28);

    protected override bool AsksAhead => asksAhead;

    protected override void WriteLoop()
    {
        Label loop = new(), tail = new(), single = new(), end = new();
        Code.Sub(Steps, Unrolled);
        Code.Js(tail);
        Code.Align();
        Code.Mark(loop);
        for (int step = 0; step < Unrolled; step++)
        {
            WriteStep(step);
            if (AsksAhead && step % 2 == 1) AskAhead(step / 2);
        }
        if (AsksAhead) AdvanceAhead();
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
                if (isBFloat16) Code.Vdpbf16ps(Sum(row, 0), Weights(0), values.Broadcast);
                else Code.Vfmadd231ps(Sum(row, 0), Weights(0), values.Broadcast);
                continue;
            }
            Code.Vpbroadcastd(Value, values);
            for (int panel = 0; panel < Panels; panel++)
            {
                if (isBFloat16) Code.Vdpbf16ps(Sum(row, panel), Weights(panel), Value);
                else Code.Vfmadd231ps(Sum(row, panel), Weights(panel), Value);
            }
        }
    }

    private static Zmm Weights(int panel) => new(24 + panel);
}
