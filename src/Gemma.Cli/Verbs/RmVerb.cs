using System.CommandLine;
using Gemma.Hub;

namespace Gemma.Cli.Verbs;

/// <summary>A model out of the cache.</summary>
internal sealed class RmVerb : Verb
{
    private readonly Argument<string[]> _models = new("MODEL") { Arity = ArgumentArity.OneOrMore, Description = "Hub id or alias; with @REVISION only that revision." };

    public RmVerb() : base("rm", "Remove models from the cache of this machine. Other programs that use the same cache lose them too.", "gemma rm gemma-1.1-2b-it") => Arguments.Add(_models);

    public override Task<int> RunAsync(Invocation call)
    {
        var cache = ModelCache.FromEnvironment();
        foreach (string model in call.Get(_models)!)
        {
            long bytes = cache.Remove(model);
            if (call.Screen.Json)
            {
                call.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("model", ModelReference.Parse(model).ToString());
                    json.WriteNumber("freed_bytes", bytes);
                    json.WriteEndObject();
                });
            }
            call.Screen.Note($"{ModelReference.Parse(model)}: removed, {Amount.Bytes(bytes)} are free again");
        }
        return Task.FromResult(0);
    }
}
