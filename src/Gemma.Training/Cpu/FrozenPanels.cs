using System.Runtime.Intrinsics;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>Pieces of packed weights as fp32, for who makes panels of another kind of them.</summary>
internal static unsafe class FrozenPanels
{
    public const int Side = PackedWeights.PanelRows;

    /// <summary>The types weights that are not trained may be kept in.</summary>
    public static bool Reads(WeightType type) => type is WeightType.F32 or WeightType.BF16 or WeightType.Q8;

    /// <summary>16 k of a panel's 16 rows: [k][row].</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="panel">The panel.</param>
    /// <param name="k">First k, a multiple of 16.</param>
    /// <param name="square">Where they go.</param>
    /// <param name="stride">Floats from a k to the next there.</param>
    public static void Read(PackedWeights weights, int panel, int k, float* square, int stride = Side)
    {
        byte* source = weights.Panel(panel);
        switch (weights.Type)
        {
            case WeightType.F32:
                for (int i = 0; i < Side; i++) Vector512.Load((float*)source + (nint)(k + i) * Side).Store(square + i * stride);
                break;
            case WeightType.BF16:
                ReadPairs((uint*)(source + (nint)k * Side * sizeof(ushort)), square, stride);
                break;
            default:
                ReadBytes(source, k, square, stride);
                break;
        }
    }

    /// <summary>[pair of k][row][k of the pair].</summary>
    private static void ReadPairs(uint* pairs, float* square, int stride)
    {
        for (int i = 0; i < Side / 2; i++, pairs += Side, square += 2 * stride)
        {
            Vector512<uint> both = Vector512.Load(pairs);
            (both << 16).AsSingle().Store(square);
            (both & Vector512.Create(0xFFFF0000)).AsSingle().Store(square + stride);
        }
    }

    /// <summary>[group of four k][row][k of the group], each with 128 added, and a scale for each row.</summary>
    private static void ReadBytes(byte* panel, int k, float* square, int stride)
    {
        int block = k / PackedWeights.Block;
        var scales = (Half*)QuantizedPanel.Scales(panel, block, 8);
        float* wide = stackalloc float[Side];
        for (int row = 0; row < Side; row++) wide[row] = (float)scales[row];
        Vector512<float> scale = Vector512.Load(wide);
        Vector512<int> bias = Vector512.Create(128), low = Vector512.Create(0xFF);
        var groups = (int*)(QuantizedPanel.Values(panel, block, 8) + k % PackedWeights.Block * Side);
        for (int group = 0; group < Side / 4; group++, groups += Side)
        {
            Vector512<int> four = Vector512.Load(groups);
            for (int i = 0; i < 4; i++, square += stride)
                (Vector512.ConvertToSingle((four >>> 8 * i & low) - bias) * scale).Store(square);
        }
    }
}
