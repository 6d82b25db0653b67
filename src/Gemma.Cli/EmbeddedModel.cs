using System.Reflection;
using Gemma.Formats;

namespace Gemma.Cli;

/// <summary>The model that ships inside the program (models/tiny), for when none is named.</summary>
internal static class EmbeddedModel
{
    /// <summary>What messages and statistics call it.</summary>
    public const string Name = "embedded:tiny";

    private static readonly string[] Files = ["config.json", "generation_config.json", "tokenizer.model", "model.safetensors"];

    public static ModelFiles Open() => ModelFiles.FromMemory(Name, Files.ToDictionary(file => file, Read));

    private static byte[] Read(string file)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"tiny/{file}")
            ?? throw new InvalidOperationException($"the program was built without its embedded model: {file} is missing");
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
