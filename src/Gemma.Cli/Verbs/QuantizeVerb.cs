using System.CommandLine;
using Gemma.Formats;

namespace Gemma.Cli.Verbs;

/// <summary>Weights of fewer bits.</summary>
internal sealed class QuantizeVerb : Verb
{
    private readonly Argument<string> _source = new("IN") { Description = "Folder, .safetensors or .gguf file, hub id or alias." };
    private readonly Argument<string> _destination = new("OUT") { Description = "A .gguf file." };
    private readonly Option<string> _type = new("--type") { Description = "q8 (8.5 bits a weight), q6_k (6.6), q4_k_m (4.5 for most, 6.6 where it matters) or q4 (4.5; the embedding, which is also the head, keeps 8.5).", HelpName = "TYPE", Required = true };

    public QuantizeVerb() : base("quantize", "Make a GGUF file with weights of 8 to 4 bits. To quantise only in memory, use --quant of run and the others.",
        "gemma quantize gemma-1.1-2b-it gemma-1.1-2b-it-q8.gguf --type q8",
        "gemma quantize gemma-1.1-2b-it gemma-1.1-2b-it-Q4_K_M.gguf --type q4_k_m")
    {
        Arguments.Add(_source);
        Arguments.Add(_destination);
        AddFlags(_type, Flags.Force, Setting.Threads.Flag, Flags.Offline);
    }

    public override Task<int> RunAsync(Invocation call)
    {
        string destination = call.Get(_destination)!;
        if (!destination.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)) throw new UsageException($"{destination}: expected the name of a .gguf file, which holds quantised weights");
        return Conversion.RunAsync(call, call.Get(_source)!, destination, Conversion.ParseType(call.Get(_type)!, TensorType.Q8_0, TensorType.Q6_K, TensorType.Q4_K, TensorType.Q4_0), "quantising");
    }
}
