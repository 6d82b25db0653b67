using System.CommandLine;

namespace Gemma.Cli;

/// <summary>Flags that more than one verb has, besides those of <see cref="Setting"/>.</summary>
internal static class Flags
{
    public static Option<bool> Json { get; } = new("--json") { Description = "One JSON value (or one a line) on standard output, for scripts.", Recursive = true };

    public static Option<bool> Quiet { get; } = new("--quiet", "-q") { Description = "No progress and no statistics on standard error.", Recursive = true };

    public static Option<bool> Verbose { get; } = new("--verbose") { Description = "When the first token came; with a failure, where in the program it came from.", Recursive = true };

    public static Option<string?> File { get; } = new("--file", "-f") { Description = "Read the text from this file; - is standard input.", HelpName = "FILE" };

    public static Option<string?> Ids { get; } = new("--ids") { Description = "Token ids instead of text, such as 2,17,99. Nothing is added to them.", HelpName = "IDS" };

    public static Option<bool> Force { get; } = new("--force") { Description = "Replace what has the name already." };

    public static Option<bool> Offline { get; } = new("--offline") { Description = "Never ask the hub; only what is in the cache." };

    public static Option<string?> Adapter { get; } = new("--adapter") { Description = "A folder with a low-rank adapter (LoRA, in PEFT's layout) that is added to the model.", HelpName = "FOLDER" };

    /// <summary>What names a model and says how to hold it.</summary>
    public static Option[] Model { get; } = [Setting.Model.Flag, Setting.Quant.Flag, Setting.Head.Flag, Setting.Threads.Flag, Setting.WeightCache.Flag, Offline];
}
