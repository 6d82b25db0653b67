using System.Runtime.CompilerServices;

namespace Gemma.Cpu.Kernels;

/// <summary>
/// 4-bit panels times 8-bit rows. Nibbles 0 … 15 by bytes −127 … 127: a block's eight partial sums stay within ±30,480, so they are added in int16 and
/// widened once. Exact within a block; the blocks are added in fp32 in ascending order.
/// </summary>
internal static unsafe class Q4Product
{
    private const int Block = PackedWeights.Block;
    private const int PairBytes = 2 * (32 + 256);
    private const int Ones = 0x00010001;

    public static void Scalar(byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result, nint resultStride)
    {
        int blocks = columns / Block;
        for (int row = 0; row < rows; row++)
        {
            byte* activation = x + row * stride;
            for (int output = 0; output < 16 * panelCount; output++)
            {
                byte* panel = panels + output / 16 * panelBytes;
                float sum = 0;
                for (int block = 0; block < blocks; block++)
                {
                    var values = (sbyte*)(QuantizedRow.Values(activation, blocks) + block * 8);
                    int dot = 0;
                    for (int k = 0; k < Block; k++) dot += QuantizedPanel.Weight4(panel, output % 16, block * Block + k) * values[k];
                    sum += QuantizedPanel.Scale(panel, output % 16, block * Block, 4) * QuantizedRow.Scales(activation)[block] * dot;
                }
                result[row * resultStride + output] = sum;
            }
        }
    }

    public static void Vector<TLanes>(byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result,
        nint resultStride) where TLanes : struct, ILanes<TLanes>
    {
        int blocks = columns / Block;
        for (int panel = 0; panel < panelCount; panel++, panels += panelBytes, result += 16)
        {
            int row = 0;
            for (; row + 4 <= rows; row += 4) Tile4<TLanes>(panels, blocks, x + row * stride, stride, row == 0, result + row * resultStride, resultStride);
            for (; row < rows; row++) Tile1<TLanes>(panels, blocks, x + row * stride, result + row * resultStride);
        }
    }

    private static void Tile1<TLanes>(byte* panel, int blocks, byte* x, float* result) where TLanes : struct, ILanes<TLanes>
    {
        TLanes sum = TLanes.Zero, ones = TLanes.BroadcastInt(Ones);
        float* scales = QuantizedRow.Scales(x);
        int* corrections = QuantizedRow.Corrections(x, blocks), values = QuantizedRow.Values(x, blocks);
        for (int block = 0; block < blocks; block++, values += 8)
        {
            byte* pair = panel + (nint)(block >> 1) * PairBytes;
            byte* w = pair + 64 + (block & 1) * 256;
            TLanes low = TLanes.Zero, high = TLanes.Zero;
            for (int group = 0; group < 4; group++)
            {
                Prefetch.After(w + group * 64);
                TLanes bytes = TLanes.LoadBytes(w + group * 64);
                low = TLanes.AddShort(low, TLanes.MultiplyAddBytes(TLanes.LowNibbles(bytes), TLanes.BroadcastInt(values[group])));
                high = TLanes.AddShort(high, TLanes.MultiplyAddBytes(TLanes.HighNibbles(bytes), TLanes.BroadcastInt(values[group + 4])));
            }
            TLanes dot = TLanes.AddInt(TLanes.MultiplyAddShorts(TLanes.AddShort(low, high), ones), TLanes.BroadcastInt(corrections[block]));
            TLanes scale = TLanes.Multiply(TLanes.LoadHalves((ushort*)(pair + (block & 1) * 32)), TLanes.Broadcast(scales[block]));
            sum = TLanes.MultiplyAdd(TLanes.ToFloat(dot), scale, sum);
        }
        TLanes.Store(sum, result);
    }

    /// <summary>The sums lie in the result: with two registers for sixteen lanes there are none left for them beside the dots.</summary>
    private static void Tile4<TLanes>(byte* panel, int blocks, byte* x, nint stride, bool isFirst, float* result, nint resultStride)
        where TLanes : struct, ILanes<TLanes>
    {
        byte* x1 = x + stride, x2 = x1 + stride, x3 = x2 + stride;
        int* values0 = QuantizedRow.Values(x, blocks), values1 = QuantizedRow.Values(x1, blocks);
        int* values2 = QuantizedRow.Values(x2, blocks), values3 = QuantizedRow.Values(x3, blocks);
        for (int row = 0; row < 4; row++) TLanes.Store(TLanes.Zero, result + row * resultStride);
        for (int block = 0; block < blocks; block++)
        {
            byte* pair = panel + (nint)(block >> 1) * PairBytes;
            byte* w = pair + 64 + (block & 1) * 256;
            if (isFirst)
            {
                for (int group = 0; group < 4; group++) Prefetch.After(w + group * 64);
            }
            TLanes dot0 = TLanes.Zero, dot1 = TLanes.Zero, dot2 = TLanes.Zero, dot3 = TLanes.Zero;
            for (int group = 0; group < 4; group++)
            {
                TLanes bytes = TLanes.LoadBytes(w + group * 64);
                TLanes low = TLanes.LowNibbles(bytes), high = TLanes.HighNibbles(bytes);
                dot0 = TLanes.AddShort(dot0, TLanes.MultiplyAddBytes(low, TLanes.BroadcastInt(values0[group])));
                dot1 = TLanes.AddShort(dot1, TLanes.MultiplyAddBytes(low, TLanes.BroadcastInt(values1[group])));
                dot2 = TLanes.AddShort(dot2, TLanes.MultiplyAddBytes(low, TLanes.BroadcastInt(values2[group])));
                dot3 = TLanes.AddShort(dot3, TLanes.MultiplyAddBytes(low, TLanes.BroadcastInt(values3[group])));
                dot0 = TLanes.AddShort(dot0, TLanes.MultiplyAddBytes(high, TLanes.BroadcastInt(values0[group + 4])));
                dot1 = TLanes.AddShort(dot1, TLanes.MultiplyAddBytes(high, TLanes.BroadcastInt(values1[group + 4])));
                dot2 = TLanes.AddShort(dot2, TLanes.MultiplyAddBytes(high, TLanes.BroadcastInt(values2[group + 4])));
                dot3 = TLanes.AddShort(dot3, TLanes.MultiplyAddBytes(high, TLanes.BroadcastInt(values3[group + 4])));
            }
            TLanes scale = TLanes.LoadHalves((ushort*)(pair + (block & 1) * 32));
            Accumulate(dot0, x, block, blocks, scale, result);
            Accumulate(dot1, x1, block, blocks, scale, result + resultStride);
            Accumulate(dot2, x2, block, blocks, scale, result + 2 * resultStride);
            Accumulate(dot3, x3, block, blocks, scale, result + 3 * resultStride);
            values0 += 8;
            values1 += 8;
            values2 += 8;
            values3 += 8;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static void Accumulate(TLanes dot, byte* x, int block, int blocks, TLanes weightScale, float* sum)
        {
            TLanes whole = TLanes.AddInt(TLanes.MultiplyAddShorts(dot, TLanes.BroadcastInt(Ones)), TLanes.BroadcastInt(QuantizedRow.Corrections(x, blocks)[block]));
            TLanes scale = TLanes.Multiply(weightScale, TLanes.Broadcast(QuantizedRow.Scales(x)[block]));
            TLanes.Store(TLanes.MultiplyAdd(TLanes.ToFloat(whole), scale, TLanes.Load(sum)), sum);
        }
    }
}
