namespace Gemma.Data;

/// <summary>A line or row that is not what it should be. Readers of many go on with the next.</summary>
internal sealed class BadRowException(string file, string unit, long number, string expected, string found)
    : GemmaException(FormattableString.Invariant($"{file}, {unit} {number}: expected {expected}, found {found}; correct the {unit}"))
{
    public long Number => number;

    public string Expected => expected;

    public string Found => found;
}
