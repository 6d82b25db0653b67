using System.Text.Json;
using Gemma.Formats;

namespace Gemma.Hub;

/// <summary>
/// The Hugging Face hub, or a server that speaks like it: looks a model up and fetches it into a <see cref="ModelCache"/>. Downloads go on where they were
/// cut, and nothing gets a name in the cache before its hash has been checked.
/// </summary>
public sealed class HuggingFaceHub : IDisposable
{
    private const int LargestAnswer = 64 << 20;

    private readonly HubOptions _options;
    private readonly HubConnection _connection;
    private readonly ModelCache _cache;

    /// <param name="options">Address, token and cache.</param>
    public HuggingFaceHub(HubOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _cache = new ModelCache(options);
        _connection = new HubConnection(options);
    }

    /// <summary>Told, one line each, of what is no failure but worth a word: a wait, a file fetched anew, another process at work.</summary>
    public Action<string>? Notice { get; init; }

    /// <summary>Free bytes on the disk of a folder, or null where that cannot be told.</summary>
    internal Func<string, long?> FreeBytes { get; init; } = FreeBytesOf;

    /// <summary>Looks a model up: the commit its revision stands for, and the files that a pull would bring. Fetches none of them.</summary>
    /// <exception cref="AccessException">The model is given only to those who accept its licence, or is private; the message says what to do.</exception>
    /// <exception cref="GemmaException">There is no such model, revision or file; the hub does not answer; or it lists what it must not.</exception>
    public async Task<RemoteModel> FindAsync(ModelReference model, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        string path = $"/api/models/{model.Repository}/revision/{Uri.EscapeDataString(model.Revision)}", address = _options.Endpoint + path;
        var request = new HubRequest(model, path, null);
        byte[] json = await RetryAsync(request, HttpMethod.Get, ReadAsync, cancellation).ConfigureAwait(false);
        (string commit, string[] names, string[] tags) = JsonFields.Parse(address, json, Listing);
        if (!ModelReference.IsCommit(commit))
            throw new BadFileException(address, "sha", "a commit of 40 hexadecimal digits", ModelReference.OneLine(commit), "check HF_ENDPOINT");
        List<RemoteFile> files = [];
        foreach (string name in RemoteName.Select(model, names, address)) files.Add(await HeadAsync(model, commit, name, cancellation).ConfigureAwait(false));
        return new RemoteModel
        {
            Reference = model,
            Commit = commit,
            Files = files,
            LicenceNotice = GemmaTerms.Cover(model.Repository, tags) ? GemmaTerms.Notice : null,
        };
    }

    /// <summary>Fetches what is not in the cache yet. May be stopped at any time, by whatever means: the same call goes on from there.</summary>
    /// <param name="model">What <see cref="FindAsync"/> found.</param>
    /// <param name="progress">Told of every block of every file, on the thread that fetches; files that are here already are reported once.</param>
    /// <param name="cancellation">Stops; what came is kept.</param>
    /// <returns>The folder or GGUF file to load.</returns>
    /// <exception cref="BadFileException">A file is, even when fetched twice, not what the hub says it is.</exception>
    /// <exception cref="GemmaException">The hub refuses or does not answer, the disk is full, or the cache cannot be written.</exception>
    public async Task<string> PullAsync(RemoteModel model, IProgress<DownloadProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        HashSet<string> fetched = [];
        try
        {
            Directory.CreateDirectory(_cache.Folder);
            CheckRoom(model);
            foreach (RemoteFile file in model.Files)
            {
                if (_cache.Holds(model, file)) progress?.Report(new DownloadProgress(file.Name, file.Bytes, file.Bytes, file.Bytes));
                else if (await FetchAsync(model, file, progress, cancellation).ConfigureAwait(false)) fetched.Add(file.Etag);
            }
            return _cache.Publish(model, fetched, Notice);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException(
                $"{_cache.Folder}: the cache cannot be written ({failure.Message}); check its permissions, or set HF_HUB_CACHE to another folder", failure);
        }
    }

    public void Dispose() => _connection.Dispose();

    /// <summary>False where another process was faster.</summary>
    private async Task<bool> FetchAsync(RemoteModel model, RemoteFile file, IProgress<DownloadProgress>? progress, CancellationToken cancellation)
    {
        string repository = model.Reference.Repository, blob = _cache.BlobPath(repository, file);
        void Waiting() => Notice?.Invoke($"{file.Name}: another process is fetching it; waiting for that");
        using IDisposable held = await FileLock.AcquireAsync(_cache.LockPath(repository, file.Etag), Waiting, cancellation).ConfigureAwait(false);
        if (_cache.Holds(model, file))
        {
            progress?.Report(new DownloadProgress(file.Name, file.Bytes, file.Bytes, file.Bytes));
            return false;
        }
        Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
        var download = new Download(_connection, _options, FileRequest(model.Reference, model.Commit, file.Name), file, Notice, progress);
        await download.RunAsync(blob + ModelCache.PartialSuffix, cancellation).ConfigureAwait(false);
        File.Move(blob + ModelCache.PartialSuffix, blob, overwrite: true);
        return true;
    }

    private void CheckRoom(RemoteModel model)
    {
        long needed = model.Files.Where(file => !_cache.Holds(model, file)).DistinctBy(file => file.Etag).Sum(file =>
        {
            var partial = new FileInfo(_cache.BlobPath(model.Reference.Repository, file) + ModelCache.PartialSuffix);
            return Math.Max(0, file.Bytes - (partial.Exists ? partial.Length : 0));
        });
        if (FreeBytes(_cache.Folder) is not long free || needed <= free) return;
        string sizes = FormattableString.Invariant($"needs {needed / 1e9:0.00} GB more, the disk has {free / 1e9:0.00} GB");
        throw new GemmaException($"{_cache.Folder}: {model.Reference} {sizes}; make room, or set HF_HUB_CACHE to a folder on another disk");
    }

    private static HubRequest FileRequest(ModelReference model, string commit, string name) =>
        new(model, $"/{model.Repository}/resolve/{commit}/{string.Join('/', name.Split('/').Select(Uri.EscapeDataString))}", name);

    private async Task<RemoteFile> HeadAsync(ModelReference model, string commit, string name, CancellationToken cancellation)
    {
        HubRequest request = FileRequest(model, commit, name);
        return await RetryAsync(request, HttpMethod.Head, (response, _) =>
        {
            string place = _options.Endpoint + request.Path;
            if (response.Commit is string found && found != commit)
                throw new BadFileException(place, "X-Repo-Commit", commit, ModelReference.OneLine(found), "run the same command again");
            if (response.Etag is not string etag || !BlobHash.IsHash(etag))
            {
                throw new BadFileException(place, "ETag", "a SHA-256 or the id of a git blob, by which the file can be checked",
                    response.Etag is null ? "none" : ModelReference.OneLine(response.Etag), "check HF_ENDPOINT: this server is no Hugging Face hub");
            }
            return Task.FromResult(response.Bytes is long bytes and >= 0 ? new RemoteFile(name, bytes, etag)
                : throw new BadFileException(place, "X-Linked-Size", "the size of the file", "none", "check HF_ENDPOINT: this server is no Hugging Face hub"));
        }, cancellation).ConfigureAwait(false);
    }

    private static (string Commit, string[] Names, string[] Tags) Listing(JsonFields fields)
    {
        foreach (JsonProperty property in fields.All)
        {
            if (!property.NameEquals("siblings"u8) || property.Value.ValueKind != JsonValueKind.Array) continue;
            string[] names = [.. property.Value.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Object
                && item.TryGetProperty("rfilename", out JsonElement name) && name.ValueKind == JsonValueKind.String
                ? name.GetString()!
                : throw fields.Wrong("siblings", "objects with an rfilename", "something else"))];
            return (fields.String("sha") ?? throw fields.Missing("sha", "a commit"), names, [.. fields.Strings("tags") ?? []]);
        }
        throw fields.Missing("siblings", "a list of files");
    }

    private async Task<T> RetryAsync<T>(
        HubRequest request, HttpMethod method, Func<HubResponse, CancellationToken, Task<T>> use, CancellationToken cancellation)
    {
        var backoff = new Backoff(_options, Notice);
        while (true)
        {
            try
            {
                using HubResponse response = await _connection.SendAsync(request, method, 0, null, cancellation).ConfigureAwait(false);
                return await use(response, cancellation).ConfigureAwait(false);
            }
            catch (TransientFailure failure)
            {
                await backoff.WaitAsync(failure, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The whole body, which may neither stall nor be endless.</summary>
    private async Task<byte[]> ReadAsync(HubResponse response, CancellationToken cancellation)
    {
        string host = response.Message.RequestMessage!.RequestUri!.Host;
        using var stall = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        stall.CancelAfter(_options.StallTimeout);
        try
        {
            await response.Message.Content.LoadIntoBufferAsync(LargestAnswer, stall.Token).ConfigureAwait(false);
            return await response.Message.Content.ReadAsByteArrayAsync(cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException failure) when (!cancellation.IsCancellationRequested)
        {
            string message = FormattableString.Invariant($"{host} does not end its answer within {_options.StallTimeout.TotalSeconds} s");
            throw new TransientFailure(message, inner: failure);
        }
        catch (HttpRequestException failure) when (failure.HttpRequestError == HttpRequestError.ConfigurationLimitExceeded)
        {
            string most = FormattableString.Invariant($"an answer of at most {LargestAnswer} bytes");
            throw new BadFileException(_options.Endpoint, null, most, "more", "check HF_ENDPOINT");
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            throw new TransientFailure($"the connection to {host} broke ({ModelReference.OneLine(failure.Message)})", inner: failure);
        }
    }

    private static long? FreeBytesOf(string folder)
    {
        try
        {
            return new DriveInfo(folder).AvailableFreeSpace;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null; // a share without a drive: the disk itself will tell
        }
    }
}
