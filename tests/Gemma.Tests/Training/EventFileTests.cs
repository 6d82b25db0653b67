using System.Buffers.Binary;
using System.Text;
using Gemma.Tests.Formats;
using Gemma.Training;

namespace Gemma.Tests.Training;

public class EventFileTests
{
    [Fact]
    public void Checksums_are_those_of_the_format()
    {
        // CRC-32C's own check value is E3069283.
        uint expected = uint.RotateRight(0xE3069283, 15) + 0xA282EAD8;
        Assert.Equal(expected, EventFile.MaskedChecksum("123456789"u8));
        // The first bytes of any such file that TensorFlow has written: a record of 24 bytes.
        Assert.Equal(0x224B7FA3u, Bitwise([24, 0, 0, 0, 0, 0, 0, 0]));
        Assert.Equal(Bitwise([24, 0, 0, 0, 0, 0, 0, 0]), EventFile.MaskedChecksum([24, 0, 0, 0, 0, 0, 0, 0]));
    }

    [Fact]
    public void Records_hold_what_was_written_and_their_checksums()
    {
        using var temporary = new TemporaryFolder();
        using (var events = EventFile.Create(temporary.Root, 0))
        {
            events.Write(1, [("loss/train", 8.25), ("rate", 1e-3)]);
            events.Write(300, [("loss/validation", 7.5)]);
        }
        List<byte[]> records = Records(Assert.Single(Directory.GetFiles(temporary.Root, "events.out.tfevents.*")));
        Assert.Equal(3, records.Count);
        Assert.Equal(24, records[0].Length); // what TensorBoard looks for: wall time and "brain.Event:2"
        Assert.Equal("brain.Event:2", Encoding.UTF8.GetString(records[0].AsSpan(11)));
        Assert.Equal([9], records[0][..1]);
        double time = BinaryPrimitives.ReadDoubleLittleEndian(records[1].AsSpan(1));
        Assert.InRange(time, (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalSeconds - 60, (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalSeconds + 1);
        // step = 1; summary of two values, each a tag and a float.
        byte[] expected = [0x10, 1, 0x2A, 32, 0x0A, 17, 0x0A, 10, .. "loss/train"u8, 0x15, .. Float(8.25f), 0x0A, 11, 0x0A, 4, .. "rate"u8, 0x15, .. Float(1e-3f)];
        Assert.Equal(expected, records[1][9..]);
        Assert.Equal([0x10, 0xAC, 0x02], records[2][9..12]); // 300 in seven bits a byte
    }

    [Fact]
    public void A_run_that_goes_on_tells_the_reader_to_forget_later_steps()
    {
        using var temporary = new TemporaryFolder();
        EventFile.Create(temporary.Root, 50).Dispose();
        List<byte[]> records = Records(Assert.Single(Directory.GetFiles(temporary.Root)));
        Assert.Equal(2, records.Count);
        Assert.Equal([0x10, 51, 0x3A, 2, 0x08, 1], records[1][9..]); // step 51, session log with status START
    }

    /// <summary>Reads a file by the format's own words: length, its checksum, data, theirs.</summary>
    internal static List<byte[]> Records(string path)
    {
        ReadOnlySpan<byte> bytes = File.ReadAllBytes(path);
        List<byte[]> records = [];
        while (!bytes.IsEmpty)
        {
            Assert.Equal(Bitwise(bytes[..8]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]));
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            Assert.Equal(Bitwise(bytes.Slice(12, length)), BinaryPrimitives.ReadUInt32LittleEndian(bytes[(12 + length)..]));
            records.Add(bytes.Slice(12, length).ToArray());
            bytes = bytes[(16 + length)..];
        }
        return records;
    }

    private static byte[] Float(float value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        return bytes;
    }

    /// <summary>CRC-32C bit by bit, masked.</summary>
    private static uint Bitwise(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82F63B78 & (uint)-(int)(crc & 1));
        }
        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xA282EAD8;
    }
}
