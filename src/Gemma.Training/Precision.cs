namespace Gemma.Training;

/// <summary>What the products of a training step are computed with. Weights, gradients, sums and everything else are fp32.</summary>
public enum Precision
{
    /// <summary>fp32.</summary>
    Float32,

    /// <summary>Both sides of each product rounded to bfloat16, summed in fp32; needs a processor with AVX512-BF16.</summary>
    BFloat16,
}
