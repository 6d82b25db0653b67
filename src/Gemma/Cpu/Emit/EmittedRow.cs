using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Gemma.Cpu.Kernels;

namespace Gemma.Cpu.Emit;

/// <summary>
/// An activation row as the emitted kernels read it. For 8- and 4-bit weights, for each two blocks of 32: float scales[2], int corrections[2], then the 64
/// bytes; values, scales and corrections are those of <see cref="QuantizedRow"/>. For bf16 weights: the row rounded to bf16.
/// </summary>
internal static unsafe class EmittedRow
{
    /// <summary>Bytes of two blocks.</summary>
    public const int StepBytes = 8 + 8 + 2 * Block;

    private const int Block = PackedWeights.Block;

    public static int Scale(int block) => block * 4;

    public static int Correction(int block) => 8 + block * 4;

    public static int Values(int block, int group) => 16 + block * Block + group * 4;

    /// <summary>Rows a multiple of 4 KiB apart would share the same few places of the first-level cache: they are moved apart.</summary>
    public static int Bytes(WeightType type, int columns)
    {
        int bytes = type == WeightType.BF16 ? columns * 2 : columns / (2 * Block) * StepBytes;
        return bytes % 4096 == 0 ? bytes + 5 * 64 : bytes;
    }

    public static void Quantize(WeightType type, float* x, int columns, int padded, byte* row)
    {
        int bias = type == WeightType.Q8 ? -128 : -8;
        for (int k = 0; k < columns / Block * Block; k += Block) Quantize(x + k, bias, row, k / Block);
        if (columns == padded) return;
        float* tail = stackalloc float[2 * Block];
        new Span<float>(tail, 2 * Block).Clear();
        int whole = columns / Block * Block;
        new ReadOnlySpan<float>(x + whole, columns - whole).CopyTo(new Span<float>(tail, Block));
        for (int k = whole; k < padded; k += Block) Quantize(tail + (k - whole), bias, row, k / Block);
    }

    /// <summary>To nearest, ties to even; NaN stays NaN.</summary>
    public static void Round(float* x, int columns, int padded, byte* row)
    {
        int k = 0;
        for (; k + 16 <= columns; k += 16)
        {
            Vector512<float> value = Vector512.Load(x + k);
            Vector512<uint> bits = value.AsUInt32();
            Vector512<uint> rounded = bits + Vector512.Create(0x7FFFu) + (bits >>> 16 & Vector512<uint>.One);
            Vector512<uint> kept = Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), rounded, bits | Vector512.Create(0x00400000u));
            Avx512F.ConvertToVector256UInt16(kept >>> 16).Store((ushort*)row + k);
        }
        for (; k < padded; k++) ((ushort*)row)[k] = k < columns ? BFloat16.FromSingle(x[k]) : (ushort)0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quantize(float* x, int bias, byte* row, int block)
    {
        byte* step = row + block / 2 * StepBytes;
        Vector512<float> low = Vector512.Load(x), high = Vector512.Load(x + 16);
        Vector512<float> sizes = Vector512.MaxNative(Vector512.Abs(low), Vector512.Abs(high));
        float max = MaxLane(sizes);
        Vector512<float> inverse = Vector512.Create(QuantizedRow.Inverse(max));
        Vector512<int> first = Avx512F.ConvertToVector512Int32(low * inverse), second = Avx512F.ConvertToVector512Int32(high * inverse);
        *(float*)(step + Scale(block % 2)) = max / 127;
        *(int*)(step + Correction(block % 2)) = bias * Vector512.Sum(first + second);
        byte* values = step + Values(block % 2, 0);
        Avx512F.ConvertToVector128SByte(first).Store((sbyte*)values);
        Avx512F.ConvertToVector128SByte(second).Store((sbyte*)values + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float MaxLane(Vector512<float> x)
    {
        Vector256<float> half = Vector256.MaxNative(x.GetLower(), x.GetUpper());
        Vector128<float> quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
        quarter = Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }
}
