using System.Runtime.CompilerServices;

namespace Gemma.Cpu.Kernels;

/// <summary>
/// Q6_K panels times 8-bit rows, exact in integers within 16 k: two products 0 … 63 · ±127 of a pair fit int16 twice, the rest is added in int32 and seeded with
/// the correction for the weights' bias of 32. Then in fp32, in ascending order of k: sum += dot · (d · scale) · (scale of the row).
/// </summary>
internal static unsafe class Q6KProduct
{
    private const int Ones = 0x00010001, Blocks = 8, RecordBytes = 44, ValuesOffset = 12;

    private static readonly int PanelBytes = SuperBlockPanel.Bytes(WeightType.Q6_K);

    public static void Scalar(byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result, nint resultStride)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int output = 0; output < 16 * panelCount; output++)
            {
                byte* panel = panels + output / 16 * panelBytes;
                int lane = output % 16;
                float sum = 0;
                for (int k = 0; k < columns; k += 16)
                {
                    byte* super = panel + (nint)(k / PackedWeights.SuperBlock) * PanelBytes, record = x + row * stride + k / PackedWeights.Block * RecordBytes;
                    var values = (sbyte*)(record + ValuesOffset + k % PackedWeights.Block);
                    int start = k % PackedWeights.SuperBlock, dot = 0;
                    for (int i = 0; i < 16; i++) dot += (SuperBlockPanel.Value6(super, lane, start + i) - 32) * values[i];
                    sum += dot * SuperBlockPanel.Scale6(super, lane, start) * *(float*)record;
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
            TLanes d = TLanes.Load((float*)panel);
            byte* w = panel + SuperBlockPanel.NibblesOffset, upper = panel + SuperBlockPanel.UpperOffset;
            var scales = (sbyte*)(panel + SuperBlockPanel.ScalesOffset);
            for (int sub = 0; sub < 2 * Blocks; sub++, w += 128, upper += 64, scales += 16)
            {
                Prefetch.After(w);
                Prefetch.After(w + 64);
                Prefetch.After(upper);
                TLanes w0 = Weights<TLanes>(w, upper, 0), w1 = Weights<TLanes>(w, upper, 1), w2 = Weights<TLanes>(w, upper, 2), w3 = Weights<TLanes>(w, upper, 3);
                sum = Accumulate(w0, w1, w2, w3, ones, TLanes.Multiply(d, TLanes.ToFloat(TLanes.WidenSignedBytes(scales))), x, sub % 2, sum);
                x += sub % 2 * RecordBytes;
            }
        }
        TLanes.Store(sum, result);
    }

    private static void Tile4<TLanes>(byte* panel, int supers, byte* x, nint stride, float* result, nint resultStride) where TLanes : struct, ILanes<TLanes>
    {
        TLanes sum0 = TLanes.Zero, sum1 = TLanes.Zero, sum2 = TLanes.Zero, sum3 = TLanes.Zero, ones = TLanes.BroadcastInt(Ones);
        for (int super = 0; super < supers; super++, panel += PanelBytes)
        {
            byte* w = panel + SuperBlockPanel.NibblesOffset, upper = panel + SuperBlockPanel.UpperOffset;
            var scales = (sbyte*)(panel + SuperBlockPanel.ScalesOffset);
            for (int sub = 0; sub < 2 * Blocks; sub++, w += 128, upper += 64, scales += 16)
            {
                TLanes w0 = Weights<TLanes>(w, upper, 0), w1 = Weights<TLanes>(w, upper, 1), w2 = Weights<TLanes>(w, upper, 2), w3 = Weights<TLanes>(w, upper, 3);
                TLanes scale = TLanes.Multiply(TLanes.Load((float*)panel), TLanes.ToFloat(TLanes.WidenSignedBytes(scales)));
                sum0 = Accumulate(w0, w1, w2, w3, ones, scale, x, sub % 2, sum0);
                sum1 = Accumulate(w0, w1, w2, w3, ones, scale, x + stride, sub % 2, sum1);
                sum2 = Accumulate(w0, w1, w2, w3, ones, scale, x + 2 * stride, sub % 2, sum2);
                sum3 = Accumulate(w0, w1, w2, w3, ones, scale, x + 3 * stride, sub % 2, sum3);
                x += sub % 2 * RecordBytes;
            }
        }
        TLanes.Store(sum0, result);
        TLanes.Store(sum1, result + resultStride);
        TLanes.Store(sum2, result + 2 * resultStride);
        TLanes.Store(sum3, result + 3 * resultStride);
    }

    /// <summary>Four k of 16 rows, 0 … 63.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Weights<TLanes>(byte* nibbles, byte* upper, int group) where TLanes : struct, ILanes<TLanes>
    {
        TLanes bytes = TLanes.LoadBytes(nibbles + group % 2 * 64);
        return TLanes.WithUpperBits(group < 2 ? TLanes.LowNibbles(bytes) : TLanes.HighNibbles(bytes), TLanes.LoadBytes(upper), group);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Accumulate<TLanes>(TLanes w0, TLanes w1, TLanes w2, TLanes w3, TLanes ones, TLanes scale, byte* record, int half, TLanes sum)
        where TLanes : struct, ILanes<TLanes>
    {
        int* values = (int*)(record + ValuesOffset) + half * 4;
        TLanes first = TLanes.AddShort(TLanes.MultiplyAddBytes(w0, TLanes.BroadcastInt(values[0])), TLanes.MultiplyAddBytes(w1, TLanes.BroadcastInt(values[1])));
        TLanes second = TLanes.AddShort(TLanes.MultiplyAddBytes(w2, TLanes.BroadcastInt(values[2])), TLanes.MultiplyAddBytes(w3, TLanes.BroadcastInt(values[3])));
        TLanes dot = TLanes.AddInt(TLanes.MultiplyAddShorts(first, ones), TLanes.BroadcastInt(((int*)(record + SuperBlockRow.CorrectionOffset))[half]));
        dot = TLanes.AddInt(TLanes.MultiplyAddShorts(second, ones), dot);
        return TLanes.MultiplyAdd(TLanes.Multiply(TLanes.ToFloat(dot), scale), TLanes.Broadcast(*(float*)record), sum);
    }
}
