using Gemma.Formats;

namespace Gemma.Cpu;

/// <summary>The types weights are computed with beside those that files hold.</summary>
internal static class WeightTypes
{
    /// <summary>How a tensor of a file is kept where nobody says: as it is, or where this computes in no such type, in the nearest one that loses least.</summary>
    public static WeightType Nearest(TensorType type) => type switch
    {
        TensorType.F32 => WeightType.F32,
        TensorType.F16 or TensorType.BF16 => WeightType.BF16,
        TensorType.Q4_0 => WeightType.Q4,
        TensorType.Q4_K => WeightType.Q4_K,
        TensorType.Q6_K => WeightType.Q6_K,
        _ => WeightType.Q8,
    };

    /// <summary>The type of files that holds the same numbers.</summary>
    public static TensorType InFiles(WeightType type) => type switch
    {
        WeightType.F32 => TensorType.F32,
        WeightType.BF16 => TensorType.BF16,
        WeightType.Q8 => TensorType.Q8_0,
        WeightType.Q4 => TensorType.Q4_0,
        WeightType.Q4_K => TensorType.Q4_K,
        _ => TensorType.Q6_K,
    };

    /// <summary>How a matrix is kept where a type for the whole model is asked for.</summary>
    public static WeightType Of(WeightType type, TensorSpec spec, GemmaConfig config) => Nearest(TypeMix.Of(InFiles(type), spec, config));

    /// <summary>As a user types it.</summary>
    public static string Name(this WeightType type) => type.ToString().ToLowerInvariant();
}
