using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Gemma.Tokenization;

/// <summary>Writes one message of Protocol Buffers' wire format.</summary>
internal sealed class ProtobufWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public ReadOnlySpan<byte> Written => _bytes.WrittenSpan;

    /// <summary>Whole numbers and truth values; a negative number takes ten bytes, as the format demands.</summary>
    public void Int32(int field, int value)
    {
        Varint((uint)field << 3);
        Varint((ulong)(long)value);
    }

    public void Float(int field, float value)
    {
        Varint((uint)field << 3 | 5);
        BinaryPrimitives.WriteSingleLittleEndian(_bytes.GetSpan(4), value);
        _bytes.Advance(4);
    }

    public void String(int field, string value)
    {
        Varint((uint)field << 3 | 2);
        int count = Encoding.UTF8.GetByteCount(value);
        Varint((uint)count);
        _bytes.Advance(Encoding.UTF8.GetBytes(value, _bytes.GetSpan(count)));
    }

    public void Message(int field, ProtobufWriter message)
    {
        Varint((uint)field << 3 | 2);
        Varint((uint)message.Written.Length);
        Raw(message.Written);
    }

    /// <summary>Whole fields, written before.</summary>
    public void Raw(ReadOnlySpan<byte> fields) => _bytes.Write(fields);

    public void Clear() => _bytes.ResetWrittenCount();

    private void Varint(ulong value)
    {
        Span<byte> bytes = _bytes.GetSpan(10);
        int count = 0;
        for (; value >= 0x80; value >>= 7) bytes[count++] = (byte)(value | 0x80);
        bytes[count++] = (byte)value;
        _bytes.Advance(count);
    }
}
