namespace Gemma.Cpu;

/// <summary>Weights of a linear map, [output features, input features], in the panels the kernels read.</summary>
internal sealed class PackedWeights
{
    public required WeightType Type { get; init; }

    /// <summary>Output features.</summary>
    public required int Rows { get; init; }

    /// <summary>Input features.</summary>
    public required int Columns { get; init; }
}
