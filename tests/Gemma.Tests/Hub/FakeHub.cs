using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gemma.Hub;

namespace Gemma.Tests.Hub;

/// <summary>What a client sent. <c>Host</c> is "hub" or "cdn".</summary>
internal sealed record FakeRequest(string Host, string Method, string Path, IReadOnlyDictionary<string, string> Headers)
{
    public string? Token => Headers.GetValueOrDefault("Authorization");

    /// <summary>Whether it asks for a file, not for what the hub knows about it.</summary>
    public bool IsFetch => Method == "GET" && !Path.StartsWith("/api/", StringComparison.Ordinal);

    /// <summary>First byte asked for.</summary>
    public int From => Headers.TryGetValue("Range", out string? range) ? int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture) : 0;
}

/// <summary>What goes wrong with an answer.</summary>
internal sealed record Fault
{
    public int? Status { get; init; }

    public (string Name, string Value)[] Headers { get; init; } = [];

    /// <summary>The connection breaks after so many bytes of the body.</summary>
    public int? CutAfter { get; init; }

    /// <summary>With a reset instead of an end.</summary>
    public bool Reset { get; init; }

    /// <summary>No byte comes after so many, and the connection stays open.</summary>
    public int? StallAfter { get; init; }

    public bool IgnoreRange { get; init; }

    public byte[]? Content { get; init; }
}

/// <summary>
/// A hub on the loopback device with a second listener that holds the large files, as the real one does: another origin, where the token must never arrive.
/// Raw sockets, so that a connection can break at any byte.
/// </summary>
internal sealed class FakeHub : IDisposable
{
    private readonly TcpListener _hub = new(IPAddress.Loopback, 0), _cdn = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, Repo> _repositories = new();
    private readonly ConcurrentQueue<FakeRequest> _requests = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("gemma-hub-").FullName;

    public FakeHub()
    {
        Listen(_hub, "hub");
        Listen(_cdn, "cdn");
    }

    public string Endpoint => $"http://{_hub.LocalEndpoint}";

    public string Cache => Path.Combine(_folder, "hub");

    public IReadOnlyList<FakeRequest> Requests => [.. _requests];

    /// <summary>Asked before each answer.</summary>
    public Func<FakeRequest, Fault?> Faults { get; set; } = _ => null;

    public HubOptions Options => new()
    {
        Endpoint = Endpoint,
        CacheFolder = Cache,
        FirstDelay = TimeSpan.FromMilliseconds(1),
        StallTimeout = TimeSpan.FromSeconds(20),
    };

    /// <summary>Puts a commit of a repository on the hub, under a branch or tag.</summary>
    public string Commit(string repository, IReadOnlyDictionary<string, byte[]> files, string revision = "main", string[]? tags = null, string? gatedFor = null)
    {
        files = new Dictionary<string, byte[]>(files);
        string contents = string.Join(' ', files.Select(pair => pair.Key + Etag(pair.Key, pair.Value)));
        string commit = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{repository} {revision} {contents}")))[..40];
        Repo repo = _repositories.GetOrAdd(repository, _ => new Repo());
        repo.GatedFor = gatedFor;
        repo.Tags = tags ?? [];
        repo.Commits[commit] = files;
        repo.Refs[revision] = commit;
        return commit;
    }

    /// <summary>What the hub names a file by: weights and tokenizer.model by SHA-256, the others as git does.</summary>
#pragma warning disable CA5350 // SHA-1 is how git does it
    public static string Etag(string name, byte[] content) => Convert.ToHexStringLower(IsLarge(name) ? SHA256.HashData(content)
        : SHA1.HashData([.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {content.Length}\0")), .. content]));
#pragma warning restore CA5350

    public static bool IsLarge(string name) => Path.GetExtension(name) is ".safetensors" or ".gguf" || name == "tokenizer.model";

    public void Dispose()
    {
        _stop.Cancel();
        _hub.Stop();
        _cdn.Stop();
        Directory.Delete(_folder, recursive: true);
    }

    private async void Listen(TcpListener listener, string host)
    {
        listener.Start();
        try
        {
            while (true) _ = AnswerAsync(await listener.AcceptTcpClientAsync(_stop.Token), host);
        }
        catch (Exception failure) when (failure is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task AnswerAsync(TcpClient client, string host)
    {
        using TcpClient connection = client;
        try
        {
            NetworkStream stream = connection.GetStream();
            if (await ReadAsync(stream, host) is not FakeRequest request) return;
            _requests.Enqueue(request);
            Fault fault = Faults(request) ?? new Fault();
            Reply reply = fault.Status is int status ? new Reply(status, fault.Content ?? Encoding.UTF8.GetBytes("""{"error":"as asked"}"""), [])
                : host == "hub" ? FromHub(request) : FromCdn(request, fault);
            await WriteAsync(stream, request, reply, fault);
            if (fault.Reset) connection.Client.LingerState = new LingerOption(true, 0);
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException or SocketException)
        {
            // The client has gone.
        }
    }

    private static async Task<FakeRequest?> ReadAsync(NetworkStream stream, string host)
    {
        using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        if (await reader.ReadLineAsync() is not string first) return null;
        Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
        while (await reader.ReadLineAsync() is { Length: > 0 } line) headers[line[..line.IndexOf(':')]] = line[(line.IndexOf(':') + 1)..].Trim();
        string[] parts = first.Split(' ');
        return new FakeRequest(host, parts[0], Uri.UnescapeDataString(parts[1]), headers);
    }

    private Reply FromHub(FakeRequest request)
    {
        string[] parts = request.Path.Split('/', 6); // "", "api", "models", org, name, "revision/…"  or  "", org, name, "resolve", revision, file
        bool api = parts[1] == "api";
        string id = api ? $"{parts[3]}/{parts[4]}" : $"{parts[1]}/{parts[2]}";
        if (id == "google/renamed") return new Reply(307, [], [("Location", request.Path.Replace("renamed", "gemma-2b-it", StringComparison.Ordinal))]);
        if (request.Token is not (null or "Bearer hf_good" or "Bearer hf_other"))
            return new Reply(401, [], [("X-Error-Message", "Invalid credentials in Authorization header")]);
        if (!_repositories.TryGetValue(id, out Repo? repo)) return new Reply(request.Token is null ? 401 : 404, [], [("X-Error-Code", "RepoNotFound")]);
        string revision = api ? parts[5]["revision/".Length..] : parts[4];
        if (!repo.Refs.TryGetValue(revision, out string? commit)) commit = revision;
        if (!repo.Commits.TryGetValue(commit, out IReadOnlyDictionary<string, byte[]>? files))
            return new Reply(404, [], [("X-Error-Code", "RevisionNotFound")]);
        if (api) return new Reply(200, Listing(id, repo, commit, files.Keys), []);
        if (repo.GatedFor is not null && request.Token != $"Bearer {repo.GatedFor}")
            return new Reply(request.Token is null ? 401 : 403, [], [("X-Error-Code", "GatedRepo")]);
        if (!files.TryGetValue(parts[5], out byte[]? content)) return new Reply(404, [], [("X-Error-Code", "EntryNotFound")]);
        string etag = $"\"{Etag(parts[5], content)}\"";
        return IsLarge(parts[5])
            ? new Reply(302, [], [("X-Repo-Commit", commit), ("X-Linked-Etag", etag), ("X-Linked-Size", content.Length.ToString(CultureInfo.InvariantCulture)),
                ("Location", $"http://{_cdn.LocalEndpoint}/{id}/{commit}/{parts[5]}?signature=x")])
            : new Reply(200, content, [("X-Repo-Commit", commit), ("ETag", etag)]);
    }

    private Reply FromCdn(FakeRequest request, Fault fault)
    {
        string[] parts = request.Path.Split('?')[0].Split('/', 5);
        byte[] content = fault.Content ?? _repositories[$"{parts[1]}/{parts[2]}"].Commits[parts[3]][parts[4]];
        string etag = $"\"cdn-{Convert.ToHexStringLower(SHA256.HashData(content))[..32]}\"";
        bool part = request.From > 0 && !fault.IgnoreRange && (!request.Headers.TryGetValue("If-Range", out string? condition) || condition == etag);
        if (!part) return new Reply(200, content, [("ETag", etag)]);
        return request.From >= content.Length ? new Reply(416, [], [("Content-Range", $"bytes */{content.Length}")])
            : new Reply(206, content[request.From..], [("ETag", etag), ("Content-Range", $"bytes {request.From}-{content.Length - 1}/{content.Length}")]);
    }

    private static byte[] Listing(string id, Repo repo, string commit, IEnumerable<string> names) =>
        JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object>
        {
            ["id"] = id,
            ["sha"] = commit,
            ["gated"] = repo.GatedFor is null ? false : "manual",
            ["tags"] = repo.Tags,
            ["siblings"] = names.Select(name => new Dictionary<string, string> { ["rfilename"] = name }),
        });

    private async Task WriteAsync(NetworkStream stream, FakeRequest request, Reply reply, Fault fault)
    {
        string start = FormattableString.Invariant($"HTTP/1.1 {reply.Status} Reply\r\nConnection: close\r\nContent-Length: {reply.Body.Length}\r\n");
        var head = new StringBuilder(start);
        foreach ((string name, string value) in reply.Headers.Where(header => fault.Headers.All(other => other.Name != header.Name)).Concat(fault.Headers))
            head.Append(name).Append(": ").Append(value).Append("\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()), _stop.Token);
        if (request.Method == "HEAD") return;
        int length = Math.Min(reply.Body.Length, fault.CutAfter ?? fault.StallAfter ?? int.MaxValue);
        await stream.WriteAsync(reply.Body.AsMemory(0, length), _stop.Token);
        if (fault.StallAfter is not null) await Task.Delay(Timeout.Infinite, _stop.Token);
    }

    private sealed record Reply(int Status, byte[] Body, (string Name, string Value)[] Headers);

    private sealed class Repo
    {
        public ConcurrentDictionary<string, IReadOnlyDictionary<string, byte[]>> Commits { get; } = new();

        public ConcurrentDictionary<string, string> Refs { get; } = new();

        public string[] Tags { get; set; } = [];

        public string? GatedFor { get; set; }
    }
}
