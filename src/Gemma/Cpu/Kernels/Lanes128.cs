using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gemma.Cpu.Kernels;

/// <summary>Four 128-bit registers (SSE4.1 and later, ARM64, WebAssembly).</summary>
internal readonly unsafe struct Lanes128 : ILanes<Lanes128>
{
    private readonly Vector128<float> _a;
    private readonly Vector128<float> _b;
    private readonly Vector128<float> _c;
    private readonly Vector128<float> _d;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Lanes128(Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d)
    {
        _a = a;
        _b = b;
        _c = c;
        _d = d;
    }

    public static bool HasWideTile => false;

    public static Lanes128 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Load(float* source) => new(Vector128.Load(source), Vector128.Load(source + 4), Vector128.Load(source + 8), Vector128.Load(source + 12));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes128 value, float* destination)
    {
        value._a.Store(destination);
        value._b.Store(destination + 4);
        value._c.Store(destination + 8);
        value._d.Store(destination + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadBytes(byte* source) => Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Broadcast(float value)
    {
        Vector128<float> all = Vector128.Create(value);
        return new(all, all, all, all);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 BroadcastInt(int value)
    {
        Vector128<float> all = Vector128.Create(value).AsSingle();
        return new(all, all, all, all);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Add(Lanes128 x, Lanes128 y) => new(Vector128.Add(x._a, y._a), Vector128.Add(x._b, y._b), Vector128.Add(x._c, y._c), Vector128.Add(x._d, y._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Subtract(Lanes128 x, Lanes128 y) => new(Vector128.Subtract(x._a, y._a), Vector128.Subtract(x._b, y._b), Vector128.Subtract(x._c, y._c), Vector128.Subtract(x._d, y._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Multiply(Lanes128 x, Lanes128 y) => new(Vector128.Multiply(x._a, y._a), Vector128.Multiply(x._b, y._b), Vector128.Multiply(x._c, y._c), Vector128.Multiply(x._d, y._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Divide(Lanes128 x, Lanes128 y) => new(Vector128.Divide(x._a, y._a), Vector128.Divide(x._b, y._b), Vector128.Divide(x._c, y._c), Vector128.Divide(x._d, y._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Max(Lanes128 x, Lanes128 y) => new(Vector128.MaxNative(x._a, y._a), Vector128.MaxNative(x._b, y._b), Vector128.MaxNative(x._c, y._c), Vector128.MaxNative(x._d, y._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Min(Lanes128 x, Lanes128 y) => new(Vector128.MinNative(x._a, y._a), Vector128.MinNative(x._b, y._b), Vector128.MinNative(x._c, y._c), Vector128.MinNative(x._d, y._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 AddToExponent(Lanes128 x, Lanes128 n) => new((x._a.AsInt32() + (n._a.AsInt32() << 23)).AsSingle(), (x._b.AsInt32() + (n._b.AsInt32() << 23)).AsSingle(),
        (x._c.AsInt32() + (n._c.AsInt32() << 23)).AsSingle(), (x._d.AsInt32() + (n._d.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 MultiplyAdd(Lanes128 x, Lanes128 y, Lanes128 z) => new(Vector128.MultiplyAddEstimate(x._a, y._a, z._a), Vector128.MultiplyAddEstimate(x._b, y._b, z._b), Vector128.MultiplyAddEstimate(x._c, y._c, z._c), Vector128.MultiplyAddEstimate(x._d, y._d, z._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Exp(Lanes128 x) => new(Vector128.Exp(x._a), Vector128.Exp(x._b), Vector128.Exp(x._c), Vector128.Exp(x._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes128 x) => Vector128.Sum((x._a + x._b) + (x._c + x._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Lanes128 x)
    {
        Vector128<float> max = Vector128.MaxNative(Vector128.MaxNative(x._a, x._b), Vector128.MaxNative(x._c, x._d));
        max = Vector128.MaxNative(max, Vector128.Shuffle(max, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(max, Vector128.Shuffle(max, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 KeepFirst(Lanes128 x, int count, Lanes128 other)
    {
        Vector128<int> bound = Vector128.Create(count);
        return new(Vector128.ConditionalSelect(Vector128.LessThan(Vector128<int>.Indices, bound).AsSingle(), x._a, other._a),
            Vector128.ConditionalSelect(Vector128.LessThan(Vector128<int>.Indices + Vector128.Create(4), bound).AsSingle(), x._b, other._b),
            Vector128.ConditionalSelect(Vector128.LessThan(Vector128<int>.Indices + Vector128.Create(8), bound).AsSingle(), x._c, other._c),
            Vector128.ConditionalSelect(Vector128.LessThan(Vector128<int>.Indices + Vector128.Create(12), bound).AsSingle(), x._d, other._d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 SelectPositive(Lanes128 test, Lanes128 yes, Lanes128 no) => new(Vector128.ConditionalSelect(Vector128.GreaterThan(test._a,
        Vector128<float>.Zero), yes._a, no._a),
        Vector128.ConditionalSelect(Vector128.GreaterThan(test._b,
        Vector128<float>.Zero), yes._b, no._b),
        Vector128.ConditionalSelect(Vector128.GreaterThan(test._c,
        Vector128<float>.Zero), yes._c, no._c),
        Vector128.ConditionalSelect(Vector128.GreaterThan(test._d,
        Vector128<float>.Zero), yes._d, no._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 AddInt(Lanes128 x, Lanes128 y) => new((x._a.AsInt32() + y._a.AsInt32()).AsSingle(), (x._b.AsInt32() + y._b.AsInt32()).AsSingle(), (x._c.AsInt32() + y._c.AsInt32()).AsSingle(), (x._d.AsInt32() + y._d.AsInt32()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 AddShort(Lanes128 x, Lanes128 y) => new((x._a.AsInt16() + y._a.AsInt16()).AsSingle(), (x._b.AsInt16() + y._b.AsInt16()).AsSingle(), (x._c.AsInt16() + y._c.AsInt16()).AsSingle(), (x._d.AsInt16() + y._d.AsInt16()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SumInt(Lanes128 ints) => Vector128.Sum((ints._a.AsInt32() + ints._b.AsInt32()) + (ints._c.AsInt32() + ints._d.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 WidenBytes(byte* source)
    {
        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.Load(source));
        return new(Vector128.WidenLower(low).AsSingle(), Vector128.WidenUpper(low).AsSingle(), Vector128.WidenLower(high).AsSingle(), Vector128.WidenUpper(high).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 WidenSignedBytes(sbyte* source)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(Vector128.Load(source));
        return new(Vector128.WidenLower(low).AsSingle(), Vector128.WidenUpper(low).AsSingle(), Vector128.WidenLower(high).AsSingle(), Vector128.WidenUpper(high).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(Lanes128 ints, sbyte* destination) => Vector128.Narrow(Vector128.Narrow(ints._a.AsInt32(), ints._b.AsInt32()),
        Vector128.Narrow(ints._c.AsInt32(), ints._d.AsInt32())).Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 ToFloat(Lanes128 ints) => new(Vector128.ConvertToSingle(ints._a.AsInt32()), Vector128.ConvertToSingle(ints._b.AsInt32()), Vector128.ConvertToSingle(ints._c.AsInt32()), Vector128.ConvertToSingle(ints._d.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 EvenBFloat16(Lanes128 pairs) => new((pairs._a.AsInt32() << 16).AsSingle(), (pairs._b.AsInt32() << 16).AsSingle(), (pairs._c.AsInt32() << 16).AsSingle(), (pairs._d.AsInt32() << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 OddBFloat16(Lanes128 pairs) => new((pairs._a.AsInt32() & Vector128.Create(unchecked((int)0xFFFF0000))).AsSingle(), (pairs._b.AsInt32() & Vector128.Create(unchecked((int)0xFFFF0000))).AsSingle(), (pairs._c.AsInt32() & Vector128.Create(unchecked((int)0xFFFF0000))).AsSingle(), (pairs._d.AsInt32() & Vector128.Create(unchecked((int)0xFFFF0000))).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 EvenBytes(Lanes128 bytes) => new((bytes._a.AsInt16() & Vector128.Create((short)0x00FF)).AsSingle(), (bytes._b.AsInt16() & Vector128.Create((short)0x00FF)).AsSingle(), (bytes._c.AsInt16() & Vector128.Create((short)0x00FF)).AsSingle(), (bytes._d.AsInt16() & Vector128.Create((short)0x00FF)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 OddBytes(Lanes128 bytes) => new((bytes._a.AsUInt16() >>> 8).AsSingle(), (bytes._b.AsUInt16() >>> 8).AsSingle(), (bytes._c.AsUInt16() >>> 8).AsSingle(), (bytes._d.AsUInt16() >>> 8).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LowNibbles(Lanes128 bytes) => new((bytes._a.AsByte() & Vector128.Create((byte)0x0F)).AsSingle(), (bytes._b.AsByte() & Vector128.Create((byte)0x0F)).AsSingle(), (bytes._c.AsByte() & Vector128.Create((byte)0x0F)).AsSingle(), (bytes._d.AsByte() & Vector128.Create((byte)0x0F)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 HighNibbles(Lanes128 bytes) => new(((bytes._a.AsUInt16() >>> 4).AsByte() & Vector128.Create((byte)0x0F)).AsSingle(), ((bytes._b.AsUInt16() >>> 4).AsByte() & Vector128.Create((byte)0x0F)).AsSingle(), ((bytes._c.AsUInt16() >>> 4).AsByte() & Vector128.Create((byte)0x0F)).AsSingle(), ((bytes._d.AsUInt16() >>> 4).AsByte() & Vector128.Create((byte)0x0F)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 WithUpperBits(Lanes128 nibbles, Lanes128 upper, int field) => new(WithUpperBits(nibbles._a.AsByte(), upper._a.AsUInt16(), field).AsSingle(),
        WithUpperBits(nibbles._b.AsByte(), upper._b.AsUInt16(), field).AsSingle(), WithUpperBits(nibbles._c.AsByte(), upper._c.AsUInt16(), field).AsSingle(),
        WithUpperBits(nibbles._d.AsByte(), upper._d.AsUInt16(), field).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 MultiplyAddShorts(Lanes128 x, Lanes128 y) => new(MultiplyAddShorts(x._a.AsInt16(), y._a.AsInt16()).AsSingle(), MultiplyAddShorts(x._b.AsInt16(), y._b.AsInt16()).AsSingle(), MultiplyAddShorts(x._c.AsInt16(), y._c.AsInt16()).AsSingle(), MultiplyAddShorts(x._d.AsInt16(), y._d.AsInt16()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 MultiplyAddBytes(Lanes128 unsigned, Lanes128 signed) => new(MultiplyAddBytes(unsigned._a.AsByte(), signed._a.AsSByte()).AsSingle(), MultiplyAddBytes(unsigned._b.AsByte(), signed._b.AsSByte()).AsSingle(), MultiplyAddBytes(unsigned._c.AsByte(), signed._c.AsSByte()).AsSingle(), MultiplyAddBytes(unsigned._d.AsByte(), signed._d.AsSByte()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadHalves(ushort* source)
    {
        Vector128<short> low = Vector128.Load((short*)source), high = Vector128.Load((short*)source + 8);
        return new(Rebase(Vector128.WidenLower(low)), Rebase(Vector128.WidenUpper(low)), Rebase(Vector128.WidenLower(high)), Rebase(Vector128.WidenUpper(high)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Rebase(Vector128<int> halves) => ((halves << 13) & Vector128.Create(unchecked((int)0x8FFFFFFF))).AsSingle() * Vector128.Create(HalfScale);

    // 2^112: the distance between the exponent biases of fp32 and fp16. The multiplication also makes subnormal halves right.
    private const float HalfScale = 5.192296858534828e33f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> MultiplyAddShorts(Vector128<short> x, Vector128<short> y)
    {
        if (Sse2.IsSupported) return Sse2.MultiplyAddAdjacent(x, y);
        Vector128<int> even = ((x.AsInt32() << 16) >> 16) * ((y.AsInt32() << 16) >> 16);
        return even + (x.AsInt32() >> 16) * (y.AsInt32() >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> MultiplyAddBytes(Vector128<byte> unsigned, Vector128<sbyte> signed)
    {
        if (Ssse3.IsSupported) return Ssse3.MultiplyAddAdjacent(unsigned, signed);
        Vector128<short> even = (unsigned.AsInt16() & Vector128.Create((short)0x00FF)) * ((signed.AsInt16() << 8) >> 8);
        return even + (unsigned.AsUInt16() >>> 8).AsInt16() * (signed.AsInt16() >> 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> WithUpperBits(Vector128<byte> nibbles, Vector128<ushort> upper, int field)
    {
        Vector128<ushort> moved = field switch
        {
            0 => upper << 4,
            1 => upper << 2,
            2 => upper,
            _ => upper >>> 2,
        };
        return nibbles | (moved.AsByte() & Vector128.Create((byte)0x30));
    }
}
