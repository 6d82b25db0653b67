using System.CommandLine;
using Gemma.Formats;

namespace Gemma.Cli.Verbs;

/// <summary>Between the formats.</summary>
internal sealed class ConvertVerb : Verb
{
    private readonly Argument<string> _source = new("IN") { Description = "Folder, .safetensors or .gguf file, hub id or alias." };
    private readonly Argument<string> _destination = new("OUT") { Description = "A .gguf file, or a folder that gets safetensors." };
    private readonly Option<string?> _type = new("--type") { Description = "f32, f16 or bf16, and into GGUF also q8_0, q6_k, q4_k or q4_0; without it every number is kept.", HelpName = "TYPE" };

    private readonly Option<string?> _adapter = new("--adapter") { Description = "A folder with a low-rank adapter (LoRA, in PEFT's layout) that is merged into the weights.", HelpName = "FOLDER" };

    public ConvertVerb() : base("convert", "Between safetensors and GGUF. Without --type nothing is lost; what the new format has no place for is said.",
        "gemma convert gemma-1.1-2b-it gemma-1.1-2b-it.gguf",
        "gemma convert gemma-2b.gguf gemma-2b --type bf16",
        "gemma convert gemma-1.1-2b-it tuned.gguf --adapter tuned-lora --type q8_0")
    {
        Arguments.Add(_source);
        Arguments.Add(_destination);
        AddFlags(_type, _adapter, Flags.Force, Setting.Threads.Flag, Flags.Offline);
    }

    public override Task<int> RunAsync(Invocation call)
    {
        TensorType? type = call.Get(_type) is string text ? Conversion.ParseType(text, TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.Q8_0, TensorType.Q6_K, TensorType.Q4_K, TensorType.Q4_0) : null;
        return Conversion.RunAsync(call, call.Get(_source)!, call.Get(_destination)!, type, "converting", call.Get(_adapter));
    }
}
