using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gemma.Cpu.Kernels;

/// <summary>Two 256-bit registers (AVX2 and FMA).</summary>
internal readonly unsafe struct Lanes256 : ILanes<Lanes256>
{
    private readonly Vector256<float> _a;
    private readonly Vector256<float> _b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Lanes256(Vector256<float> a, Vector256<float> b)
    {
        _a = a;
        _b = b;
    }

    public static bool HasWideTile => false;

    public static Lanes256 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Load(float* source) => new(Vector256.Load(source), Vector256.Load(source + 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes256 value, float* destination)
    {
        value._a.Store(destination);
        value._b.Store(destination + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadBytes(byte* source) => Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Broadcast(float value)
    {
        Vector256<float> all = Vector256.Create(value);
        return new(all, all);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 BroadcastInt(int value)
    {
        Vector256<float> all = Vector256.Create(value).AsSingle();
        return new(all, all);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Add(Lanes256 x, Lanes256 y) => new(Vector256.Add(x._a, y._a), Vector256.Add(x._b, y._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Subtract(Lanes256 x, Lanes256 y) => new(Vector256.Subtract(x._a, y._a), Vector256.Subtract(x._b, y._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Multiply(Lanes256 x, Lanes256 y) => new(Vector256.Multiply(x._a, y._a), Vector256.Multiply(x._b, y._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Divide(Lanes256 x, Lanes256 y) => new(Vector256.Divide(x._a, y._a), Vector256.Divide(x._b, y._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Max(Lanes256 x, Lanes256 y) => new(Vector256.MaxNative(x._a, y._a), Vector256.MaxNative(x._b, y._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Min(Lanes256 x, Lanes256 y) => new(Vector256.MinNative(x._a, y._a), Vector256.MinNative(x._b, y._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 AddToExponent(Lanes256 x, Lanes256 n) =>
        new((x._a.AsInt32() + (n._a.AsInt32() << 23)).AsSingle(), (x._b.AsInt32() + (n._b.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 MultiplyAdd(Lanes256 x, Lanes256 y, Lanes256 z) => new(Vector256.MultiplyAddEstimate(x._a, y._a, z._a), Vector256.MultiplyAddEstimate(x._b, y._b, z._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Exp(Lanes256 x) => new(Vector256.Exp(x._a), Vector256.Exp(x._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes256 x) => Vector256.Sum(x._a + x._b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Lanes256 x)
    {
        Vector256<float> max = Vector256.MaxNative(x._a, x._b);
        Vector128<float> quarter = Vector128.MaxNative(max.GetLower(), max.GetUpper());
        quarter = Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 KeepFirst(Lanes256 x, int count, Lanes256 other)
    {
        Vector256<int> bound = Vector256.Create(count);
        return new(Vector256.ConditionalSelect(Vector256.LessThan(Vector256<int>.Indices, bound).AsSingle(), x._a, other._a),
            Vector256.ConditionalSelect(Vector256.LessThan(Vector256<int>.Indices + Vector256.Create(8), bound).AsSingle(), x._b, other._b));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 SelectPositive(Lanes256 test, Lanes256 yes, Lanes256 no) => new(Vector256.ConditionalSelect(Vector256.GreaterThan(test._a,
        Vector256<float>.Zero), yes._a, no._a),
        Vector256.ConditionalSelect(Vector256.GreaterThan(test._b,
        Vector256<float>.Zero), yes._b, no._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 AddInt(Lanes256 x, Lanes256 y) => new((x._a.AsInt32() + y._a.AsInt32()).AsSingle(), (x._b.AsInt32() + y._b.AsInt32()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 AddShort(Lanes256 x, Lanes256 y) => new((x._a.AsInt16() + y._a.AsInt16()).AsSingle(), (x._b.AsInt16() + y._b.AsInt16()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SumInt(Lanes256 ints) => Vector256.Sum(ints._a.AsInt32() + ints._b.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 WidenBytes(byte* source) => new(Avx2.ConvertToVector256Int32(source).AsSingle(), Avx2.ConvertToVector256Int32(source + 8).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 WidenSignedBytes(sbyte* source) => new(Avx2.ConvertToVector256Int32(source).AsSingle(), Avx2.ConvertToVector256Int32(source + 8).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(Lanes256 ints, sbyte* destination)
    {
        Vector256<short> shorts = Vector256.Narrow(ints._a.AsInt32(), ints._b.AsInt32());
        Vector128.Narrow(shorts.GetLower(), shorts.GetUpper()).Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 ToFloat(Lanes256 ints) => new(Vector256.ConvertToSingle(ints._a.AsInt32()), Vector256.ConvertToSingle(ints._b.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 EvenBFloat16(Lanes256 pairs) => new((pairs._a.AsInt32() << 16).AsSingle(), (pairs._b.AsInt32() << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 OddBFloat16(Lanes256 pairs) => new((pairs._a.AsInt32() & Vector256.Create(unchecked((int)0xFFFF0000))).AsSingle(), (pairs._b.AsInt32() & Vector256.Create(unchecked((int)0xFFFF0000))).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 EvenBytes(Lanes256 bytes) => new((bytes._a.AsInt16() & Vector256.Create((short)0x00FF)).AsSingle(), (bytes._b.AsInt16() & Vector256.Create((short)0x00FF)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 OddBytes(Lanes256 bytes) => new((bytes._a.AsUInt16() >>> 8).AsSingle(), (bytes._b.AsUInt16() >>> 8).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LowNibbles(Lanes256 bytes) => new((bytes._a.AsByte() & Vector256.Create((byte)0x0F)).AsSingle(), (bytes._b.AsByte() & Vector256.Create((byte)0x0F)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 HighNibbles(Lanes256 bytes) => new(((bytes._a.AsUInt16() >>> 4).AsByte() & Vector256.Create((byte)0x0F)).AsSingle(), ((bytes._b.AsUInt16() >>> 4).AsByte() & Vector256.Create((byte)0x0F)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 WithUpperBits(Lanes256 nibbles, Lanes256 upper, int field) => new(WithUpperBits(nibbles._a.AsByte(), upper._a.AsUInt16(), field).AsSingle(),
        WithUpperBits(nibbles._b.AsByte(), upper._b.AsUInt16(), field).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 MultiplyAddShorts(Lanes256 x, Lanes256 y) => new(MultiplyAddShorts(x._a.AsInt16(), y._a.AsInt16()).AsSingle(), MultiplyAddShorts(x._b.AsInt16(), y._b.AsInt16()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 MultiplyAddBytes(Lanes256 unsigned, Lanes256 signed) => new(MultiplyAddBytes(unsigned._a.AsByte(), signed._a.AsSByte()).AsSingle(), MultiplyAddBytes(unsigned._b.AsByte(), signed._b.AsSByte()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadHalves(ushort* source)
    {
        Vector256<short> halves = Vector256.Load((short*)source);
        return new(Rebase(Vector256.WidenLower(halves)), Rebase(Vector256.WidenUpper(halves)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Rebase(Vector256<int> halves) => ((halves << 13) & Vector256.Create(unchecked((int)0x8FFFFFFF))).AsSingle() * Vector256.Create(HalfScale);

    // 2^112: the distance between the exponent biases of fp32 and fp16. The multiplication also makes subnormal halves right.
    private const float HalfScale = 5.192296858534828e33f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> MultiplyAddShorts(Vector256<short> x, Vector256<short> y) => Avx2.MultiplyAddAdjacent(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> MultiplyAddBytes(Vector256<byte> unsigned, Vector256<sbyte> signed) => Avx2.MultiplyAddAdjacent(unsigned, signed);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> WithUpperBits(Vector256<byte> nibbles, Vector256<ushort> upper, int field)
    {
        Vector256<ushort> moved = field switch
        {
            0 => upper << 4,
            1 => upper << 2,
            2 => upper,
            _ => upper >>> 2,
        };
        return nibbles | (moved.AsByte() & Vector256.Create((byte)0x30));
    }
}
