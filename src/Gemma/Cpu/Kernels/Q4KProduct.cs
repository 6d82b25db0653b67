using System.Runtime.CompilerServices;

namespace Gemma.Cpu.Kernels;

/// <summary>
/// Q4_K panels times 8-bit rows. Within 32 k the products of nibbles and bytes are exact: eight partial sums stay within ±30,480 in int16 and are widened once.
/// Then in fp32, in ascending order of k: t = dot · (d · scale) − (m · minimum) · Σa, and sum += t · (scale of the row).
/// </summary>
internal static unsafe class Q4KProduct
{
    private const int Ones = 0x00010001, Blocks = 8, RecordBytes = 40, ValuesOffset = 8;

    private static readonly int PanelBytes = SuperBlockPanel.Bytes(WeightType.Q4_K);

    public static void Scalar(byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result, nint resultStride)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int output = 0; output < 16 * panelCount; output++)
            {
                byte* panel = panels + output / 16 * panelBytes, record = x + row * stride;
                int lane = output % 16;
                float sum = 0;
                for (int k = 0; k < columns; k += PackedWeights.Block, record += RecordBytes)
                {
                    byte* super = panel + (nint)(k / PackedWeights.SuperBlock) * PanelBytes;
                    int start = k % PackedWeights.SuperBlock, dot = 0;
                    for (int i = 0; i < PackedWeights.Block; i++) dot += SuperBlockPanel.Value4(super, lane, start + i) * ((sbyte*)record)[ValuesOffset + i];
                    float t = dot * SuperBlockPanel.Scale4(super, lane, start);
                    t += SuperBlockPanel.Minimum4(super, lane, start) * *(float*)(record + SuperBlockRow.CorrectionOffset);
                    sum += t * *(float*)record;
                }
                result[row * resultStride + output] = sum;
            }
        }
    }

    public static void Vector<TLanes>(byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result,
        nint resultStride) where TLanes : struct, ILanes<TLanes>
    {
        int supers = columns / PackedWeights.SuperBlock;
        for (int panel = 0; panel < panelCount; panel++, panels += panelBytes, result += 16)
        {
            int row = 0;
            for (; row + 4 <= rows; row += 4) Tile4<TLanes>(panels, supers, x + row * stride, stride, result + row * resultStride, resultStride);
            for (; row < rows; row++) Tile1<TLanes>(panels, supers, x + row * stride, result + row * resultStride);
        }
    }

    private static void Tile1<TLanes>(byte* panel, int supers, byte* x, float* result) where TLanes : struct, ILanes<TLanes>
    {
        TLanes sum = TLanes.Zero, ones = TLanes.BroadcastInt(Ones);
        for (int super = 0; super < supers; super++, panel += PanelBytes)
        {
            TLanes d = TLanes.LoadHalves((ushort*)panel), m = TLanes.LoadHalves((ushort*)(panel + SuperBlockPanel.MinimumOffset));
            for (int block = 0; block < Blocks; block++, x += RecordBytes)
            {
                byte* w = panel + SuperBlockPanel.NibblesOffset + block * 256, scales = panel + SuperBlockPanel.ScalesOffset + block * 32;
                var values = (int*)(x + ValuesOffset);
                TLanes low = TLanes.Zero, high = TLanes.Zero;
                for (int group = 0; group < 4; group++)
                {
                    Prefetch.After(w + group * 64);
                    TLanes bytes = TLanes.LoadBytes(w + group * 64);
                    low = TLanes.AddShort(low, TLanes.MultiplyAddBytes(TLanes.LowNibbles(bytes), TLanes.BroadcastInt(values[group])));
                    high = TLanes.AddShort(high, TLanes.MultiplyAddBytes(TLanes.HighNibbles(bytes), TLanes.BroadcastInt(values[group + 4])));
                }
                TLanes scale = TLanes.Multiply(d, TLanes.ToFloat(TLanes.WidenBytes(scales))), minimum = TLanes.Multiply(m, TLanes.ToFloat(TLanes.WidenBytes(scales + 16)));
                sum = Accumulate(TLanes.AddShort(low, high), ones, scale, minimum, x, sum);
            }
        }
        TLanes.Store(sum, result);
    }

    private static void Tile4<TLanes>(byte* panel, int supers, byte* x, nint stride, float* result, nint resultStride) where TLanes : struct, ILanes<TLanes>
    {
        TLanes sum0 = TLanes.Zero, sum1 = TLanes.Zero, sum2 = TLanes.Zero, sum3 = TLanes.Zero, ones = TLanes.BroadcastInt(Ones);
        byte* x1 = x + stride, x2 = x1 + stride, x3 = x2 + stride;
        for (int super = 0; super < supers; super++, panel += PanelBytes)
        {
            for (int block = 0; block < Blocks; block++)
            {
                byte* w = panel + SuperBlockPanel.NibblesOffset + block * 256, scales = panel + SuperBlockPanel.ScalesOffset + block * 32;
                int* values0 = (int*)(x + ValuesOffset), values1 = (int*)(x1 + ValuesOffset), values2 = (int*)(x2 + ValuesOffset), values3 = (int*)(x3 + ValuesOffset);
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
                TLanes scale = TLanes.Multiply(TLanes.LoadHalves((ushort*)panel), TLanes.ToFloat(TLanes.WidenBytes(scales)));
                TLanes minimum = TLanes.Multiply(TLanes.LoadHalves((ushort*)(panel + SuperBlockPanel.MinimumOffset)), TLanes.ToFloat(TLanes.WidenBytes(scales + 16)));
                sum0 = Accumulate(dot0, ones, scale, minimum, x, sum0);
                sum1 = Accumulate(dot1, ones, scale, minimum, x1, sum1);
                sum2 = Accumulate(dot2, ones, scale, minimum, x2, sum2);
                sum3 = Accumulate(dot3, ones, scale, minimum, x3, sum3);
                x += RecordBytes;
                x1 += RecordBytes;
                x2 += RecordBytes;
                x3 += RecordBytes;
            }
        }
        TLanes.Store(sum0, result);
        TLanes.Store(sum1, result + resultStride);
        TLanes.Store(sum2, result + 2 * resultStride);
        TLanes.Store(sum3, result + 3 * resultStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Accumulate<TLanes>(TLanes dot, TLanes ones, TLanes scale, TLanes minimum, byte* record, TLanes sum) where TLanes : struct, ILanes<TLanes>
    {
        TLanes t = TLanes.Multiply(TLanes.ToFloat(TLanes.MultiplyAddShorts(dot, ones)), scale);
        t = TLanes.MultiplyAdd(minimum, TLanes.Broadcast(*(float*)(record + SuperBlockRow.CorrectionOffset)), t);
        return TLanes.MultiplyAdd(t, TLanes.Broadcast(*(float*)record), sum);
    }
}
