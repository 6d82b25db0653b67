using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gemma.Cpu.Kernels;

/// <summary>One 512-bit register (AVX-512 F and BW).</summary>
internal readonly unsafe struct Lanes512 : ILanes<Lanes512>
{
    private readonly Vector512<float> _a;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Lanes512(Vector512<float> a) => _a = a;

    public static bool HasWideTile => true;

    public static Lanes512 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes512 value, float* destination)
    {
        value._a.Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadBytes(byte* source) => Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Broadcast(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 BroadcastInt(int value) => new(Vector512.Create(value).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Add(Lanes512 x, Lanes512 y) => new(Vector512.Add(x._a, y._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Subtract(Lanes512 x, Lanes512 y) => new(Vector512.Subtract(x._a, y._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Multiply(Lanes512 x, Lanes512 y) => new(Vector512.Multiply(x._a, y._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Divide(Lanes512 x, Lanes512 y) => new(Vector512.Divide(x._a, y._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Max(Lanes512 x, Lanes512 y) => new(Vector512.MaxNative(x._a, y._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Min(Lanes512 x, Lanes512 y) => new(Vector512.MinNative(x._a, y._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 AddToExponent(Lanes512 x, Lanes512 n) => new((x._a.AsInt32() + (n._a.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 MultiplyAdd(Lanes512 x, Lanes512 y, Lanes512 z) => new(Vector512.MultiplyAddEstimate(x._a, y._a, z._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Exp(Lanes512 x) => new(Vector512.Exp(x._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes512 x) => Vector512.Sum(x._a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Lanes512 x)
    {
        Vector512<float> max = x._a;
        Vector256<float> half = Vector256.MaxNative(max.GetLower(), max.GetUpper());
        Vector128<float> quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
        quarter = Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 KeepFirst(Lanes512 x, int count, Lanes512 other)
    {
        Vector512<int> bound = Vector512.Create(count);
        return new(Vector512.ConditionalSelect(Vector512.LessThan(Vector512<int>.Indices, bound).AsSingle(), x._a, other._a));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 SelectPositive(Lanes512 test, Lanes512 yes, Lanes512 no) => new(Vector512.ConditionalSelect(Vector512.GreaterThan(test._a, Vector512<float>.Zero), yes._a, no._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 AddInt(Lanes512 x, Lanes512 y) => new((x._a.AsInt32() + y._a.AsInt32()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 AddShort(Lanes512 x, Lanes512 y) => new((x._a.AsInt16() + y._a.AsInt16()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SumInt(Lanes512 ints) => Vector512.Sum(ints._a.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 WidenBytes(byte* source) => new(Avx512F.ConvertToVector512Int32(Vector128.Load(source)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 WidenSignedBytes(sbyte* source) => new(Avx512F.ConvertToVector512Int32(Vector128.Load(source)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(Lanes512 ints, sbyte* destination) => Avx512F.ConvertToVector128SByte(ints._a.AsInt32()).Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 ToFloat(Lanes512 ints) => new(Vector512.ConvertToSingle(ints._a.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 EvenBFloat16(Lanes512 pairs) => new((pairs._a.AsInt32() << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 OddBFloat16(Lanes512 pairs) => new((pairs._a.AsInt32() & Vector512.Create(unchecked((int)0xFFFF0000))).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 EvenBytes(Lanes512 bytes) => new((bytes._a.AsInt16() & Vector512.Create((short)0x00FF)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 OddBytes(Lanes512 bytes) => new((bytes._a.AsUInt16() >>> 8).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LowNibbles(Lanes512 bytes) => new((bytes._a.AsByte() & Vector512.Create((byte)0x0F)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 HighNibbles(Lanes512 bytes) => new(((bytes._a.AsUInt16() >>> 4).AsByte() & Vector512.Create((byte)0x0F)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 WithUpperBits(Lanes512 nibbles, Lanes512 upper, int field) => new(WithUpperBits(nibbles._a.AsByte(), upper._a.AsUInt16(), field).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 MultiplyAddShorts(Lanes512 x, Lanes512 y) => new(MultiplyAddShorts(x._a.AsInt16(), y._a.AsInt16()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 MultiplyAddBytes(Lanes512 unsigned, Lanes512 signed) => new(MultiplyAddBytes(unsigned._a.AsByte(), signed._a.AsSByte()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadHalves(ushort* source)
    {
        Vector512<int> wide = Avx512F.ConvertToVector512Int32(Vector256.Load((short*)source)) << 13;
        return new((wide & Vector512.Create(unchecked((int)0x8FFFFFFF))).AsSingle() * Vector512.Create(HalfScale));
    }

    // 2^112: the distance between the exponent biases of fp32 and fp16. The multiplication also makes subnormal halves right.
    private const float HalfScale = 5.192296858534828e33f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> MultiplyAddShorts(Vector512<short> x, Vector512<short> y) => Avx512BW.MultiplyAddAdjacent(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> MultiplyAddBytes(Vector512<byte> unsigned, Vector512<sbyte> signed) => Avx512BW.MultiplyAddAdjacent(unsigned, signed);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> WithUpperBits(Vector512<byte> nibbles, Vector512<ushort> upper, int field)
    {
        Vector512<ushort> moved = field switch
        {
            0 => upper << 4,
            1 => upper << 2,
            2 => upper,
            _ => upper >>> 2,
        };
        return nibbles | (moved.AsByte() & Vector512.Create((byte)0x30));
    }
}
