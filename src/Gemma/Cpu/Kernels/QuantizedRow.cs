using System.Runtime.CompilerServices;

namespace Gemma.Cpu.Kernels;

/// <summary>
/// An activation row quantised to 8 bits, with a scale for each 32 values, in the order the products with 8- and 4-bit panels read it:
/// float scales[blocks], int corrections[blocks], then the values of each block.
/// </summary>
/// <remarks>
/// Weights are stored with a bias (128 or 8) that the products do not remove: Σ(w + bias)·a = Σw·a + bias·Σa. The correction −bias·Σa seeds the sum.
/// For 8-bit weights a block is 8 groups of shorts a0, a2, a1, a3 (even and odd bytes of the weights are multiplied apart); for 4-bit weights 32 bytes.
/// </remarks>
internal static unsafe class QuantizedRow
{
    private const int Block = PackedWeights.Block;

    public static int Bytes(WeightType type, int columns) => columns / Block * (8 + (type == WeightType.Q8 ? 64 : 32));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float* Scales(byte* row) => (float*)row;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int* Corrections(byte* row, int blocks) => (int*)row + blocks;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int* Values(byte* row, int blocks) => (int*)row + 2 * blocks;

    public static void Scalar(WeightType type, float* x, int columns, int padded, byte* row)
    {
        float* block = stackalloc float[Block];
        int* q = stackalloc int[Block];
        for (int i = 0; i < padded / Block; i++)
        {
            Fill(x, columns, i, block);
            float max = 0;
            for (int k = 0; k < Block; k++) max = MathF.Max(max, MathF.Abs(block[k]));
            float inverse = Inverse(max);
            for (int k = 0; k < Block; k++) q[k] = (int)MathF.Round(block[k] * inverse);
            Write(type, row, padded / Block, i, max / 127, q);
        }
    }

    public static void Vector<TLanes>(WeightType type, float* x, int columns, int padded, byte* row) where TLanes : struct, ILanes<TLanes>
    {
        // Adding 1.5 · 2^23 rounds to the nearest integer, ties to even, and leaves it in the low bits.
        const float magic = 12582912;
        float* tail = stackalloc float[Block];
        float* rounded = stackalloc float[Block];
        TLanes shift = TLanes.Broadcast(magic);
        for (int i = 0; i < padded / Block; i++)
        {
            float* block = x + i * Block;
            if ((i + 1) * Block > columns) Fill(x, columns, i, block = tail);
            TLanes low = TLanes.Load(block), high = TLanes.Load(block + 16);
            TLanes size = TLanes.Max(TLanes.Max(low, TLanes.Subtract(TLanes.Zero, low)), TLanes.Max(high, TLanes.Subtract(TLanes.Zero, high)));
            float max = TLanes.MaxLane(size);
            TLanes inverse = TLanes.Broadcast(Inverse(max));
            TLanes.Store(TLanes.Add(TLanes.Multiply(low, inverse), shift), rounded);
            TLanes.Store(TLanes.Add(TLanes.Multiply(high, inverse), shift), rounded + 16);
            int* q = (int*)rounded;
            for (int k = 0; k < Block; k++) q[k] -= 0x4B400000;
            Write(type, row, padded / Block, i, max / 127, q);
        }
    }

    /// <summary>Steps for each unit; 0 for a block so small that the steps would pass fp32's range: it counts as zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Inverse(float max) => max > 1e-35f ? 127 / max : 0;

    private static void Fill(float* x, int columns, int block, float* destination)
    {
        for (int k = 0; k < Block; k++) destination[k] = block * Block + k < columns ? x[block * Block + k] : 0;
    }

    private static void Write(WeightType type, byte* row, int blocks, int block, float scale, int* q)
    {
        int sum = 0;
        for (int k = 0; k < Block; k++) sum += q[k];
        Scales(row)[block] = scale;
        if (type == WeightType.Q8)
        {
            Corrections(row, blocks)[block] = -128 * sum;
            int* pairs = Values(row, blocks) + block * 16;
            for (int k = 0; k < Block; k += 4)
            {
                pairs[k / 2] = (ushort)q[k] | q[k + 2] << 16;
                pairs[k / 2 + 1] = (ushort)q[k + 1] | q[k + 3] << 16;
            }
        }
        else
        {
            Corrections(row, blocks)[block] = -8 * sum;
            var bytes = (sbyte*)(Values(row, blocks) + block * 8);
            for (int k = 0; k < Block; k++) bytes[k] = (sbyte)q[k];
        }
    }
}
