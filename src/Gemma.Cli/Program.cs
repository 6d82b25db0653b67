using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using Gemma.Cli.Verbs;

namespace Gemma.Cli;

/// <summary>The one program: picks the verb, and turns whatever goes wrong into one line and an exit code.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        // Numbers are read and written the same way everywhere: 0.8 is not 8 where people write 0,8.
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;

        ParseResult flags = CreateRoot().Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
        using var screen = new Screen(flags.GetValue(Flags.Json), flags.GetValue(Flags.Quiet), flags.GetValue(Flags.Verbose));
        using var interrupt = new Interrupt();
        try
        {
            int code = await RunAsync(flags, screen, interrupt).ConfigureAwait(false);
            screen.Flush();
            return code;
        }
        catch (Exception failure)
        {
            return Failure.Report(failure, screen);
        }
    }

    private static Task<int> RunAsync(ParseResult flags, Screen screen, Interrupt interrupt)
    {
        if (flags.Action is HelpText or VersionText) return Task.FromResult(Invoke(flags, screen));
        // `gemma` alone: whoever types it wants to know what there is.
        if (flags.CommandResult.Command is RootCommand && flags.UnmatchedTokens.Count == 0) return Task.FromResult(Invoke(flags.RootCommandResult.Command.Parse("--help"), screen));
        Mistakes.Check(flags);
        return ((Verb)flags.CommandResult.Command).RunAsync(new Invocation(flags, screen, interrupt));
    }

    private static int Invoke(ParseResult flags, Screen screen) => flags.Invoke(new InvocationConfiguration { Output = screen.Out, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });

    private static RootCommand CreateRoot()
    {
        var root = new RootCommand("Gemma for .NET: runs Google's Gemma models on this machine.") { HelpName = "gemma" };
        root.Directives.Clear(); // a prompt may begin with a bracket
        root.Options.Clear();
        root.Options.Add(new HelpOption { Description = "Show help and examples.", Action = new HelpText() });
        root.Options.Add(new VersionOption { Description = "Show the version.", Action = new VersionText() });
        root.Options.Add(Flags.Json);
        root.Options.Add(Flags.Quiet);
        root.Options.Add(Flags.Verbose);
        Verb[] verbs = [new RunVerb(), new ChatVerb(), new PullVerb(), new ListVerb(), new ShowVerb(), new RmVerb(), new ConvertVerb(), new QuantizeVerb(), new TokenizeVerb(),
            new EmbedVerb(), new ScoreVerb(), new LogitsVerb(), new BenchVerb(), new DoctorVerb()];
        foreach (Verb verb in verbs) root.Subcommands.Add(verb);
        return root;
    }
}
