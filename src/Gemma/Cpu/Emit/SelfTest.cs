using System.Runtime.InteropServices;
using Gemma.Cpu.Kernels;
using Gemma.Formats;

namespace Gemma.Cpu.Emit;

/// <summary>Emitted kernels against the scalar twin before they are used: every tile once, with whole numbers, whose sums are exact.</summary>
internal static unsafe class SelfTest
{
    private const int Columns = 256, Outputs = 2 * PackedWeights.PanelRows, MostRows = DenseTile.MostSums;

    /// <summary>Null, or the first difference.</summary>
    public static string? Run(CpuKernels kernels)
    {
        using var team = new ThreadTeam(1);
        using var memory = new NativeBuffer((Outputs + MostRows) * Columns * sizeof(float));
        float* weights = (float*)memory.Pointer, x = weights + Outputs * Columns;
        Fill(x, MostRows * Columns, 127, 127, 40961);
        foreach (WeightType type in (WeightType[])[WeightType.Q8, WeightType.Q4, WeightType.BF16])
        {
            int most = type == WeightType.Q4 ? 8 : 127;
            Fill(weights, Outputs * Columns, most, -most, 12289);
            using PackedWeights packed = PackedWeights.Pack(type, Outputs, Columns,
                (row, destination) => new ReadOnlySpan<float>(weights + row * Columns, Columns).CopyTo(destination), kernels, team);
            if (Run(kernels, packed, x) is { } difference) return difference;
        }
        foreach (WeightType type in (WeightType[])[WeightType.Q4_K, WeightType.Q6_K])
        {
            using PackedWeights packed = PackedWeights.Pack(type, Outputs, Columns, row => Blocks(type, (uint)row), team);
            if (Run(kernels, packed, x) is { } difference) return difference;
        }
        return null;
    }

    /// <summary>Super-blocks of any bits but for the factors of their scales, which are 1, and scales within ±15: so the sums are exact.</summary>
    private static byte[] Blocks(WeightType type, uint seed)
    {
        TensorType blocks = type == WeightType.Q4_K ? TensorType.Q4_K : TensorType.Q6_K;
        int blockBytes = blocks.BlockBytes();
        byte[] row = new byte[Columns / PackedWeights.SuperBlock * blockBytes];
        for (int i = 0; i < row.Length; i++)
        {
            seed = seed * 1664525 + 1013904223;
            row[i] = (byte)(seed >> 24);
        }
        for (int start = 0; start < row.Length; start += blockBytes)
        {
            Span<byte> block = row.AsSpan(start, blockBytes);
            if (type == WeightType.Q4_K)
            {
                MemoryMarshal.Write(block, Half.One);
                MemoryMarshal.Write(block[2..], Half.One);
                foreach (ref byte bits in block.Slice(4, 8)) bits &= 0x0F;
            }
            else
            {
                MemoryMarshal.Write(block[208..], Half.One);
                foreach (ref byte bits in block.Slice(192, 16)) bits = (byte)((sbyte)bits / 8);
            }
        }
        return row;
    }

    private static string? Run(CpuKernels kernels, PackedWeights weights, float* x)
    {
        using var memory = new NativeBuffer(2 * MostRows * Outputs * sizeof(float));
        float* expected = (float*)memory.Pointer, actual = expected + MostRows * Outputs;
        Multiply(new ScalarKernels(), weights, x, MostRows, 2, expected);
        for (int rows = 1; rows <= MostRows; rows++)
        {
            for (int panels = 1; panels <= 2; panels++)
            {
                Multiply(kernels, weights, x, rows, panels, actual);
                for (int i = 0; i < rows * Outputs; i++)
                {
                    if (i % Outputs < panels * PackedWeights.PanelRows && actual[i] != expected[i])
                        return FormattableString.Invariant($"{weights.Type}, {rows} rows times {panels} panels: row {i / Outputs} output {i % Outputs} is {actual[i]}, expected {expected[i]}");
                }
            }
        }
        return null;
    }

    private static void Multiply(CpuKernels kernels, PackedWeights weights, float* x, int rows, int panels, float* result)
    {
        byte* prepared = (byte*)x;
        nint stride = Columns * sizeof(float);
        using var memory = new NativeBuffer((nuint)(rows * kernels.PreparedBytes(weights.Type, Columns)));
        if (kernels.Prepares(weights.Type))
        {
            stride = kernels.PreparedBytes(weights.Type, Columns);
            prepared = memory.Pointer;
            for (int row = 0; row < rows; row++) kernels.Prepare(weights.Type, x + row * Columns, Columns, Columns, prepared + row * stride);
        }
        kernels.Multiply(weights.Type, weights.Panel(0), weights.PanelBytes, panels, Columns, prepared, stride, rows, result, Outputs);
    }

    /// <summary>Whole numbers of less than <paramref name="most"/> without order; the first of each block is the largest, so that its scale is 1.</summary>
    private static void Fill(float* values, int count, int most, float largest, uint seed)
    {
        for (int i = 0; i < count; i++)
        {
            seed = seed * 1664525 + 1013904223;
            values[i] = i % PackedWeights.Block == 0 ? largest : (int)(seed >> 8) % (2 * most - 1) - most + 1;
        }
    }
}
