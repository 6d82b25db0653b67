using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Gemma.Formats;

/// <summary>GGUF's types of metadata values.</summary>
internal enum GgufType : uint
{
    UInt8,
    Int8,
    UInt16,
    Int16,
    UInt32,
    Int32,
    Float32,
    Bool,
    String,
    Array,
    UInt64,
    Int64,
    Float64,
}

/// <summary>
/// Reads GGUF's primitives one after another. Every count is held against the bytes that are left before anything is allocated for it, so that a few
/// hostile bytes cannot ask for gigabytes.
/// </summary>
internal sealed class GgufReader(MappedFile file)
{
    // Far beyond any published file, and little enough that a wrong count fails quickly.
    private const ulong LongestString = 1 << 26, LongestArray = 1 << 24;
    private const int DeepestArray = 3;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    public long Position { get; private set; }

    /// <summary>What is being read, for messages.</summary>
    public string Context { get; set; } = "header";

    public long Remaining => file.Length - Position;

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    /// <summary>A count of things that take at least <paramref name="smallest"/> bytes each.</summary>
    public int Count(string what, int smallest, ulong most = LongestArray)
    {
        ulong count = UInt64(), room = (ulong)(Remaining / smallest);
        if (count > Math.Min(room, most))
        {
            throw Bad(FormattableString.Invariant($"at most {Math.Min(room, most)} {what}"), FormattableString.Invariant($"{count}"),
                "the file is cut short or damaged: fetch it again");
        }
        return (int)count;
    }

    public string String()
    {
        int length = Count("bytes of text", 1, LongestString);
        try
        {
            return StrictUtf8.GetString(Take(length));
        }
        catch (DecoderFallbackException)
        {
            throw Bad("text in UTF-8", "bytes that are not", "the file is damaged: fetch it again");
        }
    }

    public object Value() => Value((GgufType)UInt32(), 0);

    public BadFileException Bad(string expected, string actual, string remedy) => new(file.Path, Context, expected, actual, remedy);

    private object Value(GgufType type, int depth) => type switch
    {
        GgufType.UInt8 => Take(1)[0],
        GgufType.Int8 => (sbyte)Take(1)[0],
        GgufType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(Take(2)),
        GgufType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(Take(2)),
        GgufType.UInt32 => UInt32(),
        GgufType.Int32 => (int)UInt32(),
        GgufType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(Take(4)),
        GgufType.Bool => Boolean(Take(1)[0]),
        GgufType.String => String(),
        GgufType.Array => ArrayOf((GgufType)UInt32(), depth + 1),
        GgufType.UInt64 => UInt64(),
        GgufType.Int64 => (long)UInt64(),
        GgufType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(Take(8)),
        _ => throw Bad("a value type from 0 to 12", FormattableString.Invariant($"{(uint)type}"), "the file is damaged: fetch it again"),
    };

    private Array ArrayOf(GgufType type, int depth)
    {
        if (depth > DeepestArray)
            throw Bad(FormattableString.Invariant($"arrays nested at most {DeepestArray} deep"), "a deeper one", "the file is damaged: fetch it again");
        return type switch
        {
            GgufType.UInt8 => Numbers<byte>(),
            GgufType.Int8 => Numbers<sbyte>(),
            GgufType.UInt16 => Numbers<ushort>(),
            GgufType.Int16 => Numbers<short>(),
            GgufType.UInt32 => Numbers<uint>(),
            GgufType.Int32 => Numbers<int>(),
            GgufType.Float32 => Numbers<float>(),
            GgufType.Bool => System.Array.ConvertAll(Numbers<byte>(), Boolean),
            GgufType.String => Strings(),
            GgufType.Array => Arrays(depth),
            GgufType.UInt64 => Numbers<ulong>(),
            GgufType.Int64 => Numbers<long>(),
            GgufType.Float64 => Numbers<double>(),
            _ => throw Bad("an element type from 0 to 12", FormattableString.Invariant($"{(uint)type}"), "the file is damaged: fetch it again"),
        };
    }

    private T[] Numbers<T>() where T : unmanaged
    {
        int size = Marshal.SizeOf<T>(), count = Count("numbers", size);
        return MemoryMarshal.Cast<byte, T>(Take(count * size)).ToArray();
    }

    private string[] Strings()
    {
        var strings = new string[Count("strings", sizeof(ulong))];
        for (int i = 0; i < strings.Length; i++) strings[i] = String();
        return strings;
    }

    private object[] Arrays(int depth)
    {
        var arrays = new object[Count("arrays", sizeof(uint) + sizeof(ulong))];
        for (int i = 0; i < arrays.Length; i++) arrays[i] = ArrayOf((GgufType)UInt32(), depth + 1);
        return arrays;
    }

    private bool Boolean(byte value) => value <= 1 ? value == 1 : throw Bad("true or false as 1 or 0", FormattableString.Invariant($"{value}"), "the file is damaged: fetch it again");

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > Remaining)
        {
            throw Bad(FormattableString.Invariant($"{count} more bytes"), FormattableString.Invariant($"the end of the file after {Remaining}"),
                "the file is cut short: fetch it again");
        }
        Position += count;
        return file.Bytes(Position - count, count);
    }
}
