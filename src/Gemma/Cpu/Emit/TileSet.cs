namespace Gemma.Cpu.Emit;

/// <summary>Where in the emitted code the tiles of one type of weights are.</summary>
internal sealed class TileSet
{
    // What one base register for the first six rows and one for the others reach.
    private const int MostRowsOfAny = 12;

    private readonly int _mostSums;

    // By rows, panels, and whether the tile is the first to read its weights.
    private readonly int[] _offsets = new int[4 * MostRowsOfAny];

    private TileSet(int mostSums) => _mostSums = mostSums;

    /// <param name="assembler">Takes the code.</param>
    /// <param name="mostSums">Most rows times panels of a tile.</param>
    /// <param name="tile">The writer for some rows, panels, and for the first tile that reads its weights or a later one.</param>
    public static TileSet Write(Assembler assembler, int mostSums, Func<int, int, bool, TileWriter> tile)
    {
        var set = new TileSet(mostSums);
        for (int panels = 1; panels <= 2; panels++)
        {
            int most = set.MostRows(panels);
            for (int rows = 1; rows <= most; rows++)
            {
                Add(rows, panels, true);
                // Rows are shared out evenly: no later tile is smaller.
                if (rows >= most / 2) Add(rows, panels, false);
            }
        }
        return set;

        void Add(int rows, int panels, bool isFirst)
        {
            assembler.Align();
            set._offsets[Index(rows, panels, isFirst)] = assembler.Position;
            tile(rows, panels, isFirst).Write();
        }
    }

    /// <summary>The tallest tile of one panel or of two.</summary>
    public int MostRows(int panels) => Math.Min(MostRowsOfAny, _mostSums / panels);

    public int Offset(int rows, int panels, bool isFirst) => _offsets[Index(rows, panels, isFirst)];

    private static int Index(int rows, int panels, bool isFirst) => 4 * (rows - 1) + 2 * (panels - 1) + (isFirst ? 1 : 0);
}
