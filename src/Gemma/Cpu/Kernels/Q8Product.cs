using System.Runtime.CompilerServices;

namespace Gemma.Cpu.Kernels;

/// <summary>
/// 8-bit panels times 8-bit rows, exact in int32 within a block of 32: even and odd bytes are widened to shorts, which the 16-bit multiply-add sums without
/// saturating. The blocks are added in fp32 in ascending order, so every tile gives a row the same bits.
/// </summary>
internal static unsafe class Q8Product
{
    private const int Block = PackedWeights.Block;
    private const int PairBytes = 2 * (32 + 512);

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
                    int dot = 0;
                    for (int k = 0; k < Block; k++)
                    {
                        var group = (short*)(QuantizedRow.Values(activation, blocks) + block * 16 + k / 4 * 2);
                        dot += QuantizedPanel.Weight8(panel, output % 16, block * Block + k) * group[k % 4 / 2 + k % 2 * 2];
                    }
                    sum += QuantizedPanel.Scale(panel, output % 16, block * Block, 8) * QuantizedRow.Scales(activation)[block] * dot;
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
        TLanes sum = TLanes.Zero;
        float* scales = QuantizedRow.Scales(x);
        int* corrections = QuantizedRow.Corrections(x, blocks), values = QuantizedRow.Values(x, blocks);
        for (int block = 0; block < blocks; block++, values += 16)
        {
            byte* pair = panel + (nint)(block >> 1) * PairBytes;
            byte* w = pair + 64 + (block & 1) * 512;
            TLanes even = TLanes.BroadcastInt(corrections[block]), odd = TLanes.Zero;
            for (int group = 0; group < 8; group++)
            {
                Prefetch.After(w + group * 64);
                TLanes bytes = TLanes.LoadBytes(w + group * 64);
                even = TLanes.AddInt(even, TLanes.MultiplyAddShorts(TLanes.EvenBytes(bytes), TLanes.BroadcastInt(values[2 * group])));
                odd = TLanes.AddInt(odd, TLanes.MultiplyAddShorts(TLanes.OddBytes(bytes), TLanes.BroadcastInt(values[2 * group + 1])));
            }
            TLanes scale = TLanes.Multiply(TLanes.LoadHalves((ushort*)(pair + (block & 1) * 32)), TLanes.Broadcast(scales[block]));
            sum = TLanes.MultiplyAdd(TLanes.ToFloat(TLanes.AddInt(even, odd)), scale, sum);
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
            byte* w = pair + 64 + (block & 1) * 512;
            if (isFirst)
            {
                for (int group = 0; group < 8; group++) Prefetch.After(w + group * 64);
            }
            TLanes dot0 = TLanes.BroadcastInt(QuantizedRow.Corrections(x, blocks)[block]), dot1 = TLanes.BroadcastInt(QuantizedRow.Corrections(x1, blocks)[block]);
            TLanes dot2 = TLanes.BroadcastInt(QuantizedRow.Corrections(x2, blocks)[block]), dot3 = TLanes.BroadcastInt(QuantizedRow.Corrections(x3, blocks)[block]);
            for (int group = 0; group < 16; group += 2)
            {
                TLanes bytes = TLanes.LoadBytes(w + group * 32);
                TLanes even = TLanes.EvenBytes(bytes), odd = TLanes.OddBytes(bytes);
                dot0 = TLanes.AddInt(dot0, TLanes.MultiplyAddShorts(even, TLanes.BroadcastInt(values0[group])));
                dot1 = TLanes.AddInt(dot1, TLanes.MultiplyAddShorts(even, TLanes.BroadcastInt(values1[group])));
                dot2 = TLanes.AddInt(dot2, TLanes.MultiplyAddShorts(even, TLanes.BroadcastInt(values2[group])));
                dot3 = TLanes.AddInt(dot3, TLanes.MultiplyAddShorts(even, TLanes.BroadcastInt(values3[group])));
                dot0 = TLanes.AddInt(dot0, TLanes.MultiplyAddShorts(odd, TLanes.BroadcastInt(values0[group + 1])));
                dot1 = TLanes.AddInt(dot1, TLanes.MultiplyAddShorts(odd, TLanes.BroadcastInt(values1[group + 1])));
                dot2 = TLanes.AddInt(dot2, TLanes.MultiplyAddShorts(odd, TLanes.BroadcastInt(values2[group + 1])));
                dot3 = TLanes.AddInt(dot3, TLanes.MultiplyAddShorts(odd, TLanes.BroadcastInt(values3[group + 1])));
            }
            TLanes scale = TLanes.LoadHalves((ushort*)(pair + (block & 1) * 32));
            Accumulate(dot0, scale, QuantizedRow.Scales(x)[block], result);
            Accumulate(dot1, scale, QuantizedRow.Scales(x1)[block], result + resultStride);
            Accumulate(dot2, scale, QuantizedRow.Scales(x2)[block], result + 2 * resultStride);
            Accumulate(dot3, scale, QuantizedRow.Scales(x3)[block], result + 3 * resultStride);
            values0 += 16;
            values1 += 16;
            values2 += 16;
            values3 += 16;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static void Accumulate(TLanes dot, TLanes weightScale, float rowScale, float* sum) =>
            TLanes.Store(TLanes.MultiplyAdd(TLanes.ToFloat(dot), TLanes.Multiply(weightScale, TLanes.Broadcast(rowScale)), TLanes.Load(sum)), sum);
    }
}
