namespace Gemma.Tokenization;

/// <summary>
/// Finds the longest of some texts that begins at a place: the user-defined pieces, which are taken out of the text before anything is merged.
/// The texts are sorted; each further byte narrows the range of those that still match.
/// </summary>
internal sealed class PrefixMatcher
{
    private readonly (byte[] Text, int Id)[] _sorted;
    private readonly (int From, int To)[] _byFirst = new (int, int)[256];

    /// <param name="texts">Different from each other, and none empty.</param>
    public PrefixMatcher(IEnumerable<(byte[] Text, int Id)> texts)
    {
        _sorted = [.. texts];
        Array.Sort(_sorted, (a, b) => a.Text.AsSpan().SequenceCompareTo(b.Text));
        for (int from = 0, to; from < _sorted.Length; from = to)
        {
            byte first = _sorted[from].Text[0];
            for (to = from + 1; to < _sorted.Length && _sorted[to].Text[0] == first;) to++;
            _byFirst[first] = (from, to);
        }
    }

    /// <summary>Whether any of the texts begins with this byte.</summary>
    public bool CanBegin(byte first) => _byFirst[first].To > 0;

    /// <summary>The longest that <paramref name="text"/> begins with: its number of bytes, or 0.</summary>
    public int Match(ReadOnlySpan<byte> text, out int id)
    {
        int length = 0;
        id = -1;
        (int from, int to) = _byFirst[text[0]];
        for (int depth = 1; from < to; depth++)
        {
            if (_sorted[from].Text.Length == depth) (length, id) = (depth, _sorted[from++].Id); // the shortest of a range comes first
            if (depth == text.Length) break;
            (from, to) = Narrow(from, to, depth, text[depth]);
        }
        return length;
    }

    private (int From, int To) Narrow(int from, int to, int depth, byte next)
    {
        if (from == to || next < _sorted[from].Text[depth] || next > _sorted[to - 1].Text[depth]) return (0, 0);
        int low = FirstFrom(from, to, depth, next);
        return (low, next == byte.MaxValue ? to : FirstFrom(low, to, depth, (byte)(next + 1)));
    }

    /// <summary>The first whose byte at a depth is at least <paramref name="least"/>.</summary>
    private int FirstFrom(int from, int to, int depth, byte least)
    {
        while (from < to)
        {
            int middle = (from + to) >>> 1;
            if (_sorted[middle].Text[depth] < least) from = middle + 1;
            else to = middle;
        }
        return from;
    }
}
