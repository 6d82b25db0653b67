using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gemma.Cpu.Kernels;

/// <summary>
/// Packing of 8- and 4-bit panels. Each block of 32 weights has one fp16 scale, chosen to make the squared error of the block least; the layout is
/// described at <see cref="PackedWeights"/>.
/// </summary>
internal static unsafe class QuantizedPanel
{
    private const int Rows = PackedWeights.PanelRows;
    private const int Block = PackedWeights.Block;
    private const int ScaleBytes = Rows * 2;

    /// <summary>Bytes of one block of a panel: 16 scales and 16 × 32 weights.</summary>
    public static int BlockBytes(int bits) => ScaleBytes + Rows * Block * bits / 8;

    public static float Scale(byte* panel, int lane, int k, int bits) => (float)((Half*)Scales(panel, k / Block, bits))[lane];

    public static int Weight8(byte* panel, int lane, int k) => Values(panel, k / Block, 8)[k % Block / 4 * 64 + lane * 4 + k % 4] - 128;

    public static int Weight4(byte* panel, int lane, int k)
    {
        int group = k % Block / 4;
        int pair = Values(panel, k / Block, 4)[group % 4 * 64 + lane * 4 + k % 4];
        return (group < 4 ? pair & 15 : pair >> 4) - 8;
    }

    /// <summary>The 16 scales of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Scales(byte* panel, int block, int bits) => panel + (nint)(block / 2) * 2 * BlockBytes(bits) + block % 2 * ScaleBytes;

    /// <summary>The weights of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Values(byte* panel, int block, int bits) =>
        panel + (nint)(block / 2) * 2 * BlockBytes(bits) + 2 * ScaleBytes + block % 2 * (Rows * Block * bits / 8);

    /// <summary>The twin of <see cref="Pack"/>: one weight at a time.</summary>
    public static void PackScalar(WeightType type, float* rows, int columns, byte* panel)
    {
        int bits = type == WeightType.Q8 ? 8 : 4;
        float* w = stackalloc float[Block * Rows];
        int* q = stackalloc int[Block * Rows];
        for (int block = 0; block < columns / Block; block++)
        {
            Transpose(rows + block * Block, columns, w);
            var scales = (Half*)Scales(panel, block, bits);
            for (int lane = 0; lane < Rows; lane++)
            {
                float scale = bits == 8 ? BestScale8(w + lane) : BestScale4(w + lane);
                scales[lane] = ToScale(scale);
                float inverse = scales[lane] == Half.Zero ? 0 : 1 / (float)scales[lane];
                for (int k = 0; k < Block; k++) q[k * Rows + lane] = (int)Math.Clamp(MathF.Round(w[k * Rows + lane] * inverse), -Limit(bits), Limit(bits) - (8 - bits) / 4);
            }
            Write(q, Values(panel, block, bits), bits);
        }
    }

    /// <summary>Quantises and packs a panel; the 16 rows are the 16 lanes.</summary>
    /// <param name="type">Q8 or Q4.</param>
    /// <param name="rows">[16, columns]</param>
    /// <param name="columns">A multiple of 64.</param>
    /// <param name="panel">Where the panel goes.</param>
    public static void Pack<TLanes>(WeightType type, float* rows, int columns, byte* panel) where TLanes : struct, ILanes<TLanes>
    {
        int bits = type == WeightType.Q8 ? 8 : 4;
        float* w = stackalloc float[Block * Rows];
        float* q = stackalloc float[Block * Rows];
        float* best = stackalloc float[Rows];
        for (int block = 0; block < columns / Block; block++)
        {
            Transposition.Run(rows + block * Block, columns, Block, w);
            TLanes.Store(bits == 8 ? BestScale8<TLanes>(w) : BestScale4<TLanes>(w), best);
            var scales = (Half*)Scales(panel, block, bits);
            for (int lane = 0; lane < Rows; lane++)
            {
                scales[lane] = ToScale(best[lane]);
                best[lane] = scales[lane] == Half.Zero ? 0 : 1 / (float)scales[lane];
            }
            TLanes inverse = TLanes.Load(best), least = TLanes.Broadcast(-Limit(bits)), most = TLanes.Broadcast(Limit(bits) - (8 - bits) / 4), magic = TLanes.Broadcast(Magic);
            for (int k = 0; k < Block; k++)
            {
                TLanes clamped = TLanes.Max(least, Min(most, TLanes.Multiply(TLanes.Load(w + k * Rows), inverse)));
                TLanes.Store(TLanes.Add(clamped, magic), q + k * Rows);
            }
            WriteLowBits((uint*)q, Values(panel, block, bits), bits);
        }
    }

    /// <summary>One row's published blocks (GGML's Q8_0 or Q4_0, the same numbers) into its lane of a panel; the other lanes stay.</summary>
    public static void PackRow(WeightType type, ReadOnlySpan<byte> row, int lane, byte* panel)
    {
        int bits = type == WeightType.Q8 ? 8 : 4, words = bits, blockBytes = sizeof(ushort) + words * sizeof(uint);
        // Q8_0 holds signed bytes, panels w + 128. Q4_0 has weight 16 + i above weight i in a byte, biased by 8, as panels have.
        uint bias = bits == 8 ? 0x80808080 : 0;
        fixed (byte* first = row)
        {
            byte* source = first;
            for (int block = 0; block < row.Length / blockBytes; block++, source += blockBytes)
            {
                ((ushort*)Scales(panel, block, bits))[lane] = *(ushort*)source;
                uint* from = (uint*)(source + sizeof(ushort)), to = (uint*)Values(panel, block, bits) + lane;
                for (int word = 0; word < words; word++) to[word * Rows] = from[word] ^ bias;
            }
        }
    }

    // Adding 1.5 · 2^23 rounds to the nearest integer, ties to even, and leaves it in the low bits.
    private const float Magic = 12582912;

    // 8 bits: −127 … 127. 4 bits: −8 … 7.
    private static int Limit(int bits) => bits == 8 ? 127 : 8;

    private static float BestScale8(float* w)
    {
        float max = 0;
        for (int k = 0; k < Block; k++) max = MathF.Max(max, MathF.Abs(w[k * Rows]));
        float inverse = 127 / MathF.Max(max, SmallestMax), product = 0, square = 0;
        for (int k = 0; k < Block; k++)
        {
            float rounded = MathF.Round(w[k * Rows] * inverse);
            product += w[k * Rows] * rounded;
            square += rounded * rounded;
        }
        return product / MathF.Max(square, float.Epsilon);
    }

    /// <summary>
    /// 8 bits: from max/127 to the scale that is best for the weights it rounds to. One step reaches the least error for almost every block.
    /// </summary>
    private static TLanes BestScale8<TLanes>(float* w) where TLanes : struct, ILanes<TLanes>
    {
        TLanes max = TLanes.Zero, magic = TLanes.Broadcast(Magic), product = TLanes.Zero, square = TLanes.Zero, tiny = TLanes.Broadcast(float.Epsilon);
        for (int k = 0; k < Block; k++)
        {
            TLanes value = TLanes.Load(w + k * Rows);
            max = TLanes.Max(max, TLanes.Max(value, TLanes.Subtract(TLanes.Zero, value)));
        }
        TLanes inverse = TLanes.Divide(TLanes.Broadcast(127), TLanes.Max(max, TLanes.Broadcast(SmallestMax)));
        for (int k = 0; k < Block; k++)
        {
            TLanes value = TLanes.Load(w + k * Rows);
            TLanes rounded = TLanes.Subtract(TLanes.Add(TLanes.Multiply(value, inverse), magic), magic);
            product = TLanes.Add(product, TLanes.Multiply(value, rounded));
            square = TLanes.Add(square, TLanes.Multiply(rounded, rounded));
        }
        return TLanes.Divide(product, TLanes.Max(square, tiny));
    }

    private static float BestScale4(float* w)
    {
        float greatest = 0, least = 0;
        for (int k = 0; k < Block; k++)
        {
            greatest = MathF.Max(greatest, w[k * Rows]);
            least = MathF.Max(least, -w[k * Rows]);
        }
        float size = MathF.Max(MathF.Max(greatest, least), SmallestMax), extreme = greatest > least ? size : -size;
        float bestGain = -1, best = 0;
        for (int step = -Steps; step <= Steps; step++)
        {
            float inverse = (-8 + step * StepSize) / extreme, product = 0, square = 0;
            for (int k = 0; k < Block; k++)
            {
                float rounded = Math.Clamp(MathF.Round(w[k * Rows] * inverse), -8, 7);
                product += w[k * Rows] * rounded;
                square += rounded * rounded;
            }
            float scale = product / MathF.Max(square, float.Epsilon), gain = scale * product;
            if (gain > bestGain)
            {
                bestGain = gain;
                best = scale;
            }
        }
        return best;
    }

    /// <summary>
    /// 4 bits: the largest weight is put on −8 (the scale takes the sign) and a little beside it; of these scales, each corrected to the best for the
    /// weights it rounds to, the one with the least squared error wins. Σ(w − s·q)² at the best s is Σw² − (Σwq)²/Σq².
    /// </summary>
    private static TLanes BestScale4<TLanes>(float* w) where TLanes : struct, ILanes<TLanes>
    {
        TLanes greatest = TLanes.Zero, least = TLanes.Zero, magic = TLanes.Broadcast(Magic), low = TLanes.Broadcast(-8), high = TLanes.Broadcast(7);
        for (int k = 0; k < Block; k++)
        {
            TLanes value = TLanes.Load(w + k * Rows);
            greatest = TLanes.Max(greatest, value);
            least = TLanes.Max(least, TLanes.Subtract(TLanes.Zero, value));
        }
        TLanes size = TLanes.Max(TLanes.Max(greatest, least), TLanes.Broadcast(SmallestMax));
        TLanes extreme = TLanes.SelectPositive(TLanes.Subtract(greatest, least), size, TLanes.Subtract(TLanes.Zero, size));
        TLanes bestGain = TLanes.Broadcast(-1), best = TLanes.Zero;
        for (int step = -Steps; step <= Steps; step++)
        {
            TLanes inverse = TLanes.Divide(TLanes.Broadcast(-8 + step * StepSize), extreme), product = TLanes.Zero, square = TLanes.Zero;
            for (int k = 0; k < Block; k++)
            {
                TLanes value = TLanes.Load(w + k * Rows);
                TLanes rounded = TLanes.Subtract(TLanes.Add(TLanes.Multiply(value, inverse), magic), magic);
                rounded = TLanes.Max(low, Min(high, rounded));
                product = TLanes.Add(product, TLanes.Multiply(value, rounded));
                square = TLanes.Add(square, TLanes.Multiply(rounded, rounded));
            }
            TLanes scale = TLanes.Divide(product, TLanes.Max(square, TLanes.Broadcast(float.Epsilon)));
            TLanes gain = TLanes.Multiply(scale, product);
            TLanes better = TLanes.Subtract(gain, bestGain);
            best = TLanes.SelectPositive(better, scale, best);
            bestGain = TLanes.Max(gain, bestGain);
        }
        return best;
    }

    private const int Steps = 6;
    private const float StepSize = 0.15f;

    // Below this the fp16 scale is zero anyway; it keeps 127 / max finite.
    private const float SmallestMax = 1e-30f;

    private static TLanes Min<TLanes>(TLanes x, TLanes y) where TLanes : struct, ILanes<TLanes> =>
        TLanes.Subtract(TLanes.Zero, TLanes.Max(TLanes.Subtract(TLanes.Zero, x), TLanes.Subtract(TLanes.Zero, y)));

    /// <summary>[16 rows, stride] to [32 k, 16 rows].</summary>
    private static void Transpose(float* rows, int stride, float* w)
    {
        for (int lane = 0; lane < Rows; lane++)
        {
            float* row = rows + (nint)lane * stride;
            for (int k = 0; k < Block; k++) w[k * Rows + lane] = row[k];
        }
    }

    private static void Write(int* q, byte* values, int bits)
    {
        for (int k = 0; k < Block * bits / 8; k++)
        {
            byte* group = values + k / 4 * 64 + k % 4;
            int* source = q + k * Rows, second = source + Block / 2 * Rows;
            if (bits == 8)
            {
                for (int lane = 0; lane < Rows; lane++) group[lane * 4] = (byte)(source[lane] + 128);
            }
            else
            {
                for (int lane = 0; lane < Rows; lane++) group[lane * 4] = (byte)(source[lane] + 8 | second[lane] + 8 << 4);
            }
        }
    }

    /// <summary>The same of integers whose low 8 or 4 bits count; the bias turns the uppermost of them over.</summary>
    private static void WriteLowBits(uint* q, byte* values, int bits)
    {
        const int high = Block / 2 * Rows;
        for (int group = 0; group < Block / 4 * bits / 8; group++, q += 4 * Rows, values += 4 * Rows)
        {
            for (int lane = 0; lane < Rows; lane += Vector128<uint>.Count)
            {
                Vector128<uint> bytes = bits == 8 ? Gather(q + lane, 0xFF) ^ Vector128.Create(0x80808080)
                    : (Gather(q + lane, 0x0F) | Gather(q + high + lane, 0x0F) << 4) ^ Vector128.Create(0x88888888);
                bytes.Store((uint*)values + lane);
            }
        }
    }

    /// <summary>Four k of four lanes as bytes beside each other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Gather(uint* q, uint mask)
    {
        Vector128<uint> kept = Vector128.Create(mask);
        return Vector128.Load(q) & kept | (Vector128.Load(q + Rows) & kept) << 8 | (Vector128.Load(q + 2 * Rows) & kept) << 16 | (Vector128.Load(q + 3 * Rows) & kept) << 24;
    }

    private static Half ToScale(float scale)
    {
        var half = (Half)scale;
        if (!Half.IsFinite(half)) throw new GemmaException($"a weight of size {scale:G3} × 127 does not fit into the fp16 scale of 8- and 4-bit weights: load with bf16 or f32");
        return half;
    }
}
