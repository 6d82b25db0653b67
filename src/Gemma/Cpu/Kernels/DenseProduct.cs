using System.Runtime.CompilerServices;

namespace Gemma.Cpu.Kernels;

/// <summary>How a panel of unquantised weights holds a pair of k for its 16 rows.</summary>
internal unsafe interface IDensePanel
{
    /// <summary>Bytes of two k of 16 rows.</summary>
    static abstract int PairBytes { get; }

    static abstract void Load<TLanes>(byte* pair, out TLanes even, out TLanes odd) where TLanes : struct, ILanes<TLanes>;

    static abstract float Element(byte* panel, int lane, int k);
}

/// <summary>[k][16] of fp32.</summary>
internal readonly unsafe struct SinglePanel : IDensePanel
{
    public static int PairBytes => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load<TLanes>(byte* pair, out TLanes even, out TLanes odd) where TLanes : struct, ILanes<TLanes>
    {
        even = TLanes.LoadBytes(pair);
        odd = TLanes.LoadBytes(pair + 64);
    }

    public static float Element(byte* panel, int lane, int k) => ((float*)panel)[k * 16 + lane];
}

/// <summary>[k / 2][16][2] of bfloat16.</summary>
internal readonly unsafe struct BFloat16Panel : IDensePanel
{
    public static int PairBytes => 64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load<TLanes>(byte* pair, out TLanes even, out TLanes odd) where TLanes : struct, ILanes<TLanes>
    {
        TLanes both = TLanes.LoadBytes(pair);
        even = TLanes.EvenBFloat16(both);
        odd = TLanes.OddBFloat16(both);
    }

    public static float Element(byte* panel, int lane, int k) => BFloat16.ToSingle(((ushort*)panel)[k / 2 * 32 + lane * 2 + k % 2]);
}

/// <summary>
/// Products of fp32 activations with fp32 or bf16 panels. Even and odd k are summed apart and added at the end: two chains hide the latency of the
/// multiply-add when there is one row, and the same order in every tile makes a row's result independent of what else is in the batch.
/// </summary>
internal static unsafe class DenseProduct
{
    public static void Scalar<TPanel>(byte* panels, nint panelBytes, int panelCount, int columns, float* x, nint stride, int rows, float* result,
        nint resultStride) where TPanel : IDensePanel
    {
        for (int row = 0; row < rows; row++)
        {
            for (int output = 0; output < 16 * panelCount; output++)
            {
                byte* panel = panels + output / 16 * panelBytes;
                double sum = 0;
                for (int k = 0; k < columns; k++) sum += (double)x[row * stride + k] * TPanel.Element(panel, output % 16, k);
                result[row * resultStride + output] = (float)sum;
            }
        }
    }

    /// <param name="panels">First panel.</param>
    /// <param name="panelBytes">Distance of the panels.</param>
    /// <param name="panelCount">Number of panels.</param>
    /// <param name="columns">k; even.</param>
    /// <param name="x">[rows, columns]</param>
    /// <param name="stride">Floats from a row of x to the next.</param>
    /// <param name="rows">Rows of x.</param>
    /// <param name="result">[rows, 16 · panelCount]</param>
    /// <param name="resultStride">Floats from a row of the result to the next.</param>
    public static void Vector<TLanes, TPanel>(byte* panels, nint panelBytes, int panelCount, int columns, float* x, nint stride, int rows, float* result,
        nint resultStride) where TLanes : struct, ILanes<TLanes> where TPanel : IDensePanel
    {
        for (; panelCount > 0; panelCount -= 2, panels += 2 * panelBytes, result += 32)
            Pair<TLanes, TPanel>(panels, panelBytes, Math.Min(panelCount, 2), columns, x, stride, rows, result, resultStride);
    }

    private static void Pair<TLanes, TPanel>(byte* panels, nint panelBytes, int panelCount, int columns, float* x, nint stride, int rows, float* result,
        nint resultStride) where TLanes : struct, ILanes<TLanes> where TPanel : IDensePanel
    {
        int row = 0;
        if (TLanes.HasWideTile && panelCount == 2)
        {
            for (; row + 6 <= rows; row += 6)
                Tile6X2<TLanes, TPanel>(panels, panels + panelBytes, columns, x + row * stride, stride, result + row * resultStride, resultStride);
        }
        for (; row + 3 <= rows; row += 3)
        {
            for (int panel = 0; panel < panelCount; panel++)
                Tile3<TLanes, TPanel>(panels + panel * panelBytes, columns, x + row * stride, stride, result + row * resultStride + panel * 16, resultStride);
        }
        for (; row < rows; row++)
        {
            for (int panel = 0; panel < panelCount; panel++)
                Tile1<TLanes, TPanel>(panels + panel * panelBytes, columns, x + row * stride, result + row * resultStride + panel * 16);
        }
    }

    private static void Tile1<TLanes, TPanel>(byte* panel, int columns, float* x, float* result)
        where TLanes : struct, ILanes<TLanes> where TPanel : IDensePanel
    {
        TLanes even = TLanes.Zero, odd = TLanes.Zero;
        for (int k = 0; k < columns; k += 2, panel += TPanel.PairBytes)
        {
            Prefetch.After(panel);
            if (TPanel.PairBytes > 64) Prefetch.After(panel + 64);
            TPanel.Load(panel, out TLanes w0, out TLanes w1);
            even = TLanes.MultiplyAdd(w0, TLanes.Broadcast(x[k]), even);
            odd = TLanes.MultiplyAdd(w1, TLanes.Broadcast(x[k + 1]), odd);
        }
        TLanes.Store(TLanes.Add(even, odd), result);
    }

    private static void Tile3<TLanes, TPanel>(byte* panel, int columns, float* x, nint stride, float* result, nint resultStride)
        where TLanes : struct, ILanes<TLanes> where TPanel : IDensePanel
    {
        TLanes even0 = TLanes.Zero, odd0 = TLanes.Zero, even1 = TLanes.Zero, odd1 = TLanes.Zero, even2 = TLanes.Zero, odd2 = TLanes.Zero;
        float* x1 = x + stride, x2 = x1 + stride;
        for (int k = 0; k < columns; k += 2, panel += TPanel.PairBytes)
        {
            TPanel.Load(panel, out TLanes w0, out TLanes w1);
            even0 = TLanes.MultiplyAdd(w0, TLanes.Broadcast(x[k]), even0);
            odd0 = TLanes.MultiplyAdd(w1, TLanes.Broadcast(x[k + 1]), odd0);
            even1 = TLanes.MultiplyAdd(w0, TLanes.Broadcast(x1[k]), even1);
            odd1 = TLanes.MultiplyAdd(w1, TLanes.Broadcast(x1[k + 1]), odd1);
            even2 = TLanes.MultiplyAdd(w0, TLanes.Broadcast(x2[k]), even2);
            odd2 = TLanes.MultiplyAdd(w1, TLanes.Broadcast(x2[k + 1]), odd2);
        }
        TLanes.Store(TLanes.Add(even0, odd0), result);
        TLanes.Store(TLanes.Add(even1, odd1), result + resultStride);
        TLanes.Store(TLanes.Add(even2, odd2), result + 2 * resultStride);
    }

    // 24 accumulators of the 32 registers: six rows, two panels, even and odd k.
    private static void Tile6X2<TLanes, TPanel>(byte* left, byte* right, int columns, float* x, nint stride, float* result, nint resultStride)
        where TLanes : struct, ILanes<TLanes> where TPanel : IDensePanel
    {
        TLanes le0 = TLanes.Zero, lo0 = TLanes.Zero, re0 = TLanes.Zero, ro0 = TLanes.Zero, le1 = TLanes.Zero, lo1 = TLanes.Zero, re1 = TLanes.Zero, ro1 = TLanes.Zero;
        TLanes le2 = TLanes.Zero, lo2 = TLanes.Zero, re2 = TLanes.Zero, ro2 = TLanes.Zero, le3 = TLanes.Zero, lo3 = TLanes.Zero, re3 = TLanes.Zero, ro3 = TLanes.Zero;
        TLanes le4 = TLanes.Zero, lo4 = TLanes.Zero, re4 = TLanes.Zero, ro4 = TLanes.Zero, le5 = TLanes.Zero, lo5 = TLanes.Zero, re5 = TLanes.Zero, ro5 = TLanes.Zero;
        float* x3 = x + 3 * stride;
        for (int k = 0; k < columns; k += 2, left += TPanel.PairBytes, right += TPanel.PairBytes, x += 2, x3 += 2)
        {
            TPanel.Load(left, out TLanes l0, out TLanes l1);
            TPanel.Load(right, out TLanes r0, out TLanes r1);
            TLanes a = TLanes.Broadcast(x[0]), b = TLanes.Broadcast(x[1]);
            le0 = TLanes.MultiplyAdd(l0, a, le0); lo0 = TLanes.MultiplyAdd(l1, b, lo0); re0 = TLanes.MultiplyAdd(r0, a, re0); ro0 = TLanes.MultiplyAdd(r1, b, ro0);
            a = TLanes.Broadcast(x[stride]); b = TLanes.Broadcast(x[stride + 1]);
            le1 = TLanes.MultiplyAdd(l0, a, le1); lo1 = TLanes.MultiplyAdd(l1, b, lo1); re1 = TLanes.MultiplyAdd(r0, a, re1); ro1 = TLanes.MultiplyAdd(r1, b, ro1);
            a = TLanes.Broadcast(x[2 * stride]); b = TLanes.Broadcast(x[2 * stride + 1]);
            le2 = TLanes.MultiplyAdd(l0, a, le2); lo2 = TLanes.MultiplyAdd(l1, b, lo2); re2 = TLanes.MultiplyAdd(r0, a, re2); ro2 = TLanes.MultiplyAdd(r1, b, ro2);
            a = TLanes.Broadcast(x3[0]); b = TLanes.Broadcast(x3[1]);
            le3 = TLanes.MultiplyAdd(l0, a, le3); lo3 = TLanes.MultiplyAdd(l1, b, lo3); re3 = TLanes.MultiplyAdd(r0, a, re3); ro3 = TLanes.MultiplyAdd(r1, b, ro3);
            a = TLanes.Broadcast(x3[stride]); b = TLanes.Broadcast(x3[stride + 1]);
            le4 = TLanes.MultiplyAdd(l0, a, le4); lo4 = TLanes.MultiplyAdd(l1, b, lo4); re4 = TLanes.MultiplyAdd(r0, a, re4); ro4 = TLanes.MultiplyAdd(r1, b, ro4);
            a = TLanes.Broadcast(x3[2 * stride]); b = TLanes.Broadcast(x3[2 * stride + 1]);
            le5 = TLanes.MultiplyAdd(l0, a, le5); lo5 = TLanes.MultiplyAdd(l1, b, lo5); re5 = TLanes.MultiplyAdd(r0, a, re5); ro5 = TLanes.MultiplyAdd(r1, b, ro5);
        }
        Store(le0, lo0, re0, ro0, result);
        Store(le1, lo1, re1, ro1, result + resultStride);
        Store(le2, lo2, re2, ro2, result + 2 * resultStride);
        Store(le3, lo3, re3, ro3, result + 3 * resultStride);
        Store(le4, lo4, re4, ro4, result + 4 * resultStride);
        Store(le5, lo5, re5, ro5, result + 5 * resultStride);

        static void Store(TLanes leftEven, TLanes leftOdd, TLanes rightEven, TLanes rightOdd, float* destination)
        {
            TLanes.Store(TLanes.Add(leftEven, leftOdd), destination);
            TLanes.Store(TLanes.Add(rightEven, rightOdd), destination + 16);
        }
    }
}
