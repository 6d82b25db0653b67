using Gemma.Formats;

namespace Gemma.Cli;

/// <summary>The synthetic model as a file, so that other programs can be measured with the same weights.</summary>
internal static class SyntheticGguf
{
    private const ulong Seed = 1;

    /// <summary>Writes it whole or not at all. It has no tokenizer, and says so in the way llama.cpp understands.</summary>
    public static void Write(string file, GemmaConfig shape, TensorType type, WriteOptions options, CancellationToken cancellation)
    {
        GgufMetadata metadata = GgufModel.Metadata(file, Path.GetFileNameWithoutExtension(file), shape);
        GgufModel.AddIds(metadata, shape);
        metadata.Set("tokenizer.ggml.model", "none");
        metadata.Set($"{metadata.String("general.architecture")}.vocab_size", (uint)shape.VocabularySize);
        metadata.Set("general.file_type", GgufTensorTypes.FileType(type));
        if (type.IsQuantised()) metadata.Set("general.quantization_version", 2u);
        var weights = new SyntheticWeights(Seed);
        // As a converted model has it.
        TensorContent[] tensors = [.. TensorTable.For(shape).Select(spec => TensorContent.Gguf(spec, TypeMix.Of(type, spec, shape), (row, destination) => weights.ReadRow(spec, row, destination)))];
        GgufWriter.Write(file, metadata, tensors, options, cancellation);
    }
}
