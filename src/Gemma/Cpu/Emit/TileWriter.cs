namespace Gemma.Cpu.Emit;

/// <summary>
/// The frame that all kernels share: a tile of <paramref name="rows"/> × <paramref name="panels"/> sums in registers, a loop over k, and the addresses of rows.
/// Only registers that a callee may change are used (System V calling convention), so nothing is saved.
/// </summary>
internal abstract class TileWriter(Assembler assembler, int rows, int panels, bool isFirst)
{
    // One base register reaches six rows: multiples 0, 1, 2, 4 of the distance by scaling it, 3 and 5 through registers of their own.
    protected const int RowsPerBase = 6;
    private const int BytesAhead = 8192;
    private const Gp Arguments = Gp.Rdi, Panel = Gp.Rax, PanelDistance = Gp.Rdx, FirstRow = Gp.Rsi, SeventhRow = Gp.R11, Ahead = Gp.Rbx;
    private const Gp Distance = Gp.R8, Distance3 = Gp.R9, Distance5 = Gp.R10;

    protected const Gp Steps = Gp.Rcx;

    protected Assembler Code => assembler;

    protected int Rows => rows;

    protected int Panels => panels;

    public void Write()
    {
        var fresh = new Label();
        var begin = new Label();
        PointAtRows(Tile.ResultOffset, Tile.ResultBytesOffset);
        assembler.Mov(Steps, new Memory(Arguments, Tile.ContinuesOffset));
        assembler.Test(Steps, Steps);
        assembler.Jz(fresh);
        ForEachSum((row, panel) => assembler.Vmovups(Sum(row, panel), Row(row) + panel * 64));
        assembler.Jmp(begin);
        assembler.Mark(fresh);
        ForEachSum((row, panel) => assembler.Vpxord(Sum(row, panel), Sum(row, panel), Sum(row, panel)));
        assembler.Mark(begin);
        PointAtRows(Tile.RowsOffset, Tile.RowBytesOffset);
        assembler.Mov(Panel, new Memory(Arguments, Tile.PanelsOffset));
        assembler.Mov(PanelDistance, new Memory(Arguments, Tile.PanelBytesOffset));
        assembler.Mov(Steps, new Memory(Arguments, Tile.StepsOffset));
        if (AsksAhead)
        {
            assembler.Push(Ahead);
            assembler.Mov(Ahead, new Memory(Arguments, Tile.AheadOffset));
        }
        WriteLoop();
        if (AsksAhead) assembler.Pop(Ahead);
        PointAtRows(Tile.ResultOffset, Tile.ResultBytesOffset);
        ForEachSum((row, panel) => assembler.Vmovups(Row(row) + panel * 64, Sum(row, panel)));
        assembler.Vzeroupper();
        assembler.Ret();
    }

    /// <summary>The loop over k: <see cref="Steps"/> holds how long it is.</summary>
    protected abstract void WriteLoop();

    /// <summary>The accumulators are the first registers.</summary>
    protected Zmm Sum(int row, int panel) => new(row * panels + panel);

    protected static Memory Row(int row) => new(row < RowsPerBase ? FirstRow : SeventhRow, Index: (row % RowsPerBase) switch
    {
        0 => null,
        3 => Distance3,
        5 => Distance5,
        _ => Distance,
    }, Scale: row % RowsPerBase is 2 or 4 ? row % RowsPerBase : 1);

    /// <summary>Loads 64 bytes of weights.</summary>
    protected void Load(Zmm weights, int panel, int offset)
    {
        Prefetch(panel, offset);
        assembler.Vmovdqu32(weights, PanelAt(panel) + offset);
    }

    /// <summary>Asks for weights that a step to come reads.</summary>
    protected void Prefetch(int panel, int offset) => Prefetch(PanelAt(panel) + offset);

    /// <inheritdoc cref="Prefetch(int, int)"/>
    protected void Prefetch(Memory weights)
    {
        if (Prefetches) assembler.Prefetcht0(weights + BytesAhead / panels);
    }

    /// <summary>
    /// The first tile to read weights reads them from memory. Where it computes longer on each line than memory needs to bring it, the processor looks too
    /// little ahead by itself, and the hardware's prefetch stops at each 4 KiB. A single row goes on fast enough: asking would only cost.
    /// </summary>
    protected virtual bool Prefetches => isFirst && rows > 1;

    /// <summary>
    /// Whether each of several tiles asks for its share of the weights that come next, so that memory is busy all the time and not only while the first tile computes.
    /// </summary>
    protected virtual bool AsksAhead => false;

    /// <summary>Asks for some lines of each panel at the place that goes forward with <see cref="AdvanceAhead"/>.</summary>
    protected void AskAhead(int line)
    {
        for (int panel = 0; panel < panels; panel++) assembler.Prefetcht0(new Memory(Ahead, line * 64, panel == 0 ? null : PanelDistance));
    }

    protected void AdvanceAhead() => assembler.Add(Ahead, new Memory(Arguments, Tile.AheadStepBytesOffset));

    protected static Memory PanelAt(int panel) => new(Panel, Index: panel == 0 ? null : PanelDistance);

    protected void Advance(int panelBytes, int rowBytes)
    {
        assembler.Add(Panel, panelBytes);
        assembler.Add(FirstRow, rowBytes);
        if (rows > RowsPerBase) assembler.Add(SeventhRow, rowBytes);
    }

    protected void ForEachSum(Action<int, int> action)
    {
        for (int row = 0; row < rows; row++)
            for (int panel = 0; panel < panels; panel++) action(row, panel);
    }

    private void PointAtRows(int start, int distance)
    {
        assembler.Mov(FirstRow, new Memory(Arguments, start));
        assembler.Mov(Distance, new Memory(Arguments, distance));
        assembler.Lea(Distance3, new Memory(Distance, Index: Distance, Scale: 2));
        assembler.Lea(Distance5, new Memory(Distance, Index: Distance, Scale: 4));
        PointAtSeventhRow();
    }

    /// <summary>Its register is free before the loop.</summary>
    protected void PointAtSeventhRow()
    {
        if (rows > RowsPerBase) assembler.Lea(SeventhRow, new Memory(FirstRow, Index: Distance3, Scale: 2));
    }
}
