using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using Gemma.Cli.Verbs;

namespace Gemma.Cli;

/// <summary>The one program: picks the verb, and turns whatever goes wrong into one line and an exit code.</summary>
internal static class Program
{
    /// <summary>The verbs in the order of the help. To build a verb is to build its flags, and a call needs those of one.</summary>
    internal static readonly (string Name, Func<Verb> Create)[] Verbs =
    [
        ("run", static () => new RunVerb()), ("chat", static () => new ChatVerb()), ("pull", static () => new PullVerb()), ("list", static () => new ListVerb()),
        ("show", static () => new ShowVerb()), ("rm", static () => new RmVerb()), ("convert", static () => new ConvertVerb()), ("quantize", static () => new QuantizeVerb()),
        ("tokenize", static () => new TokenizeVerb()), ("tokenizer", static () => new VerbGroup("tokenizer", "Vocabularies: train one of your own.", new TokenizerTrainVerb())),
        ("data", static () => new VerbGroup("data", "Texts for training: tokenize them.", new DataTokenizeVerb())), ("train", static () => new TrainVerb()), ("tune", static () => new TuneVerb()), ("embed", static () => new EmbedVerb()), ("score", static () => new ScoreVerb()),
        ("logits", static () => new LogitsVerb()), ("bench", static () => new BenchVerb()), ("doctor", static () => new DoctorVerb()),
    ];

    private static Task<int> Main(string[] args)
    {
        if (!AsksForText(args)) ProcessorPrograms.HandOver();
        return RunAsync(args);
    }

    /// <summary>
    /// Whether nothing is computed: version and help come from the program that starts anyway, in a third of the time. Only what cannot be the value of a flag
    /// counts; whatever else is help in the end is the same from every program.
    /// </summary>
    internal static bool AsksForText(ReadOnlySpan<string> args) => args switch
    {
        [] or ["--version" or "--help" or "-h"] => true,
        [string verb, "--help" or "-h"] => Array.Exists(Verbs, known => known.Name == verb),
        _ => false,
    };

    private static async Task<int> RunAsync(string[] args)
    {
        // Numbers are read and written the same way everywhere: 0.8 is not 8 where people write 0,8.
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;

        ParseResult flags = CreateRoot(args).Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
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

    private static RootCommand CreateRoot(string[] args)
    {
        var root = new RootCommand("Gemma for .NET: runs Google's Gemma models on this machine.") { HelpName = "gemma" };
        root.Directives.Clear(); // a prompt may begin with a bracket
        root.Options.Clear();
        root.Options.Add(new HelpOption { Description = "Show help and examples.", Action = new HelpText() });
        root.Options.Add(new VersionOption { Description = "Show the version.", Action = new VersionText() });
        root.Options.Add(Flags.Json);
        root.Options.Add(Flags.Quiet);
        root.Options.Add(Flags.Verbose);
        string? first = Array.Find(args, word => !word.StartsWith('-'));
        int called = Array.FindIndex(Verbs, verb => verb.Name == first);
        foreach ((_, Func<Verb> create) in called < 0 ? Verbs : Verbs[called..(called + 1)]) root.Subcommands.Add(create());
        return root;
    }
}
