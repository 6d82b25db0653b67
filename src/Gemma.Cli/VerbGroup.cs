namespace Gemma.Cli;

/// <summary>A word before several verbs, such as <c>data</c> in <c>gemma data tokenize</c>.</summary>
internal sealed class VerbGroup : Verb
{
    private readonly Verb[] _verbs;

    public VerbGroup(string name, string description, params Verb[] verbs) : base(name, description, [.. verbs.SelectMany(verb => verb.Examples)])
    {
        _verbs = verbs;
        foreach (Verb verb in verbs) Subcommands.Add(verb);
    }

    public override Task<int> RunAsync(Invocation call) =>
        throw new UsageException($"gemma {Name}: expected {string.Join(" or ", _verbs.Select(verb => verb.Name))} after it; see gemma {Name} --help");
}
