using System.Buffers.Binary;
using System.Security.Cryptography;
using Gemma.Tokenization;

namespace Gemma.Formats;

/// <summary>Writes a <see cref="TokenShard"/> document by document. It appears under its name with <see cref="Finish"/>, whole, or not at all.</summary>
public sealed class TokenShardWriter : IDisposable
{
    private readonly NewFile _file;
    private readonly string _path;
    private readonly TokenShardHeader _header;
    private readonly List<long> _ends = [];
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _buffer = new byte[1 << 20];
    private int _used;
    private long _offset = TokenShardHeader.Length;

    private TokenShardWriter(string path, NewFile file, TokenShardHeader header)
    {
        _path = path;
        _file = file;
        _header = header;
    }

    /// <summary>Tokens written so far.</summary>
    public long TokenCount { get; private set; }

    public long DocumentCount => _ends.Count;

    /// <summary>Bytes that the file would have if it were finished now.</summary>
    public long ByteCount => (_header with { Tokens = TokenCount }).EndsOffset + DocumentCount * sizeof(long);

    /// <param name="path">Where it is to appear.</param>
    /// <param name="tokenizer">Whose ids they are.</param>
    /// <param name="marks">What stands around each document; the caller puts it there.</param>
    /// <param name="replace">Whether a file that is there may be replaced.</param>
    /// <exception cref="GemmaException">The name is taken, the folder is missing, or the disk says no.</exception>
    public static TokenShardWriter Create(string path, SentencePieceModel tokenizer, TokenShardMarks marks, bool replace = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tokenizer);
        var header = new TokenShardHeader { VocabularySize = tokenizer.Pieces.Length, Marks = marks, TokenizerHash = Convert.FromHexString(tokenizer.Hash) };
        return new TokenShardWriter(path, NewFile.Create(path, length: 0, replace), header);
    }

    /// <summary>Writes one document.</summary>
    /// <param name="ids">At least one, each in the vocabulary.</param>
    /// <exception cref="GemmaException">The disk says no.</exception>
    public void Add(ReadOnlySpan<int> ids)
    {
        if (ids.IsEmpty) throw new ArgumentException("a document has at least one token", nameof(ids));
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)_header.VocabularySize) throw new ArgumentOutOfRangeException(nameof(ids), id, FormattableString.Invariant($"not in the vocabulary of {_header.VocabularySize}"));
            if (_header.IdBytes == 2) BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(_used), (ushort)id);
            else BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(_used), id);
            _used += _header.IdBytes;
            if (_used == _buffer.Length) Flush();
        }
        TokenCount += ids.Length;
        _ends.Add(TokenCount);
    }

    /// <summary>Brings all to the disk and gives the file its name.</summary>
    /// <returns>The <see cref="TokenShard.ContentHash"/>.</returns>
    /// <exception cref="GemmaException">The disk says no.</exception>
    public string Finish()
    {
        TokenShardHeader header = _header with { Tokens = TokenCount, Documents = DocumentCount };
        Put(new byte[header.EndsOffset - _offset - _used]);
        byte[] end = new byte[sizeof(long)];
        foreach (long tokens in _ends)
        {
            BinaryPrimitives.WriteInt64LittleEndian(end, tokens);
            Put(end);
        }
        Flush();
        byte[] first = new byte[TokenShardHeader.Length];
        header.Write(first, _hash);
        Write(first, 0);
        _file.Publish();
        return Convert.ToHexStringLower(first.AsSpan(TokenShardHeader.ContentHashOffset, TokenShardHeader.HashLength));
    }

    public void Dispose()
    {
        _hash.Dispose();
        _file.Dispose();
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _buffer.Length - _used) Flush();
        bytes.CopyTo(_buffer.AsSpan(_used));
        _used += bytes.Length;
    }

    private void Flush()
    {
        _hash.AppendData(_buffer, 0, _used);
        Write(_buffer.AsMemory(0, _used), _offset);
        _offset += _used;
        _used = 0;
    }

    private void Write(ReadOnlyMemory<byte> bytes, long offset) => NewFile.Guard(_path, () =>
    {
        RandomAccess.Write(_file.Handle, bytes.Span, offset);
        return true;
    });
}
