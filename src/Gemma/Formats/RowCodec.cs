using System.Numerics;
using System.Runtime.InteropServices;

namespace Gemma.Formats;

/// <summary>Rows of every <see cref="TensorType"/> to fp32, and back for the types that are written.</summary>
public static class RowCodec
{
    /// <summary>fp32 values of one encoded row; <paramref name="source"/> holds whole blocks for exactly <paramref name="destination"/>.</summary>
    public static void Decode(TensorType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        CheckLengths(type, source.Length, destination.Length);
        switch (type)
        {
            case TensorType.F32: source.CopyTo(MemoryMarshal.AsBytes(destination)); break;
            case TensorType.F16: HalfFormats.DecodeF16(source, destination); break;
            case TensorType.BF16: HalfFormats.DecodeBF16(source, destination); break;
            case TensorType.Q8_0: Q8_0.Decode(source, destination); break;
            case TensorType.Q4_0: Q4_0.Decode(source, destination); break;
            case TensorType.Q5_0: Q5_0.Decode(source, destination); break;
            case TensorType.Q4_K: Q4_K.Decode(source, destination); break;
            case TensorType.Q5_K: Q5_K.Decode(source, destination); break;
            case TensorType.Q6_K: Q6_K.Decode(source, destination); break;
            default: throw new ArgumentOutOfRangeException(nameof(type));
        }
    }

    /// <summary>Whether <see cref="Encode"/> knows the type. Q5_0 and Q5_K are read only.</summary>
    public static bool CanEncode(TensorType type) => type is not (TensorType.Q5_0 or TensorType.Q5_K);

    /// <summary>The row in the form of <paramref name="type"/>; values must be finite and, for F16 and the quantised types, within what an fp16 scale reaches.</summary>
    public static void Encode(TensorType type, ReadOnlySpan<float> source, Span<byte> destination)
    {
        CheckLengths(type, destination.Length, source.Length);
        switch (type)
        {
            case TensorType.F32: MemoryMarshal.AsBytes(source).CopyTo(destination); break;
            case TensorType.F16: HalfFormats.EncodeF16(source, destination); break;
            case TensorType.BF16: HalfFormats.EncodeBF16(source, destination); break;
            case TensorType.Q8_0: Q8_0.Encode(source, destination); break;
            case TensorType.Q4_0: Q4_0.Encode(source, destination); break;
            case TensorType.Q4_K: KQuantEncoder.EncodeQ4(source, destination); break;
            case TensorType.Q6_K: KQuantEncoder.EncodeQ6(source, destination); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "is read, not written");
        }
    }

    /// <summary>Largest magnitude the type can hold; beyond it an fp16 (the value itself or a block's scale) becomes infinite.</summary>
    public static float LargestMagnitude(TensorType type) => type switch
    {
        TensorType.F16 => 65504f,
        TensorType.Q8_0 => 65504f * 127,
        TensorType.Q4_0 => 65504f * 7,
        TensorType.Q4_K => 65504f * 63,
        TensorType.Q6_K => 65504f * 127 * 31,
        _ => float.MaxValue,
    };

    /// <summary>
    /// False where a scale of a row of quantised blocks is a NaN or infinite: all weights are products of finite numbers with these, and finite where they are.
    /// </summary>
    internal static bool HasFiniteScales(TensorType type, ReadOnlySpan<byte> row)
    {
        // Where a block's fp16 numbers are: the _0 types and Q4_K, Q5_K begin with them, Q6_K ends with its one.
        int first = type == TensorType.Q6_K ? Q6_K.BlockBytes - sizeof(ushort) : 0, count = type is TensorType.Q4_K or TensorType.Q5_K ? 2 : 1;
        for (; !row.IsEmpty; row = row[type.BlockBytes()..])
            for (int i = 0; i < count; i++)
                if (!Half.IsFinite(MemoryMarshal.Read<Half>(row[(first + i * sizeof(ushort))..]))) return false;
        return true;
    }

    /// <summary>False where a NaN or an infinity is among the values: x · 0 is 0 for every number but those.</summary>
    public static bool AllFinite(ReadOnlySpan<float> values)
    {
        ReadOnlySpan<Vector<float>> vectors = MemoryMarshal.Cast<float, Vector<float>>(values);
        Vector<float> zeros = Vector<float>.Zero;
        foreach (Vector<float> vector in vectors) zeros += vector * Vector<float>.Zero;
        float zero = Vector.Sum(zeros);
        foreach (float value in values[(vectors.Length * Vector<float>.Count)..]) zero += value * 0;
        return zero == 0;
    }

    private static void CheckLengths(TensorType type, int bytes, int values)
    {
        if (values % type.BlockLength() != 0 || values / type.BlockLength() * (long)type.BlockBytes() != bytes)
            throw new ArgumentException(FormattableString.Invariant($"{bytes} bytes do not hold {values} values of {type}"));
    }
}
