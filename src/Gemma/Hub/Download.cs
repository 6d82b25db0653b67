using System.Buffers;
using System.Net;
using System.Net.Http.Headers;

namespace Gemma.Hub;

/// <summary>
/// One file on its way from the hub into a partial file. It goes on where an earlier attempt ended, in this process or another; what is whole is proven by
/// its hash. Whatever ends the download, the bytes that came stay for the next one.
/// </summary>
internal sealed class Download
{
    private const int BufferBytes = 256 << 10;

    private readonly HubConnection _hub;
    private readonly HubOptions _options;
    private readonly HubRequest _request;
    private readonly RemoteFile _file;
    private readonly Action<string>? _notice;
    private readonly IProgress<DownloadProgress>? _progress;

    // The ETag under which a host gave the first bytes: a file that changes there in between comes anew, not glued to the old one.
    private (string Host, EntityTagHeaderValue? Etag) _seen;

    public Download(HubConnection hub, HubOptions options, HubRequest request, RemoteFile file, Action<string>? notice, IProgress<DownloadProgress>? progress)
    {
        _hub = hub;
        _options = options;
        _request = request;
        _file = file;
        _notice = notice;
        _progress = progress;
    }

    /// <summary>Opens the partial file for this download alone. A test puts a full disk here.</summary>
    internal Func<string, Stream> Open { get; init; } =
        path => new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);

    /// <summary>Fills the partial file until it is the file, and makes sure that the disk has it.</summary>
    /// <exception cref="BadFileException">Twice, what came is not what the hub names by this hash.</exception>
    /// <exception cref="GemmaException">The hub refuses, does not answer, or the disk is full.</exception>
    public async Task RunAsync(string partial, CancellationToken cancellation)
    {
        try
        {
            using var hash = new BlobHash(_file);
            string actual = await FillAsync(partial, hash, cancellation).ConfigureAwait(false);
            if (actual == _file.Etag) return;
            // No byte of it can be trusted.
            File.Delete(partial);
            _notice?.Invoke($"{_file.Name}: what came is not what the hub names by {hash.Name} {_file.Etag}; fetching it anew");
            actual = await FillAsync(partial, hash, cancellation).ConfigureAwait(false);
            if (actual == _file.Etag) return;
            File.Delete(partial);
            throw new BadFileException($"{_request.Model.Repository}/{_file.Name}", null, $"{hash.Name} {_file.Etag}", actual,
                "what came was thrown away, twice; try another network, or look for a proxy that changes files");
        }
        catch (IOException failure) when (IsDiskFull(failure))
        {
            throw new GemmaException(
                $"{partial}: the disk is full; what came is kept: make room, or set HF_HUB_CACHE to another folder, then run the same command again", failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException($"{partial}: cannot be written ({failure.Message}); check the folder and its permissions", failure);
        }
    }

    /// <summary>The errors of Unix (ENOSPC, and EDQUOT of Linux and macOS) and of Windows for a disk or a quota that is used up.</summary>
    internal static bool IsDiskFull(IOException failure) =>
        OperatingSystem.IsWindows() ? (failure.HResult & 0xFFFF) is 39 or 112 or 1295 : failure.HResult is 28 or 122 or 69;

    /// <summary>Fills the partial file up to the length of the file, and returns the hash of what it holds then.</summary>
    private async Task<string> FillAsync(string partial, BlobHash hash, CancellationToken cancellation)
    {
        using Stream stream = Open(partial);
        var backoff = new Backoff(_options, _notice);
        long resumed = await HashWhatIsHereAsync(stream, hash, cancellation).ConfigureAwait(false);
        _progress?.Report(new DownloadProgress(_file.Name, resumed, _file.Bytes, resumed));
        while (stream.Position < _file.Bytes)
        {
            try
            {
                using HubResponse response = await _hub.SendAsync(_request, HttpMethod.Get, stream.Position, EtagOf, cancellation).ConfigureAwait(false);
                GoToStart(response, stream, hash);
                resumed = Math.Min(resumed, stream.Position);
                await CopyAsync(response, stream, hash, resumed, backoff, cancellation).ConfigureAwait(false);
            }
            catch (TransientFailure failure)
            {
                await backoff.WaitAsync(failure, cancellation).ConfigureAwait(false);
            }
        }
        if (stream is FileStream onDisk) onDisk.Flush(flushToDisk: true);
        return hash.Finish();
    }

    private async Task<long> HashWhatIsHereAsync(Stream stream, BlobHash hash, CancellationToken cancellation)
    {
        hash.Restart();
        stream.Position = 0;
        if (stream.Length > _file.Bytes) stream.SetLength(0);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            int count;
            while ((count = await stream.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0) hash.Append(buffer.AsSpan(0, count));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return stream.Position;
    }

    private EntityTagHeaderValue? EtagOf(Uri uri) => uri.Authority == _seen.Host ? _seen.Etag : null;

    /// <summary>Brings the partial file to where the answer begins: to its end, or to nothing where the server sends the whole file.</summary>
    private void GoToStart(HubResponse response, Stream stream, BlobHash hash)
    {
        if (response.Etag is string etag && etag != _file.Etag)
        {
            throw new GemmaException($"{_request.Model.Repository}/{_file.Name}: changed on the hub while it was fetched (expected {_file.Etag}, found "
                + $"{ModelReference.OneLine(etag)}); run the same command again");
        }
        HttpResponseMessage message = response.Message;
        string host = message.RequestMessage!.RequestUri!.Authority;
        _seen = (host, message.Headers.ETag is { IsWeak: false } strong ? strong : null);
        ContentRangeHeaderValue? range = message.Content.Headers.ContentRange;
        if (message.StatusCode == HttpStatusCode.PartialContent && range?.From == stream.Position && (range.Length ?? _file.Bytes) == _file.Bytes) return;
        stream.SetLength(0);
        stream.Position = 0;
        hash.Restart();
        // A part that does not begin where it should is of no use, nor is the news that there is none.
        if (message.StatusCode != HttpStatusCode.OK) throw new TransientFailure($"{_file.Name}: {host} sends another part than the one asked for");
    }

    private async Task CopyAsync(HubResponse response, Stream stream, BlobHash hash, long resumed, Backoff backoff, CancellationToken cancellation)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        using var stall = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        string host = response.Message.RequestMessage!.RequestUri!.Host;
        try
        {
            using Stream body = await response.Message.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            while (stream.Position < _file.Bytes)
            {
                int count = await ReadAsync(body, buffer, host, stall, cancellation).ConfigureAwait(false);
                int useful = (int)Math.Min(count, _file.Bytes - stream.Position);
                stream.Write(buffer, 0, useful);
                hash.Append(buffer.AsSpan(0, useful));
                backoff.Reset();
                _progress?.Report(new DownloadProgress(_file.Name, stream.Position, _file.Bytes, resumed));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>At least one byte, within the time that a connection may be silent.</summary>
    private async Task<int> ReadAsync(Stream body, byte[] buffer, string host, CancellationTokenSource stall, CancellationToken cancellation)
    {
        try
        {
            stall.CancelAfter(_options.StallTimeout);
            int count = await body.ReadAsync(buffer, stall.Token).ConfigureAwait(false);
            return count > 0 ? count : throw new TransientFailure($"{_file.Name}: {host} ended too early");
        }
        catch (OperationCanceledException failure) when (!cancellation.IsCancellationRequested)
        {
            string message = FormattableString.Invariant($"{_file.Name}: no byte from {host} for {_options.StallTimeout.TotalSeconds} s");
            throw new TransientFailure(message, inner: failure);
        }
        catch (IOException failure)
        {
            throw new TransientFailure($"{_file.Name}: the connection to {host} broke ({ModelReference.OneLine(failure.Message)})", inner: failure);
        }
    }
}
