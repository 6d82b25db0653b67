namespace Gemma.Cpu.Kernels;

/// <summary>
/// Sixteen 32-bit lanes: one 512-bit register, two of 256 or four of 128. Vector kernels are written once over this, so the instruction sets cannot drift
/// apart; the JIT specialises them per width. The same bits serve as sixteen floats, sixteen ints, 32 shorts or 64 bytes.
/// </summary>
internal unsafe interface ILanes<TSelf> where TSelf : struct, ILanes<TSelf>
{
    const int Count = 16;

    /// <summary>Rows and panels that a tile of the dense product computes at once: what the register file of this width holds.</summary>
    static abstract bool HasWideTile { get; }

    static abstract TSelf Zero { get; }

    static abstract TSelf Load(float* source);

    static abstract void Store(TSelf value, float* destination);

    static abstract TSelf LoadBytes(byte* source);

    static abstract TSelf Broadcast(float value);

    static abstract TSelf BroadcastInt(int value);

    static abstract TSelf Add(TSelf x, TSelf y);

    static abstract TSelf Subtract(TSelf x, TSelf y);

    static abstract TSelf Multiply(TSelf x, TSelf y);

    static abstract TSelf Divide(TSelf x, TSelf y);

    static abstract TSelf Max(TSelf x, TSelf y);

    /// <summary>The second where one is NaN, as Max.</summary>
    static abstract TSelf Min(TSelf x, TSelf y);

    /// <summary>x · 2ⁿ, where n is in the low bits of the other, by adding it to the exponent; both x and the result are normal.</summary>
    static abstract TSelf AddToExponent(TSelf x, TSelf n);

    /// <summary>x · y + z, fused where the hardware does it.</summary>
    static abstract TSelf MultiplyAdd(TSelf x, TSelf y, TSelf z);

    static abstract TSelf Exp(TSelf x);

    static abstract float Sum(TSelf x);

    /// <summary>Lane i keeps x where i &lt; count, else becomes other.</summary>
    static abstract TSelf KeepFirst(TSelf x, int count, TSelf other);

    /// <summary>Lane by lane: test &gt; 0 ? yes : no.</summary>
    static abstract TSelf SelectPositive(TSelf test, TSelf yes, TSelf no);

    static abstract float MaxLane(TSelf x);

    static abstract TSelf AddInt(TSelf x, TSelf y);

    static abstract TSelf AddShort(TSelf x, TSelf y);

    static abstract int SumInt(TSelf ints);

    /// <summary>Sixteen unsigned bytes as ints.</summary>
    static abstract TSelf WidenBytes(byte* source);

    /// <summary>Sixteen signed bytes as ints.</summary>
    static abstract TSelf WidenSignedBytes(sbyte* source);

    /// <summary>Sixteen ints within −128 … 127 as signed bytes.</summary>
    static abstract void StoreBytes(TSelf ints, sbyte* destination);

    static abstract TSelf ToFloat(TSelf ints);

    /// <summary>Low halves of the 32-bit lanes shifted up: the even bf16 of each pair as fp32.</summary>
    static abstract TSelf EvenBFloat16(TSelf pairs);

    /// <summary>High halves of the 32-bit lanes: the odd bf16 of each pair as fp32.</summary>
    static abstract TSelf OddBFloat16(TSelf pairs);

    /// <summary>Even bytes as shorts.</summary>
    static abstract TSelf EvenBytes(TSelf bytes);

    /// <summary>Odd bytes as shorts.</summary>
    static abstract TSelf OddBytes(TSelf bytes);

    static abstract TSelf LowNibbles(TSelf bytes);

    static abstract TSelf HighNibbles(TSelf bytes);

    /// <summary>Nibbles with two bits above them: those of each byte of <paramref name="upper"/> at bit 2 · <paramref name="field"/>, a constant 0 … 3.</summary>
    static abstract TSelf WithUpperBits(TSelf nibbles, TSelf upper, int field);

    /// <summary>Pairs of shorts multiplied and added to one int.</summary>
    static abstract TSelf MultiplyAddShorts(TSelf x, TSelf y);

    /// <summary>Pairs of an unsigned by a signed byte multiplied and added to one short; the callers' ranges cannot saturate.</summary>
    static abstract TSelf MultiplyAddBytes(TSelf unsigned, TSelf signed);

    /// <summary>Sixteen fp16 numbers as fp32. Finite numbers only.</summary>
    static abstract TSelf LoadHalves(ushort* source);
}
