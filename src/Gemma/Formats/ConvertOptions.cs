using System.Collections.Immutable;

namespace Gemma.Formats;

/// <summary>How a model is converted or quantised.</summary>
public sealed record ConvertOptions : WriteOptions
{
    /// <summary>
    /// Type of the matrices: F32, F16 or BF16, and into GGUF also Q8_0, Q6_K, Q4_K or Q4_0. Null keeps every number: the types stay in GGUF, and a folder gets the
    /// source's type where it can hold it, F32 for quantised weights.
    /// </summary>
    public TensorType? Type { get; init; }

    /// <summary>An adapter that is merged into the weights: W + scale · B · A, summed in fp64 and rounded once to what is written.</summary>
    public LoraAdapter? Adapter { get; init; }
}

/// <summary>What a conversion came to.</summary>
/// <param name="Path">What was written.</param>
/// <param name="Type">Type of the matrices.</param>
/// <param name="TensorBytes">Bytes of the tensors.</param>
/// <param name="Notes">What the new files do not hold of the old: one line each, for the user to see. Empty where nothing was lost.</param>
public sealed record ConversionResult(string Path, TensorType Type, long TensorBytes, ImmutableArray<string> Notes);
