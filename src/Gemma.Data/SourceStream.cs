using System.IO.Compression;
using System.Security.Cryptography;
using ZstdSharp;

namespace Gemma.Data;

/// <summary>The bytes of a source as they are on the disk, counted and hashed on the way.</summary>
internal sealed class SourceStream : Stream
{
    private readonly Stream _stream;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    // The runtime takes a gzip file that ends in the middle for a shorter one unless it is told not to.
    static SourceStream() => AppContext.SetSwitch("System.IO.Compression.UseStrictValidation", true);

    private SourceStream(Stream stream) => _stream = stream;

    public long ByteCount { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => ByteCount;
        set => throw new NotSupportedException();
    }

    /// <exception cref="UsageException">There is no such file.</exception>
    /// <exception cref="GemmaException">It cannot be read.</exception>
    public static SourceStream Open(string path)
    {
        try
        {
            return new SourceStream(path == DocumentSource.StandardInput ? Console.OpenStandardInput() : new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0));
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UsageException($"{path}: no such file; check the path");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException($"{path}: cannot be read ({failure.Message}); check the file and its permissions", failure);
        }
    }

    /// <summary>The content: decompressed where the name says so.</summary>
    public Stream Decompressed(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".gz" => new GZipStream(this, CompressionMode.Decompress, leaveOpen: true),
        ".zst" => new DecompressionStream(this, leaveOpen: true),
        _ => this,
    };

    /// <summary>Reads what is left, so that count and hash are those of the whole.</summary>
    public string Finish()
    {
        CopyTo(Null);
        return Convert.ToHexStringLower(_hash.GetHashAndReset());
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        int count = _stream.Read(buffer);
        _hash.AppendData(buffer[..count]);
        ByteCount += count;
        return count;
    }

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stream.Dispose();
            _hash.Dispose();
        }
        base.Dispose(disposing);
    }
}
