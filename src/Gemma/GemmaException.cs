namespace Gemma;

/// <summary>
/// A failure the user can act on. The message is one line: what is wrong, what was expected, what was found, what to do.
/// </summary>
public class GemmaException : Exception
{
    public GemmaException(string message) : base(message) { }

    public GemmaException(string message, Exception inner) : base(message, inner) { }

    /// <summary>The exit code of the program when this ends it: 1 failure, 2 usage, 3 licence or token, 4 integrity.</summary>
    public virtual int ExitCode => 1;
}

/// <summary>A file that does not hold what its format or the model demands.</summary>
public sealed class BadFileException : GemmaException
{
    /// <param name="file">Path of the file.</param>
    /// <param name="tensor">Name of the tensor or field at fault, or null when the whole file is.</param>
    /// <param name="expected">What the format or the model asks for.</param>
    /// <param name="actual">What the file holds.</param>
    /// <param name="remedy">What the user can do.</param>
    public BadFileException(string file, string? tensor, string expected, string actual, string remedy)
        : base($"{file}{(tensor is null ? "" : $": {Line(tensor)}")}: expected {Line(expected)}, found {Line(actual)}; {remedy}") { }

    public override int ExitCode => 4;

    /// <summary>Text that may come from a hostile file: one line of bearable length, and nothing that a terminal would obey.</summary>
    private static string Line(string text)
    {
        const int Longest = 200;
        string cut = text.Length <= Longest ? text : text[..(char.IsHighSurrogate(text[Longest - 1]) ? Longest - 1 : Longest)] + "…";
        return cut.AsSpan().IndexOfAnyInRange('\0', '\u001F') < 0 && cut.AsSpan().IndexOfAnyInRange('\u007F', '\u009F') < 0 ? cut
            : string.Concat(cut.Select(letter => char.IsControl(letter) ? ' ' : letter));
    }
}

/// <summary>A request that can never succeed as it was made (a flag, an option, a prompt that does not fit).</summary>
public sealed class UsageException(string message) : GemmaException(message)
{
    public override int ExitCode => 2;
}

/// <summary>Something the hub gives only to those who accepted a licence or show a token.</summary>
public sealed class AccessException(string message) : GemmaException(message)
{
    public override int ExitCode => 3;
}
