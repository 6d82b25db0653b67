using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Gemma.Formats;

/// <summary>
/// The first 128 bytes of a <see cref="TokenShard"/>, all little-endian: magic (8 bytes), version, bytes of an id (2 or 4), vocabulary size, flags (4 each), number of
/// tokens, number of documents (8 each), hash of the tokenizer, hash of the content (32 each), zeros. Behind them the ids of all documents, zeros up to a multiple of
/// 8, and for each document the number of tokens up to its end (8 bytes each).
/// </summary>
internal readonly record struct TokenShardHeader
{
    public const int Length = 128, HashLength = 32, ContentHashOffset = 72;

    private const int Zeros = ContentHashOffset + HashLength;
    private const uint Version = 1;

    public int VocabularySize { get; init; }

    public TokenShardMarks Marks { get; init; }

    public long Tokens { get; init; }

    public long Documents { get; init; }

    public byte[] TokenizerHash { get; init; }

    private static ReadOnlySpan<byte> Magic => "GEMTOKEN"u8;

    /// <summary>Two bytes hold every id of a vocabulary up to 65,536.</summary>
    public int IdBytes => VocabularySize <= 1 << 16 ? 2 : 4;

    /// <summary>Where the ends of the documents begin.</summary>
    public long EndsOffset => Length + (Tokens * IdBytes + 7) / 8 * 8;

    /// <summary>Writes it, and the hash of all behind it and of itself.</summary>
    /// <param name="header">128 bytes.</param>
    /// <param name="content">Has all bytes behind the header; is finished.</param>
    public void Write(Span<byte> header, IncrementalHash content)
    {
        header.Clear();
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], IdBytes);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], VocabularySize);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], (uint)Marks);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], Tokens);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], Documents);
        TokenizerHash.CopyTo(header[40..]);
        content.AppendData(header[..ContentHashOffset]);
        content.GetHashAndReset(header[ContentHashOffset..]);
    }

    /// <summary>Reads and checks it against the file's length.</summary>
    /// <exception cref="BadFileException">It is not that of a whole shard of a known version.</exception>
    public static TokenShardHeader Read(MappedFile file)
    {
        if (file.Length < Length) throw Bad(file, null, "at least 128 bytes", Number(file.Length));
        ReadOnlySpan<byte> bytes = file.Bytes(0, Length);
        if (!bytes.StartsWith(Magic)) throw new BadFileException(file.Path, null, "token ids made by gemma data tokenize", "another kind of file", "check the path");
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        if (version != Version) throw new BadFileException(file.Path, "version", Number(Version), Number(version), "it is of a later version of the program: use that, or make it again");
        var header = new TokenShardHeader
        {
            VocabularySize = BinaryPrimitives.ReadInt32LittleEndian(bytes[16..]),
            Marks = (TokenShardMarks)BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]),
            Tokens = BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            Documents = BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            TokenizerHash = bytes.Slice(40, HashLength).ToArray(),
        };
        header.Check(file, bytes);
        return header;
    }

    /// <summary>The hash that was written.</summary>
    public static ReadOnlySpan<byte> ContentHashOf(MappedFile file) => file.Bytes(ContentHashOffset, HashLength);

    /// <summary>The hash that the file has.</summary>
    public static byte[] ComputeHash(MappedFile file)
    {
        const int Part = 1 << 24;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long at = Length; at < file.Length; at += Part)
        {
            int count = (int)Math.Min(Part, file.Length - at);
            hash.AppendData(file.Bytes(at, count));
            file.Forget(at, count);
        }
        hash.AppendData(file.Bytes(0, ContentHashOffset));
        return hash.GetHashAndReset();
    }

    public static BadFileException Bad(MappedFile file, string? field, string expected, string actual) =>
        new(file.Path, field, expected, actual, "the file is damaged or cut short: make it again with gemma data tokenize");

    private void Check(MappedFile file, ReadOnlySpan<byte> bytes)
    {
        if (VocabularySize < 1) throw Bad(file, "vocabulary size", "at least 1", Number(VocabularySize));
        int idBytes = BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]);
        if (idBytes != IdBytes) throw Bad(file, "bytes of an id", Number(IdBytes), Number(idBytes));
        if ((Marks & ~(TokenShardMarks.Begin | TokenShardMarks.End)) != 0) throw Bad(file, "flags", "0 to 3", Number((uint)Marks));
        if (bytes[Zeros..].ContainsAnyExcept((byte)0)) throw Bad(file, "the end of the header", "zeros", "other bytes");
        // Each within the file by itself, so that the sums below cannot overflow.
        if (Tokens < 0 || Tokens > file.Length / IdBytes) throw Bad(file, "tokens", FormattableString.Invariant($"as many as {file.Length} bytes hold"), Number(Tokens));
        if (Documents < 0 || Documents > file.Length / sizeof(long)) throw Bad(file, "documents", FormattableString.Invariant($"as many as {file.Length} bytes hold"), Number(Documents));
        long length = EndsOffset + Documents * sizeof(long);
        if (length != file.Length) throw Bad(file, null, FormattableString.Invariant($"{length} bytes"), Number(file.Length));
    }

    private static string Number(long value) => FormattableString.Invariant($"{value}");
}
