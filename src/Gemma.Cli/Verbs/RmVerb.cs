using System.CommandLine;
using Gemma.Cpu;
using Gemma.Hub;

namespace Gemma.Cli.Verbs;

/// <summary>A model out of the cache.</summary>
internal sealed class RmVerb : Verb
{
    private readonly Argument<string[]> _models = new("MODEL") { Arity = ArgumentArity.OneOrMore, Description = "Hub id or alias; with @REVISION only that revision. With --packed also a folder or file." };
    private readonly Option<bool> _packed = new("--packed") { Description = "Remove only the packed weights that were kept of it for the next start." };

    public RmVerb() : base("rm", "Remove models from the cache of this machine. Other programs that use the same cache lose them too.", "gemma rm gemma-1.1-2b-it", "gemma rm --packed gemma-2b.gguf")
    {
        Arguments.Add(_models);
        AddFlags(_packed);
    }

    public override Task<int> RunAsync(Invocation call)
    {
        var cache = ModelCache.FromEnvironment();
        foreach (string model in call.Get(_models)!)
        {
            bool packed = call.Get(_packed);
            string name = packed && Path.Exists(model) ? model : ModelReference.Parse(model).ToString();
            long bytes = packed ? RemovePacked(cache, model) : cache.Remove(model);
            if (call.Screen.Json)
            {
                call.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("model", name);
                    json.WriteNumber("freed_bytes", bytes);
                    json.WriteEndObject();
                });
            }
            call.Screen.Note($"{name}: {(packed ? "packed weights " : "")}removed, {Amount.Bytes(bytes)} are free again");
        }
        return Task.FromResult(0);
    }

    private static long RemovePacked(ModelCache cache, string model)
    {
        try
        {
            return WeightCache.Remove(cache.ResolveModel(model));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException($"{model}: packed weights cannot be removed ({failure.Message}); close the programs that use it, and check the permissions", failure);
        }
    }
}
