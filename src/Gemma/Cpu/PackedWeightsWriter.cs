using System.Collections.Immutable;
using Gemma.Formats;

namespace Gemma.Cpu;

/// <summary>Writes a file of packed weights, one matrix after another as they are packed. It appears whole or not at all.</summary>
internal sealed unsafe class PackedWeightsWriter : IDisposable
{
    // Written in whole pieces at offsets that this divides, the file lies in the system's cache in pieces that it can map as huge pages.
    private const int Piece = 2 << 20;

    private readonly ImmutableArray<PackedSection>.Builder _sections = ImmutableArray.CreateBuilder<PackedSection>();
    private readonly NewFile _file;
    private readonly byte[] _piece = new byte[Piece];
    private long _end = PackedHead.ByteCount;

    private PackedWeightsWriter(NewFile file) => _file = file;

    /// <param name="path">Where it is to appear; what is there is replaced.</param>
    /// <param name="bytes">Most bytes that it will have.</param>
    /// <exception cref="GemmaException">The folder or the disk says no.</exception>
    public static PackedWeightsWriter Create(string path, long bytes) => new(NewFile.Create(path, bytes, replace: true));

    /// <summary>Most bytes of a file with these sections.</summary>
    public static long Room(int sections, long bytes) => PackedHead.ByteCount + bytes + (long)sections * PackedHead.Alignment;

    /// <summary>An identity as it may be relied on later: that of a file written a moment ago does not tell whether it will be written to once more.</summary>
    public static FileIdentity Trusted(FileIdentity identity) => identity.HasSettled(DateTime.UtcNow) ? identity : identity with { Changed = 0 };

    public void Add(WeightType? type, int rows, int columns, byte* bytes, ThreadTeam team)
    {
        var section = new PackedSection(type, rows, columns, (_end + PackedHead.Alignment - 1) / PackedHead.Alignment * PackedHead.Alignment, 0);
        section = section with { Sum = Checksum.Of(bytes, section.Bytes, team) };
        if (_end % Piece > 0 && section.Offset % Piece == 0) WritePiece(section.Offset - Piece, Piece);
        _end = section.Offset;
        for (long left = section.Bytes; left > 0;)
        {
            int at = (int)(_end % Piece), count = (int)Math.Min(Piece - at, left);
            var part = new ReadOnlySpan<byte>(bytes, count);
            if (count == Piece) RandomAccess.Write(_file.Handle, part, _end);
            else part.CopyTo(_piece.AsSpan(at));
            if (count < Piece && at + count == Piece) WritePiece(_end - at, Piece);
            bytes += count;
            left -= count;
            _end += count;
        }
        _sections.Add(section);
    }

    /// <summary>Completes the file and gives it its name.</summary>
    public void Publish(ImmutableArray<PackedSource> sources)
    {
        if (!PackedHead.Fits(sources.Length + _sections.Count)) throw new IOException(FormattableString.Invariant($"{_sections.Count} matrices are more than its head has room for"));
        WritePiece(_end / Piece * Piece, (int)(_end % Piece));
        var head = new PackedHead(sources, _sections.ToImmutable(), _end);
        RandomAccess.Write(_file.Handle, head.ToBytes(), 0);
        RandomAccess.SetLength(_file.Handle, _end);
        _file.Publish();
    }

    public void Dispose() => _file.Dispose();

    private void WritePiece(long offset, int count)
    {
        RandomAccess.Write(_file.Handle, _piece.AsSpan(0, count), offset);
        _piece.AsSpan().Clear();
    }
}
