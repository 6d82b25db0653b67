using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Gemma.Cli;

/// <summary>The parser's own help, with examples after it.</summary>
internal sealed class HelpText : SynchronousCommandLineAction
{
    private const int LargestWidth = 120;

    private static readonly string[] FirstSteps =
    [
        "gemma run \"Once upon a time\"",
        "gemma pull gemma-1.1-2b-it",
        "gemma chat -m gemma-1.1-2b-it",
        "gemma doctor",
    ];

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int width = Console.IsOutputRedirected ? LargestWidth : Math.Clamp(Console.WindowWidth, 40, LargestWidth);
        new HelpAction { MaxWidth = width }.Invoke(parseResult);
        TextWriter output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Examples:");
        foreach (string example in parseResult.CommandResult.Command is Verb verb ? verb.Examples : FirstSteps) output.WriteLine($"  {example}");
        return 0;
    }
}

/// <summary>The version alone, for scripts and bug reports.</summary>
internal sealed class VersionText : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public static string Version { get; } = typeof(VersionText).Assembly.GetName().Version!.ToString(3);

    public override int Invoke(ParseResult parseResult)
    {
        parseResult.InvocationConfiguration.Output.WriteLine($"gemma {Version}");
        return 0;
    }
}
