using System.Buffers.Binary;
using System.Collections.Immutable;
using Gemma.Formats;

namespace Gemma.Cpu;

/// <summary>A file that weights were packed from: what the file system said of it, and the checksum of all its bytes.</summary>
internal readonly record struct PackedSource(FileIdentity Identity, UInt128 Sum);

/// <summary>A matrix or a gain in a file of packed weights.</summary>
/// <param name="Type">How it is packed; null for a gain, one row of fp32.</param>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
/// <param name="Offset">First byte in the file, a multiple of <see cref="PackedHead.Alignment"/>.</param>
/// <param name="Sum">Checksum of its bytes.</param>
internal readonly record struct PackedSection(WeightType? Type, int Rows, int Columns, long Offset, UInt128 Sum)
{
    public long Bytes => Type is WeightType type ? PackedWeights.Bytes(type, Rows, Columns) : sizeof(float) * (long)Columns;
}

/// <summary>
/// The first 64 KiB of a file of packed weights: what they were packed from, and where each matrix lies. All numbers are little-endian.
/// </summary>
/// <remarks>
/// 0: "GEMMAPK1"; 8: <see cref="PackedWeights.Version"/>, number of sources, number of sections, 0, each 4 bytes; 24: bytes of the file; 32: the sources, 48
/// bytes each (length, modified, changed, inode, checksum); then the sections, 48 bytes each (type or −1, rows, columns, 0, 4 bytes each; offset, length, 8
/// bytes each; checksum); zeros; in the last 16 bytes the checksum of all before.
/// </remarks>
internal sealed record PackedHead(ImmutableArray<PackedSource> Sources, ImmutableArray<PackedSection> Sections, long FileBytes)
{
    public const int ByteCount = 1 << 16;

    /// <summary>Sections begin at pages.</summary>
    public const int Alignment = 4096;

    private const int EntryBytes = 48, FirstEntry = 32, SumBytes = 16, Gain = -1;

    // Beyond what any model has; below what could overflow when sizes are computed.
    private const int MostRows = 1 << 28, MostColumns = 1 << 24;

    private static ReadOnlySpan<byte> Magic => "GEMMAPK1"u8;

    /// <summary>Whether there is room for so many entries.</summary>
    public static bool Fits(int entries) => FirstEntry + (long)entries * EntryBytes <= ByteCount - SumBytes;

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[ByteCount];
        Magic.CopyTo(bytes);
        Put(8, PackedWeights.Version);
        Put(12, Sources.Length);
        Put(16, Sections.Length);
        PutLong(24, FileBytes);
        int at = FirstEntry;
        foreach (PackedSource source in Sources)
        {
            PutLong(at, source.Identity.Length);
            PutLong(at + 8, source.Identity.Modified);
            PutLong(at + 16, source.Identity.Changed);
            PutLong(at + 24, (long)source.Identity.Inode);
            BinaryPrimitives.WriteUInt128LittleEndian(bytes.AsSpan(at + 32), source.Sum);
            at += EntryBytes;
        }
        foreach (PackedSection section in Sections)
        {
            Put(at, section.Type is WeightType type ? (int)type : Gain);
            Put(at + 4, section.Rows);
            Put(at + 8, section.Columns);
            PutLong(at + 16, section.Offset);
            PutLong(at + 24, section.Bytes);
            BinaryPrimitives.WriteUInt128LittleEndian(bytes.AsSpan(at + 32), section.Sum);
            at += EntryBytes;
        }
        BinaryPrimitives.WriteUInt128LittleEndian(bytes.AsSpan(ByteCount - SumBytes), Checksum.Of(bytes.AsSpan(..^SumBytes)));
        return bytes;

        void Put(int offset, int value) => BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(offset), value);
        void PutLong(int offset, long value) => BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(offset), value);
    }

    /// <summary>Reads the head of a file of the given length; every section of what comes back lies in the file, behind the one before.</summary>
    /// <returns>Null and what is wrong with it.</returns>
    public static (PackedHead? Head, string? Problem) Read(ReadOnlySpan<byte> bytes, long fileBytes)
    {
        if (bytes.Length < ByteCount) return (null, "it is cut short");
        bytes = bytes[..ByteCount];
        if (!bytes.StartsWith(Magic)) return (null, "it is no file of packed weights");
        if (BinaryPrimitives.ReadUInt128LittleEndian(bytes[^SumBytes..]) != Checksum.Of(bytes[..^SumBytes])) return (null, "its head is damaged");
        if (Int(bytes, 8) != PackedWeights.Version) return (null, "another version of this program packed it");
        if (Long(bytes, 24) != fileBytes) return (null, FormattableString.Invariant($"it has {fileBytes} bytes and should have {Long(bytes, 24)}"));
        (int sources, int sections) = (Int(bytes, 12), Int(bytes, 16));
        if (sources < 0 || sections < 0 || !Fits(Math.Max(sources, sections)) || !Fits(sources + sections)) return (null, "its head is impossible");
        var foundSources = ImmutableArray.CreateBuilder<PackedSource>(sources);
        var found = ImmutableArray.CreateBuilder<PackedSection>(sections);
        for (int i = 0; i < sources; i++)
        {
            ReadOnlySpan<byte> entry = bytes[(FirstEntry + i * EntryBytes)..];
            foundSources.Add(new(new(Long(entry, 0), Long(entry, 8), Long(entry, 16), (ulong)Long(entry, 24)), BinaryPrimitives.ReadUInt128LittleEndian(entry[32..])));
        }
        long end = ByteCount;
        for (int i = sources; i < sources + sections; i++)
        {
            ReadOnlySpan<byte> entry = bytes[(FirstEntry + i * EntryBytes)..];
            (int type, int rows, int columns, long offset) = (Int(entry, 0), Int(entry, 4), Int(entry, 8), Long(entry, 16));
            bool possible = (type == Gain || Enum.IsDefined((WeightType)type)) && rows is > 0 and <= MostRows && columns is > 0 and <= MostColumns
                && offset >= end && offset % Alignment == 0 && offset < fileBytes;
            if (!possible) return (null, "its head is impossible");
            var section = new PackedSection(type == Gain ? null : (WeightType)type, rows, columns, offset, BinaryPrimitives.ReadUInt128LittleEndian(entry[32..]));
            if (section.Bytes != Long(entry, 24) || section.Bytes > fileBytes - offset) return (null, "its head is impossible");
            end = offset + section.Bytes;
            found.Add(section);
        }
        return (new PackedHead(foundSources.MoveToImmutable(), found.MoveToImmutable(), fileBytes), null);
    }

    private static int Int(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadInt32LittleEndian(bytes[offset..]);

    private static long Long(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadInt64LittleEndian(bytes[offset..]);
}
