using System.Buffers.Binary;

namespace Gemma.Formats;

/// <summary>
/// A file of token ids, document after document, mapped: reading a place costs the pages that it touches. It knows which tokenizer made it. Thread-safe until
/// it is disposed.
/// </summary>
public sealed class TokenShard : IDisposable
{
    /// <summary>How such a file's name ends.</summary>
    public const string Extension = ".tokens";

    private readonly MappedFile _file;
    private readonly TokenShardHeader _header;

    private TokenShard(MappedFile file, bool verify)
    {
        _file = file;
        _header = TokenShardHeader.Read(file);
        ContentHash = Convert.ToHexStringLower(TokenShardHeader.ContentHashOf(file));
        TokenizerHash = Convert.ToHexStringLower(_header.TokenizerHash);
        CheckEnds();
        if (!verify) return;
        string actual = Convert.ToHexStringLower(TokenShardHeader.ComputeHash(file));
        if (actual != ContentHash) throw TokenShardHeader.Bad(file, "SHA-256 of the content", ContentHash, actual);
    }

    public string Path => _file.Path;

    /// <summary>Ids are below this.</summary>
    public int VocabularySize => _header.VocabularySize;

    /// <summary>What stands around each document.</summary>
    public TokenShardMarks Marks => _header.Marks;

    /// <summary>Tokens of all documents together, marks included.</summary>
    public long TokenCount => _header.Tokens;

    public long DocumentCount => _header.Documents;

    /// <summary>Which tokenizer made the ids: <see cref="Tokenization.SentencePieceModel.Hash"/>.</summary>
    public string TokenizerHash { get; }

    /// <summary>SHA-256 of all that is in the file, in hexadecimal: two files with the same one hold the same.</summary>
    public string ContentHash { get; }

    /// <summary>Opens a file that <see cref="TokenShardWriter"/> wrote.</summary>
    /// <param name="verify">Whether to read all of it and compare the hash; without, damage to ids is noticed only where an id leaves the vocabulary.</param>
    /// <exception cref="BadFileException">It is damaged, cut short or of another kind.</exception>
    /// <exception cref="GemmaException">It cannot be read.</exception>
    public static TokenShard Open(string path, bool verify = true)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Of(MappedFile.Open(path), verify);
    }

    /// <summary>A shard in memory, so that hostile bytes can be tested without a disk. Owns the file.</summary>
    internal static TokenShard Of(MappedFile file, bool verify = true)
    {
        try
        {
            return new TokenShard(file, verify);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Where a document begins, in tokens from the begin of the shard.</summary>
    public long Start(long document)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(document);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(document, DocumentCount);
        return document == 0 ? 0 : End(document - 1);
    }

    /// <summary>Tokens of a document, at least one.</summary>
    public long Length(long document) => End(document) - Start(document);

    /// <summary>Copies the ids from a place on, across documents.</summary>
    /// <param name="position">In tokens from the begin of the shard.</param>
    /// <param name="ids">All of it is filled.</param>
    /// <exception cref="BadFileException">An id is not in the vocabulary.</exception>
    public void Read(long position, Span<int> ids)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, TokenCount - ids.Length);
        const int Part = 1 << 28;
        for (; ids.Length > Part; position += Part, ids = ids[Part..]) ReadPart(position, ids[..Part]);
        ReadPart(position, ids);
    }

    public void Dispose() => _file.Dispose();

    private void ReadPart(long position, Span<int> ids)
    {
        ReadOnlySpan<byte> bytes = _file.Bytes(TokenShardHeader.Length + position * _header.IdBytes, ids.Length * _header.IdBytes);
        uint largest = 0;
        if (_header.IdBytes == 2)
        {
            for (int i = 0; i < ids.Length; i++) largest = Math.Max(largest, (uint)(ids[i] = BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..])));
        }
        else
        {
            for (int i = 0; i < ids.Length; i++) largest = Math.Max(largest, (uint)(ids[i] = BinaryPrimitives.ReadInt32LittleEndian(bytes[(4 * i)..])));
        }
        if (largest < VocabularySize || ids.Length == 0) return;
        throw TokenShardHeader.Bad(_file, FormattableString.Invariant($"tokens {position} to {position + ids.Length - 1}"),
            FormattableString.Invariant($"ids below {VocabularySize}"), FormattableString.Invariant($"{largest}"));
    }

    private long End(long document) => BinaryPrimitives.ReadInt64LittleEndian(_file.Bytes(_header.EndsOffset + document * sizeof(long), sizeof(long)));

    private void CheckEnds()
    {
        long before = 0;
        for (long document = 0; document < DocumentCount; document++)
        {
            long end = End(document);
            if (end <= before || end > TokenCount)
            {
                throw TokenShardHeader.Bad(_file, FormattableString.Invariant($"end of document {document}"), FormattableString.Invariant($"{before + 1} to {TokenCount}"),
                    FormattableString.Invariant($"{end}"));
            }
            before = end;
        }
        if (before != TokenCount) throw TokenShardHeader.Bad(_file, "tokens", FormattableString.Invariant($"{before}, the end of the last document"), FormattableString.Invariant($"{TokenCount}"));
    }
}
