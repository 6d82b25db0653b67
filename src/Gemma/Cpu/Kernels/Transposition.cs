using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gemma.Cpu.Kernels;

/// <summary>The rows of a panel side by side: what packing does with every weight.</summary>
internal static unsafe class Transposition
{
    private const int Rows = PackedWeights.PanelRows;

    /// <summary>[16, stride] to [count, 16], of any 32-bit values.</summary>
    /// <param name="rows">First value of the first row.</param>
    /// <param name="stride">Values from a row to the next.</param>
    /// <param name="count">Values of each row.</param>
    /// <param name="columns">Where the result goes.</param>
    public static void Run(float* rows, int stride, int count, float* columns)
    {
        int k = 0;
        if (Sse.IsSupported)
        {
            for (; k + 4 <= count; k += 4)
                for (int lane = 0; lane < Rows; lane += 4) Square(rows + (nint)lane * stride + k, stride, columns + (nint)k * Rows + lane);
        }
        for (; k < count; k++)
            for (int lane = 0; lane < Rows; lane++) columns[(nint)k * Rows + lane] = rows[(nint)lane * stride + k];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Square(float* rows, int stride, float* columns)
    {
        Vector128<float> a = Vector128.Load(rows), b = Vector128.Load(rows + stride), c = Vector128.Load(rows + 2 * (nint)stride), d = Vector128.Load(rows + 3 * (nint)stride);
        Vector128<float> low = Sse.UnpackLow(a, b), lowNext = Sse.UnpackLow(c, d), high = Sse.UnpackHigh(a, b), highNext = Sse.UnpackHigh(c, d);
        Sse.MoveLowToHigh(low, lowNext).Store(columns);
        Sse.MoveHighToLow(lowNext, low).Store(columns + Rows);
        Sse.MoveLowToHigh(high, highNext).Store(columns + 2 * Rows);
        Sse.MoveHighToLow(highNext, high).Store(columns + 3 * Rows);
    }
}
