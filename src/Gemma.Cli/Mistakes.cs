using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;

namespace Gemma.Cli;

/// <summary>What is wrong with a command line, in one line that names the part and what to do.</summary>
internal static partial class Mistakes
{
    /// <exception cref="UsageException">The first mistake.</exception>
    public static void Check(ParseResult flags)
    {
        Command command = flags.CommandResult.Command;
        string help = $"see gemma {Words(command)}--help";
        if (FindUnknownFlag(flags) is string flag)
        {
            IEnumerable<string> known = command.Options.Concat(flags.RootCommandResult.Command.Options).SelectMany(option => (string[])[option.Name, .. option.Aliases]);
            string name = flag.Split('=')[0];
            throw new UsageException($"{name}: there is no such flag{Spelling.Suggest(name, known)}; {help} (a text that begins with a dash goes after --)");
        }
        if (flags.Errors.Count == 0) return;
        if (command is VerbGroup && flags.UnmatchedTokens.Count == 0) return; // which says itself what is missing
        if (command is RootCommand or VerbGroup && flags.UnmatchedTokens is [string verb, ..])
            throw new UsageException($"{verb}: there is no such verb{Spelling.Suggest(verb, command.Subcommands.Select(known => known.Name))}; {help}");
        throw new UsageException($"{flags.Errors[0].Message.TrimEnd('.')}; {help}");
    }

    /// <summary>The words that name a verb, each with a space after it.</summary>
    private static string Words(Command command) => command is RootCommand ? "" : Words(command.Parents.OfType<Command>().First()) + command.Name + " ";

    /// <summary>
    /// The parser takes a flag it does not know for an argument where it can, and a misspelt flag would become part of the prompt. Only what follows a
    /// double dash may look like a flag.
    /// </summary>
    private static string? FindUnknownFlag(ParseResult flags)
    {
        HashSet<Token> arguments = new(flags.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens), ReferenceEqualityComparer.Instance);
        HashSet<string> unmatched = [.. flags.UnmatchedTokens];
        foreach (Token token in flags.Tokens)
        {
            if (token.Type == TokenType.DoubleDash) break;
            if ((arguments.Contains(token) || unmatched.Contains(token.Value)) && FlagPattern().IsMatch(token.Value)) return token.Value;
        }
        return null;
    }

    [GeneratedRegex(@"\A--?[A-Za-z][A-Za-z0-9-]*(=.*)?\z", RegexOptions.Singleline)]
    private static partial Regex FlagPattern();
}
