using System.Text.RegularExpressions;

namespace Gemma.Formats;

/// <summary>A model folder in Hugging Face's layout, to be written: weights, configurations, and the tokenizer where there is one.</summary>
public sealed partial class HuggingFaceFolder
{
    internal const string ConfigName = "config.json", GenerationName = "generation_config.json", TokenizerName = "tokenizer.model",
        TokenizerConfigName = "tokenizer_config.json";

    public required GemmaConfig Config { get; init; }

    /// <summary>All tensors of the table, norms as w without the 1: F32, F16 or BF16.</summary>
    public required IReadOnlyList<TensorContent> Tensors { get; init; }

    public GenerationDefaults? Defaults { get; init; }

    /// <summary>The makers' chat template (Jinja).</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>The bytes of tokenizer.model.</summary>
    public byte[]? Tokenizer { get; init; }

    /// <summary>Files by name that go into the folder as they are; one of these comes before what would be written under its name.</summary>
    public IReadOnlyDictionary<string, byte[]> Copies { get; init; } = new Dictionary<string, byte[]>();

    /// <summary>Weights beyond this many bytes are cut into several files, as the hub has it.</summary>
    public long ShardBytes { get; init; } = 5_000_000_000;

    /// <summary>Writes the folder, whole or not at all. With <see cref="WriteOptions.Force"/> it replaces a folder that holds nothing but such files.</summary>
    /// <exception cref="GemmaException">The name is taken, the configuration cannot be written down, or the disk says no.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; no folder is left.</exception>
    public void Write(string path, WriteOptions? options = null, CancellationToken cancellation = default)
    {
        using NewFolder folder = NewFolder.Create(path, (options ??= new WriteOptions()).Force, IsWritten);
        WriteInto(folder.TemporaryPath, path, options, cancellation);
        folder.Publish();
    }

    /// <summary>Writes the files, each flushed to the disk, into a folder that is there and that the caller gives its name.</summary>
    /// <param name="folder">Where the files go.</param>
    /// <param name="path">What messages call it.</param>
    internal void WriteInto(string folder, string path, WriteOptions options, CancellationToken cancellation)
    {
        byte[] config = HuggingFaceConfigWriter.Config(Config, Tensors[0].Type);
        ConfigComparison.ThrowIfComputedOtherwise(path, Config, JsonFields.Parse(Path.Combine(path, ConfigName), config, HuggingFaceConfig.Read));
        SafetensorsWriter.WriteModel(folder, Tensors, ShardBytes, options, cancellation);
        var texts = new Dictionary<string, byte[]?>
        {
            [ConfigName] = config,
            [GenerationName] = HuggingFaceConfigWriter.Generation(Config, Defaults),
            [TokenizerName] = Tokenizer,
            [TokenizerConfigName] = Tokenizer is null && ChatTemplate is null ? null : HuggingFaceConfigWriter.Tokenizer(ChatTemplate),
        };
        foreach ((string name, byte[] bytes) in Copies) texts[name] = bytes;
        NewFile.Guard(path, () =>
        {
            foreach ((string name, byte[]? bytes) in texts)
                if (bytes is not null) NewFile.Write(Path.Combine(folder, name), bytes);
            return true;
        });
    }

    /// <summary>Throws where the folder could not be written there for its name.</summary>
    internal static void CheckFree(string path, bool force) => NewFolder.CheckFree(path, force, IsWritten);

    /// <summary>Files of a model's folder, other than configuration and weights, that a copy of it should have too.</summary>
    /// <param name="files">The model.</param>
    /// <param name="withTurns">Also those that say how it takes turns, and ends them.</param>
    internal static IReadOnlyDictionary<string, byte[]> Companions(ModelFiles files, bool withTurns = true)
    {
        string[] turns = [GenerationName, TokenizerConfigName, HuggingFaceChatTemplate.FileName];
        IEnumerable<string> names = [TokenizerName, "tokenizer.json", "special_tokens_map.json", "added_tokens.json", .. withTurns ? turns : []];
        return names.Select(name => (Name: name, Bytes: files.Companion(name))).Where(file => file.Bytes is not null).ToDictionary(file => file.Name, file => file.Bytes!);
    }

    private static bool IsWritten(string name) => WrittenNames().IsMatch(name);

    [GeneratedRegex(@"^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|model\.safetensors\.index)\.json$|^tokenizer\.model$|^chat_template\.jinja$|^model(-\d{5}-of-\d{5})?\.safetensors$|^model\.\w+\.packed$")]
    private static partial Regex WrittenNames();
}
