namespace Gemma.Generation;

/// <summary>
/// How long a pass takes by its rows, on this machine with this model: so much for a pass and so much for each row, of which the latest measurements count most.
/// It says how fast an answer comes, never what it is.
/// </summary>
/// <remarks>
/// What a row costs is learnt from passes that follow each other and have different numbers of rows. On a machine that others use too the time of a pass drifts
/// by more than a row costs, and a line through passes further apart would show the drift.
/// </remarks>
internal sealed class PassTime
{
    /// <summary>More rows are a prompt's affair, and say nothing of few.</summary>
    public const int MostRows = 128;

    private const double Memory = 0.9;

    /// <summary>What another row costs while nobody has seen one, in passes of one row: half to twice of it is usual.</summary>
    private const double UsualRow = 1 / 8.0;

    private double _rows, _seconds; // means
    private double _moreRows, _moreSeconds; // sums over pairs of passes, of the larger less the smaller
    private int _lastRows;
    private double _lastSeconds;

    /// <summary>Whether any pass has been measured.</summary>
    public bool IsKnown => _lastRows > 0;

    /// <summary>Seconds that a row more takes.</summary>
    public double SecondsPerRow => _moreRows > 0 ? Math.Max(0, _moreSeconds / _moreRows) : UsualRow * _seconds / (1 + UsualRow * (_rows - 1));

    /// <summary>Seconds that a pass of so many rows takes.</summary>
    public double Seconds(int rows) => Math.Max(0, _seconds + SecondsPerRow * (rows - _rows));

    public void Add(int rows, double seconds)
    {
        _rows = IsKnown ? Memory * _rows + (1 - Memory) * rows : rows;
        _seconds = IsKnown ? Memory * _seconds + (1 - Memory) * seconds : seconds;
        if (IsKnown && rows != _lastRows)
        {
            _moreRows = Memory * _moreRows + Math.Abs(rows - _lastRows);
            _moreSeconds = Memory * _moreSeconds + Math.Sign(rows - _lastRows) * (seconds - _lastSeconds);
        }
        (_lastRows, _lastSeconds) = (rows, seconds);
    }
}
