using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Gemma.Formats;

namespace Gemma.Training;

/// <summary>
/// A file of scalars that TensorBoard reads: records of TensorFlow's TFRecord format (length, its CRC, data, their CRC), each a protocol buffer <c>Event</c>. A run that
/// goes on writes a file of its own, whose first event tells TensorBoard to forget what earlier files say of later steps.
/// </summary>
internal sealed class EventFile : IDisposable
{
    // Field numbers and types of event.proto and summary.proto, as the tags of the encoding: number · 8 + wire type.
    private const byte WallTime = (1 << 3) | Fixed64, Step = (2 << 3) | Varint, FileVersion = (3 << 3) | Bytes, Summary = (5 << 3) | Bytes, SessionLog = (7 << 3) | Bytes;
    private const byte SummaryValue = (1 << 3) | Bytes, ValueTag = (1 << 3) | Bytes, SimpleValue = (2 << 3) | Fixed32, SessionStatus = (1 << 3) | Varint;
    private const byte Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5;
    private const int SessionStart = 1;

    private readonly FileStream _file;
    private readonly ArrayBufferWriter<byte> _event = new(1024), _summary = new(1024), _value = new(128), _record = new(1024);

    private EventFile(FileStream file) => _file = file;

    /// <summary>Begins a file in a folder, for the steps after <paramref name="step"/>.</summary>
    public static EventFile Create(string folder, int step)
    {
        long seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        // TensorBoard knows the files by this word, and reads them in the order of their names.
        string path = Path.Combine(folder, FormattableString.Invariant($"events.out.tfevents.{seconds:D10}.{step:D8}.{Environment.ProcessId}"));
        var result = new EventFile(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0));
        result.Begin(0);
        WriteBytes(result._event, FileVersion, "brain.Event:2"u8);
        result.End();
        if (step == 0) return result;
        result.Begin(step + 1);
        WriteBytes(result._event, SessionLog, [SessionStatus, SessionStart]);
        result.End();
        return result;
    }

    /// <summary>Writes the scalars of one step.</summary>
    public void Write(int step, ReadOnlySpan<(string Tag, double Value)> scalars)
    {
        Begin(step);
        _summary.ResetWrittenCount();
        foreach ((string tag, double value) in scalars)
        {
            _value.ResetWrittenCount();
            WriteBytes(_value, ValueTag, Encoding.UTF8.GetBytes(tag));
            _value.Write([SimpleValue]);
            BinaryPrimitives.WriteSingleLittleEndian(_value.GetSpan(sizeof(float)), (float)value);
            _value.Advance(sizeof(float));
            WriteBytes(_summary, SummaryValue, _value.WrittenSpan);
        }
        WriteBytes(_event, Summary, _summary.WrittenSpan);
        End();
    }

    public void Dispose() => _file.Dispose();

    /// <summary>CRC-32C, turned and moved so that a CRC over data that hold CRCs is no likelier to be wrong: ((crc &gt;&gt; 15) | (crc &lt;&lt; 17)) + 0xa282ead8.</summary>
    internal static uint MaskedChecksum(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..]) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte last in bytes) crc = BitOperations.Crc32C(crc, last);
        return BitOperations.RotateRight(~crc, 15) + 0xA282EAD8;
    }

    private void Begin(int step)
    {
        _event.ResetWrittenCount();
        _event.Write([WallTime]);
        BinaryPrimitives.WriteDoubleLittleEndian(_event.GetSpan(sizeof(double)), (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalSeconds);
        _event.Advance(sizeof(double));
        if (step == 0) return; // zero is not written in this encoding
        _event.Write([Step]);
        WriteVarint(_event, (uint)step);
    }

    private void End()
    {
        _record.ResetWrittenCount();
        Span<byte> head = _record.GetSpan(sizeof(ulong) + sizeof(uint));
        BinaryPrimitives.WriteUInt64LittleEndian(head, (ulong)_event.WrittenCount);
        BinaryPrimitives.WriteUInt32LittleEndian(head[sizeof(ulong)..], MaskedChecksum(head[..sizeof(ulong)]));
        _record.Advance(sizeof(ulong) + sizeof(uint));
        _record.Write(_event.WrittenSpan);
        BinaryPrimitives.WriteUInt32LittleEndian(_record.GetSpan(sizeof(uint)), MaskedChecksum(_event.WrittenSpan));
        _record.Advance(sizeof(uint));
        NewFile.Guard(_file.Name, () =>
        {
            _file.Write(_record.WrittenSpan);
            return true;
        });
    }

    private static void WriteBytes(ArrayBufferWriter<byte> writer, byte tag, ReadOnlySpan<byte> bytes)
    {
        writer.Write([tag]);
        WriteVarint(writer, (uint)bytes.Length);
        writer.Write(bytes);
    }

    private static void WriteVarint(ArrayBufferWriter<byte> writer, uint value)
    {
        for (; value >= 0x80; value >>= 7) writer.Write([(byte)(value | 0x80)]);
        writer.Write([(byte)value]);
    }
}
