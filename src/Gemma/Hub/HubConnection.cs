using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;

namespace Gemma.Hub;

/// <summary>What was asked for: a file or an answer of the API, and for whom, so that failures can name it.</summary>
/// <param name="Model">The model in question.</param>
/// <param name="Path">Path on the hub, with a slash at the start, already escaped.</param>
/// <param name="File">Name of the file in the repository, or null for the API.</param>
internal sealed record HubRequest(ModelReference Model, string Path, string? File);

/// <summary>An answer, and what the hub itself said on the way to it.</summary>
/// <param name="Message">The last answer; to be disposed.</param>
/// <param name="Commit">X-Repo-Commit of the hub.</param>
/// <param name="Etag">The hub's name for the content, without quotes.</param>
/// <param name="Bytes">The hub's word on the size of the content.</param>
internal sealed record HubResponse(HttpResponseMessage Message, string? Commit, string? Etag, long? Bytes) : IDisposable
{
    public void Dispose() => Message.Dispose();
}

/// <summary>
/// Requests to the hub. Redirects are followed by hand, because the token belongs to the hub alone: it goes to no other host, port or scheme.
/// </summary>
internal sealed class HubConnection : IDisposable
{
    private const int MostRedirects = 10;

    private readonly HubOptions _options;
    private readonly HttpClient _client;
    private readonly Uri _endpoint;

    public HubConnection(HubOptions options)
    {
        _options = options;
        _endpoint = new Uri(options.Endpoint);
        _client = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ConnectTimeout = options.StallTimeout,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        })
        { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>One attempt. The body is not read yet.</summary>
    /// <param name="request">What is asked for.</param>
    /// <param name="method">GET, or HEAD: then a redirect to another host is the answer.</param>
    /// <param name="from">First byte wanted, 0 for everything.</param>
    /// <param name="etagOf">The strong ETag under which a host gave the first bytes, so that it sends the rest of nothing else; null where unknown.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="TransientFailure">It may work in a moment.</exception>
    /// <exception cref="GemmaException">It will not.</exception>
    public async Task<HubResponse> SendAsync(
        HubRequest request, HttpMethod method, long from, Func<Uri, EntityTagHeaderValue?>? etagOf, CancellationToken cancellation)
    {
        if (_options.Offline)
        {
            throw new GemmaException(
                $"{request.Model}: cannot be asked for offline; leave out --offline, unset HF_HUB_OFFLINE, or use a model that is here (gemma list)");
        }
        var uri = new Uri(_options.Endpoint + request.Path);
        (string? commit, string? etag, long? bytes) = (null, null, null);
        for (int hops = 0; hops <= MostRedirects; hops++)
        {
            bool atHub = IsHub(uri);
            HttpResponseMessage response = await SendAsync(Message(method, uri, from, etagOf?.Invoke(uri), atHub), cancellation).ConfigureAwait(false);
            Uri? location = null;
            try
            {
                if (atHub)
                {
                    commit ??= Header(response, "X-Repo-Commit");
                    etag = Normalize(Header(response, "X-Linked-Etag")) ?? etag;
                    if (long.TryParse(Header(response, "X-Linked-Size"), NumberStyles.None, CultureInfo.InvariantCulture, out long size)) bytes = size;
                }
                if ((int)response.StatusCode is 301 or 302 or 303 or 307 or 308)
                {
                    location = Target(uri, response);
                    if (method == HttpMethod.Head && !IsHub(location)) location = null;
                }
                else if (!response.IsSuccessStatusCode && response.StatusCode != HttpStatusCode.RequestedRangeNotSatisfiable)
                {
                    throw Failure(request, response, uri, atHub);
                }
                if (location is null)
                {
                    if (atHub) etag ??= Normalize(Header(response, "ETag"));
                    if (atHub && response.StatusCode == HttpStatusCode.OK) bytes ??= response.Content.Headers.ContentLength;
                    var answer = new HubResponse(response, commit, etag, bytes);
                    response = null!;
                    return answer;
                }
            }
            finally
            {
                response?.Dispose();
            }
            uri = location;
        }
        throw new GemmaException($"{request.Model}: {_endpoint.Host} redirects more than {MostRedirects} times; check HF_ENDPOINT");
    }

    public void Dispose() => _client.Dispose();

    /// <summary>Scheme, host and port are the hub's. Nothing less will do for the token.</summary>
    private bool IsHub(Uri uri) =>
        uri.Scheme == _endpoint.Scheme && uri.Port == _endpoint.Port && uri.IdnHost.Equals(_endpoint.IdnHost, StringComparison.OrdinalIgnoreCase);

    private HttpRequestMessage Message(HttpMethod method, Uri uri, long from, EntityTagHeaderValue? etag, bool atHub)
    {
        var message = new HttpRequestMessage(method, uri);
        message.Headers.UserAgent.ParseAdd("gemma-dotnet/0.1");
        // Sizes, ranges and hashes are those of the file, not of a compressed form of it.
        message.Headers.AcceptEncoding.ParseAdd("identity");
        if (atHub && _options.Token is not null) message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _options.Token);
        if (from > 0)
        {
            message.Headers.Range = new RangeHeaderValue(from, null);
            if (etag is not null) message.Headers.IfRange = new RangeConditionHeaderValue(etag);
        }
        return message;
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage message, CancellationToken cancellation)
    {
        string host = message.RequestUri!.Host;
        using var stall = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        stall.CancelAfter(_options.StallTimeout);
        try
        {
            return await _client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, stall.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException failure) when (!cancellation.IsCancellationRequested)
        {
            throw new TransientFailure(FormattableString.Invariant($"{host} does not answer for {_options.StallTimeout.TotalSeconds} s"), inner: failure);
        }
        catch (HttpRequestException failure) when (failure.InnerException is AuthenticationException)
        {
            throw new GemmaException(
                $"{host}: no secure connection ({Reason(failure)}); check the date of this machine, its certificates, and a proxy between", failure);
        }
        catch (HttpRequestException failure)
        {
            throw new TransientFailure($"{host} cannot be reached ({Reason(failure)})", inner: failure);
        }
        finally
        {
            message.Dispose();
        }
    }

    private static Uri Target(Uri from, HttpResponseMessage response)
    {
        if (response.Headers.Location is not Uri location || !Uri.TryCreate(from, location, out Uri? target)
            || (target.Scheme != Uri.UriSchemeHttps && target.Scheme != Uri.UriSchemeHttp))
        {
            throw new GemmaException($"{from.Host}: redirects to no address; check HF_ENDPOINT");
        }
        return from.Scheme == Uri.UriSchemeHttps && target.Scheme != Uri.UriSchemeHttps
            ? throw new GemmaException(
                $"{from.Host}: redirects from https to http ({target.Host}), where anyone may change what is sent; check HF_ENDPOINT and a proxy between")
            : target;
    }

    private Exception Failure(HubRequest request, HttpResponseMessage response, Uri uri, bool atHub)
    {
        // A signed address of another host that has run out is no verdict on the user: the hub gives a new one.
        if (TransientFailure.Is(response.StatusCode) || !atHub) return TransientFailure.Of(response, uri.Host);
        return HubFailure.Of(request, _options, response.StatusCode, Header(response, "X-Error-Code"), Header(response, "X-Error-Message"));
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.NonValidated.TryGetValues(name, out HeaderStringValues values) && values.FirstOrDefault()?.Trim() is { Length: > 0 } value
            ? value
            : null;

    private static string? Normalize(string? etag) => etag?.Replace("W/", "", StringComparison.Ordinal).Trim('"');

    private static string Reason(HttpRequestException failure) => ModelReference.OneLine((failure.InnerException ?? failure).Message);
}
