using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gemma.Training.Cpu;

/// <summary>Rows to columns, of 32-bit values.</summary>
internal static unsafe class Transpose
{
    /// <summary>result[column][row] = source[row][column].</summary>
    /// <param name="source">[rows, columns]</param>
    /// <param name="stride">Values from a row of the source to the next.</param>
    /// <param name="rows">Rows of the source.</param>
    /// <param name="columns">Columns of the source.</param>
    /// <param name="result">[columns, rows]</param>
    /// <param name="resultStride">Values from a row of the result to the next.</param>
    public static void Run(float* source, nint stride, int rows, int columns, float* result, nint resultStride)
    {
        int row = 0;
        if (Vector512.IsHardwareAccelerated && Avx512F.IsSupported)
        {
            for (; row + 16 <= rows; row += 16)
            {
                int column = 0;
                for (; column + 16 <= columns; column += 16) Square(source + row * stride + column, stride, result + column * resultStride + row, resultStride);
                Scalar(source + row * stride + column, stride, 16, columns - column, result + column * resultStride + row, resultStride);
            }
        }
        Scalar(source + row * stride, stride, rows - row, columns, result + row, resultStride);
    }

    public static void Scalar(float* source, nint stride, int rows, int columns, float* result, nint resultStride)
    {
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++) result[column * resultStride + row] = source[row * stride + column];
    }

    /// <summary>16 × 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Square(float* source, nint stride, float* result, nint resultStride)
    {
        // Quarters of 4 × 4 first, then their places.
        Quarter(source, stride, out Vector512<float> a0, out Vector512<float> a1, out Vector512<float> a2, out Vector512<float> a3);
        Quarter(source + 4 * stride, stride, out Vector512<float> b0, out Vector512<float> b1, out Vector512<float> b2, out Vector512<float> b3);
        Quarter(source + 8 * stride, stride, out Vector512<float> c0, out Vector512<float> c1, out Vector512<float> c2, out Vector512<float> c3);
        Quarter(source + 12 * stride, stride, out Vector512<float> d0, out Vector512<float> d1, out Vector512<float> d2, out Vector512<float> d3);
        Place(a0, b0, c0, d0, result, resultStride);
        Place(a1, b1, c1, d1, result + resultStride, resultStride);
        Place(a2, b2, c2, d2, result + 2 * resultStride, resultStride);
        Place(a3, b3, c3, d3, result + 3 * resultStride, resultStride);
    }

    /// <summary>Four rows: the 128-bit lanes of result i hold columns i, 4 + i, 8 + i and 12 + i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarter(float* source, nint stride, out Vector512<float> r0, out Vector512<float> r1, out Vector512<float> r2, out Vector512<float> r3)
    {
        Vector512<float> a = Vector512.Load(source), b = Vector512.Load(source + stride), c = Vector512.Load(source + 2 * stride), d = Vector512.Load(source + 3 * stride);
        Vector512<double> lowAb = Avx512F.UnpackLow(a, b).AsDouble(), highAb = Avx512F.UnpackHigh(a, b).AsDouble();
        Vector512<double> lowCd = Avx512F.UnpackLow(c, d).AsDouble(), highCd = Avx512F.UnpackHigh(c, d).AsDouble();
        r0 = Avx512F.UnpackLow(lowAb, lowCd).AsSingle();
        r1 = Avx512F.UnpackHigh(lowAb, lowCd).AsSingle();
        r2 = Avx512F.UnpackLow(highAb, highCd).AsSingle();
        r3 = Avx512F.UnpackHigh(highAb, highCd).AsSingle();
    }

    /// <summary>The lanes of four quarters to rows 0, 4, 8 and 12.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Place(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* result, nint stride)
    {
        Vector512<float> ab = Avx512F.Shuffle4x128(a, b, 0b10_00_10_00), abOdd = Avx512F.Shuffle4x128(a, b, 0b11_01_11_01);
        Vector512<float> cd = Avx512F.Shuffle4x128(c, d, 0b10_00_10_00), cdOdd = Avx512F.Shuffle4x128(c, d, 0b11_01_11_01);
        Avx512F.Shuffle4x128(ab, cd, 0b10_00_10_00).Store(result);
        Avx512F.Shuffle4x128(abOdd, cdOdd, 0b10_00_10_00).Store(result + 4 * stride);
        Avx512F.Shuffle4x128(ab, cd, 0b11_01_11_01).Store(result + 8 * stride);
        Avx512F.Shuffle4x128(abOdd, cdOdd, 0b11_01_11_01).Store(result + 12 * stride);
    }
}
