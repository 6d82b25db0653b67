using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Gemma.Tokenization;

/// <summary>
/// Reads one message of Protocol Buffers' wire format, field by field. Every length is checked against the bytes that are there; nothing is allocated.
/// </summary>
/// <param name="file">Path of the file, for messages.</param>
internal ref struct ProtobufReader(string file, ReadOnlySpan<byte> message)
{
    private readonly ReadOnlySpan<byte> _message = message;
    private int _at, _start;
    private int _wireType;

    /// <summary>Number of the field at hand.</summary>
    public int Field { get; private set; }

    /// <summary>The field at hand as it is in the file, tag included; valid after its value was read or skipped.</summary>
    public readonly ReadOnlySpan<byte> Raw => _message[_start.._at];

    /// <summary>Goes to the next field, whose value must then be read or skipped.</summary>
    public bool Next()
    {
        if (_at == _message.Length) return false;
        _start = _at;
        ulong tag = Varint();
        _wireType = (int)(tag & 7);
        if (tag >> 3 is 0 or > 0x1FFFFFFF) throw Bad("a field number", FormattableString.Invariant($"{tag >> 3}"));
        Field = (int)(tag >> 3);
        return true;
    }

    public int Int32()
    {
        Expect(0);
        return (int)Varint();
    }

    public bool Bool()
    {
        Expect(0);
        return Varint() != 0;
    }

    public float Float()
    {
        Expect(5);
        return BinaryPrimitives.ReadSingleLittleEndian(Take(4));
    }

    /// <summary>A string, bytes or an embedded message.</summary>
    public ReadOnlySpan<byte> Bytes()
    {
        Expect(2);
        return TakeCounted();
    }

    public void Skip()
    {
        switch (_wireType)
        {
            case 0: Varint(); break;
            case 1: Take(8); break;
            case 2: TakeCounted(); break;
            case 5: Take(4); break;
            default: throw Bad("wire type 0, 1, 2 or 5", FormattableString.Invariant($"{_wireType}"));
        }
    }

    private readonly void Expect(int wireType)
    {
        if (_wireType != wireType) throw Bad(FormattableString.Invariant($"field {Field} of wire type {wireType}"), FormattableString.Invariant($"{_wireType}"));
    }

    private ReadOnlySpan<byte> TakeCounted()
    {
        ulong count = Varint();
        return count <= int.MaxValue ? Take((int)count) : throw Bad(FormattableString.Invariant($"{count} bytes"), FormattableString.Invariant($"{_message.Length - _at}"));
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _message.Length - _at)
            throw Bad(FormattableString.Invariant($"{count} bytes"), FormattableString.Invariant($"{_message.Length - _at}"));
        ReadOnlySpan<byte> taken = _message.Slice(_at, count);
        _at += count;
        return taken;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong Varint() => _at < _message.Length && _message[_at] < 0x80 ? _message[_at++] : LongVarint();

    private ulong LongVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if (_at == _message.Length) throw Bad("the rest of a number", "the end");
            byte next = _message[_at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
        throw Bad("a number of 10 bytes at most", "a longer one");
    }

    private readonly BadFileException Bad(string expected, string actual) =>
        new(file, null, expected, actual, "this is no SentencePiece model, or it is damaged: fetch tokenizer.model again");
}
