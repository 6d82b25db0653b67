namespace Gemma.Cpu.Kernels;

/// <summary>
/// Panels of GGML's K types, super-blocks of 256 k of 16 rows. They hold the numbers of the published blocks, unchanged and in another order, so that a file
/// loses nothing by being loaded.
/// </summary>
/// <remarks>
/// Q4_K: fp16 d[16], fp16 m[16]; for each 32 k scales[16], minimums[16], bytes of six bits; then for each 32 k the nibbles as in Q4 panels:
/// [4 groups of 4 k][16 rows][4 k], group g in the low nibbles and g + 4 in the high ones. weight = d · scale · q − m · minimum.
/// Q6_K: fp32 d[16]; for each 16 k signed bytes scales[16]; for each 16 k nibbles [2][16 rows][4 k], group g low and g + 2 high; for each 16 k the upper two bits
/// [16 rows][4 k], group g at bit 2g. weight = d · scale · (q − 32).
/// </remarks>
internal static unsafe class SuperBlockPanel
{
    /// <summary>Where the scales (and minimums) of a super-block begin: 32 bytes for each 32 k, whatever the type.</summary>
    public const int ScalesOffset = 64;

    /// <summary>Where its nibbles begin: 256 bytes for each 32 k.</summary>
    public const int NibblesOffset = ScalesOffset + 8 * 32;

    /// <summary>Where the upper bits of Q6_K begin: 128 bytes for each 32 k.</summary>
    public const int UpperOffset = NibblesOffset + 8 * 256;

    /// <summary>Where the sixteen m of Q4_K begin, behind the d.</summary>
    public const int MinimumOffset = 32;

    private const int Super = PackedWeights.SuperBlock;
    private const int Block = PackedWeights.Block;

    /// <summary>Bytes of 256 k.</summary>
    public static int Bytes(WeightType type) => type == WeightType.Q4_K ? UpperOffset : UpperOffset + 8 * 128;

    /// <summary>One weight as it is published.</summary>
    public static float Weight(WeightType type, byte* panel, int lane, int k)
    {
        panel += (nint)(k / Super) * Bytes(type);
        k %= Super;
        return type == WeightType.Q4_K
            ? Scale4(panel, lane, k) * Value4(panel, lane, k) - Minimum4(panel, lane, k)
            : Scale6(panel, lane, k) * (Value6(panel, lane, k) - 32);
    }

    /// <summary>0 … 15; <paramref name="k"/> is within the super-block, here and below.</summary>
    public static int Value4(byte* panel, int lane, int k)
    {
        int group = k % Block / 4, pair = panel[NibblesOffset + k / Block * 256 + group % 4 * 64 + lane * 4 + k % 4];
        return group < 4 ? pair & 15 : pair >> 4;
    }

    /// <summary>0 … 63: the weight plus 32.</summary>
    public static int Value6(byte* panel, int lane, int k)
    {
        int sub = k / 16, group = k % 16 / 4, place = lane * 4 + k % 4;
        int pair = panel[NibblesOffset + sub * 128 + group % 2 * 64 + place], upper = panel[UpperOffset + sub * 64 + place] >> 2 * group & 3;
        return (group < 2 ? pair & 15 : pair >> 4) | upper << 4;
    }

    /// <summary>d · scale; exact: 11 by 6 bits.</summary>
    public static float Scale4(byte* panel, int lane, int k) => (float)((Half*)panel)[lane] * panel[ScalesOffset + k / Block * 32 + lane];

    /// <summary>m · minimum; exact.</summary>
    public static float Minimum4(byte* panel, int lane, int k) => (float)((Half*)(panel + MinimumOffset))[lane] * panel[ScalesOffset + k / Block * 32 + 16 + lane];

    /// <summary>d · scale; exact: 11 by 8 bits.</summary>
    public static float Scale6(byte* panel, int lane, int k) => ((float*)panel)[lane] * ((sbyte*)panel)[ScalesOffset + k / 16 * 16 + lane];

    /// <summary>One row's published super-blocks into its lane of a panel; the other lanes stay.</summary>
    public static void PackRow(WeightType type, ReadOnlySpan<byte> row, int lane, byte* panel)
    {
        int blockBytes = type == WeightType.Q4_K ? Formats.Q4_K.BlockBytes : Formats.Q6_K.BlockBytes;
        fixed (byte* first = row)
        {
            byte* source = first;
            for (int block = 0; block < row.Length / blockBytes; block++, source += blockBytes, panel += Bytes(type))
            {
                if (type == WeightType.Q4_K) Pack4(source, lane, panel);
                else Pack6(source, lane, panel);
            }
        }
    }

    private static void Pack4(byte* source, int lane, byte* panel)
    {
        ((ushort*)panel)[lane] = ((ushort*)source)[0];
        ((ushort*)(panel + MinimumOffset))[lane] = ((ushort*)source)[1];
        var scales = new ReadOnlySpan<byte>(source + 4, 12);
        for (int block = 0; block < 8; block++)
        {
            (float scale, float minimum) = Formats.Q4_K.ScaleAndMinimum(scales, block);
            panel[ScalesOffset + block * 32 + lane] = (byte)scale;
            panel[ScalesOffset + block * 32 + 16 + lane] = (byte)minimum;
        }
        // 32 bytes hold block 2·pair in their low nibbles and the next one in the high ones; four k of a lane are one word.
        var nibbles = (uint*)(source + 16);
        var words = (uint*)(panel + NibblesOffset) + lane;
        for (int pair = 0; pair < 4; pair++, nibbles += 8, words += 128)
        {
            for (int group = 0; group < 4; group++)
            {
                uint first = nibbles[group], second = nibbles[group + 4];
                words[group * 16] = first & 0x0F0F0F0F | (second & 0x0F0F0F0F) << 4;
                words[group * 16 + 64] = first >> 4 & 0x0F0F0F0F | second & 0xF0F0F0F0;
            }
        }
    }

    private static void Pack6(byte* source, int lane, byte* panel)
    {
        ((float*)panel)[lane] = (float)*(Half*)(source + 208);
        for (int sub = 0; sub < 16; sub++) panel[ScalesOffset + sub * 16 + lane] = source[192 + sub];
        uint* values = stackalloc uint[4];
        for (int sub = 0; sub < 16; sub++)
        {
            // 128 weights: 64 bytes of nibbles, quarters 0 and 1 low, 2 and 3 high; 32 bytes with two bits for each quarter.
            int half = sub / 8, quarter = sub % 8 / 2, part = sub % 2 * 4;
            var nibbles = (uint*)(source + half * 64 + quarter % 2 * 32) + part;
            var pairs = (uint*)(source + 128 + half * 32) + part;
            var words = (uint*)(panel + NibblesOffset + sub * 128) + lane;
            uint upper = 0;
            for (int group = 0; group < 4; group++)
            {
                values[group] = (quarter < 2 ? nibbles[group] : nibbles[group] >> 4) & 0x0F0F0F0F;
                upper |= (pairs[group] >> 2 * quarter & 0x03030303) << 2 * group;
            }
            words[0] = values[0] | values[2] << 4;
            words[16] = values[1] | values[3] << 4;
            ((uint*)(panel + UpperOffset + sub * 64))[lane] = upper;
        }
    }
}
