using System.Runtime.CompilerServices;

namespace Gemma.Cpu.Kernels;

/// <summary>
/// An activation row quantised to 8 bits, with a scale for each 32 values as in <see cref="QuantizedRow"/>, as the products with Q4_K and Q6_K panels read it
/// on every tier: for each 32 values one record of a float scale, the corrections, and the 32 bytes.
/// </summary>
/// <remarks>
/// Q4_K: one correction, the float −Σa, which meets the minimum of the weights' sub-block. Q6_K: two integers −32·Σa, one for each 16 values, which take away
/// the weights' bias: they seed the sums.
/// </remarks>
internal static unsafe class SuperBlockRow
{
    public const int CorrectionOffset = 4;

    private const int Block = PackedWeights.Block;

    // Rows a multiple of this apart would share the same few places of the first-level cache.
    private const int PageBytes = 4096;

    /// <summary>Where in a record the values are.</summary>
    public static int ValuesOffset(WeightType type) => type == WeightType.Q4_K ? 8 : 12;

    /// <summary>Bytes of 32 values.</summary>
    public static int RecordBytes(WeightType type) => ValuesOffset(type) + Block;

    public static int Bytes(WeightType type, int columns)
    {
        int bytes = columns / Block * RecordBytes(type);
        return bytes % PageBytes == 0 ? bytes + 5 * 64 : bytes;
    }

    public static void Scalar(WeightType type, float* x, int columns, byte* row)
    {
        for (int k = 0; k < columns; k += Block, row += RecordBytes(type))
        {
            float max = 0;
            for (int i = 0; i < Block; i++) max = MathF.Max(max, MathF.Abs(x[k + i]));
            float inverse = QuantizedRow.Inverse(max);
            var values = (sbyte*)(row + ValuesOffset(type));
            int first = 0, second = 0;
            for (int i = 0; i < Block; i++)
            {
                values[i] = (sbyte)(int)MathF.Round(x[k + i] * inverse);
                if (i < Block / 2) first += values[i];
                else second += values[i];
            }
            WriteHead(type, row, max, first, second);
        }
    }

    public static void Vector<TLanes>(WeightType type, float* x, int columns, byte* row) where TLanes : struct, ILanes<TLanes>
    {
        // Adding 1.5 · 2^23 rounds to the nearest integer, ties to even, and leaves it in the low bits.
        TLanes magic = TLanes.Broadcast(12582912), magicBits = TLanes.BroadcastInt(-0x4B400000);
        for (int k = 0; k < columns; k += Block, row += RecordBytes(type))
        {
            TLanes low = TLanes.Load(x + k), high = TLanes.Load(x + k + 16);
            TLanes size = TLanes.Max(TLanes.Max(low, TLanes.Subtract(TLanes.Zero, low)), TLanes.Max(high, TLanes.Subtract(TLanes.Zero, high)));
            float max = TLanes.MaxLane(size);
            TLanes inverse = TLanes.Broadcast(QuantizedRow.Inverse(max));
            TLanes first = TLanes.AddInt(TLanes.Add(TLanes.Multiply(low, inverse), magic), magicBits);
            TLanes second = TLanes.AddInt(TLanes.Add(TLanes.Multiply(high, inverse), magic), magicBits);
            var values = (sbyte*)(row + ValuesOffset(type));
            TLanes.StoreBytes(first, values);
            TLanes.StoreBytes(second, values + 16);
            WriteHead(type, row, max, TLanes.SumInt(first), TLanes.SumInt(second));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteHead(WeightType type, byte* row, float max, int first, int second)
    {
        *(float*)row = max / 127;
        if (type == WeightType.Q4_K)
        {
            *(float*)(row + CorrectionOffset) = -(first + second);
            return;
        }
        *(int*)(row + CorrectionOffset) = -32 * first;
        *(int*)(row + CorrectionOffset + 4) = -32 * second;
    }
}
