using System.CommandLine;

namespace Gemma.Cli;

/// <summary>One verb of the program: its flags, its help, and what it does.</summary>
internal abstract class Verb : Command
{
    /// <param name="name">What is typed.</param>
    /// <param name="description">What it does, in one line for the list of verbs; more lines follow it in the verb's own help.</param>
    /// <param name="examples">Whole command lines.</param>
    protected Verb(string name, string description, params string[] examples) : base(name, description) => Examples = examples;

    public IReadOnlyList<string> Examples { get; }

    /// <summary>Does it and returns the exit code; failures are exceptions.</summary>
    public abstract Task<int> RunAsync(Invocation call);

    protected void AddFlags(params ReadOnlySpan<Option> options)
    {
        foreach (Option option in options) Options.Add(option);
    }
}
