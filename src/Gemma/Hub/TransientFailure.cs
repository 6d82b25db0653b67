using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Gemma.Hub;

/// <summary>A failure that may be gone in a moment: a cut connection, a busy server.</summary>
/// <param name="message">What happened, as the end of a sentence such as "…; again in 2 s".</param>
/// <param name="retryAfter">The wait that the server asks for.</param>
internal sealed class TransientFailure(string message, TimeSpan? retryAfter = null, Exception? inner = null) : Exception(message, inner)
{
    public TimeSpan? RetryAfter => retryAfter;

    public static bool Is(HttpStatusCode status) => (int)status is 408 or 425 or 429 or 500 or 502 or 503 or 504;

    public static TransientFailure Of(HttpResponseMessage response, string host) =>
        new($"{host} answers {(int)response.StatusCode} {response.ReasonPhrase}".TrimEnd(), Wait(response.Headers));

    /// <summary>Retry-After in seconds or as a date; else the reset of <c>RateLimit: "api";r=0;t=55</c>, which is how the hub says it.</summary>
    private static TimeSpan? Wait(HttpResponseHeaders headers)
    {
        if (headers.RetryAfter?.Delta is TimeSpan delta) return delta;
        if (headers.RetryAfter?.Date is DateTimeOffset date) return date > DateTimeOffset.UtcNow ? date - DateTimeOffset.UtcNow : TimeSpan.Zero;
        if (!headers.TryGetValues("RateLimit", out IEnumerable<string>? values)) return null;
        string[] fields = [.. string.Join(",", values).Split(';', StringSplitOptions.TrimEntries)];
        return fields.Contains("r=0") && fields.FirstOrDefault(field => field.StartsWith("t=", StringComparison.Ordinal)) is string reset
            && int.TryParse(reset.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out int seconds) ? TimeSpan.FromSeconds(seconds) : null;
    }
}

/// <summary>The waits between attempts: twice as long each time, until something arrives or the attempts are used up.</summary>
/// <param name="options">Delays and the number of attempts.</param>
/// <param name="notice">Told of every wait, in one line.</param>
internal sealed class Backoff(HubOptions options, Action<string>? notice)
{
    private int _failures;

    /// <summary>Bytes arrived: what fails next counts as the first failure.</summary>
    public void Reset() => _failures = 0;

    /// <exception cref="GemmaException">The attempts are used up, or the server asks for a wait that is too long.</exception>
    public async Task WaitAsync(TransientFailure failure, CancellationToken cancellation)
    {
        if (++_failures >= options.Attempts)
        {
            throw new GemmaException(FormattableString.Invariant(
                $"{failure.Message} ({_failures} attempts); what is here is kept: check the connection and run the same command again to go on"), failure);
        }
        // Many clients that were thrown out together should not all come back together.
        TimeSpan delay = options.FirstDelay * Math.Pow(2, _failures - 1) * (1 + 0.25 * Random.Shared.NextDouble());
        if (delay > options.LongestDelay) delay = options.LongestDelay;
        if (failure.RetryAfter is TimeSpan asked)
        {
            if (asked > options.LongestDelay)
            {
                string seconds = FormattableString.Invariant($"{Math.Ceiling(asked.TotalSeconds)} s");
                throw new GemmaException($"{failure.Message} and asks to wait {seconds}; what is here is kept: run the same command again after that", failure);
            }
            delay = asked > delay ? asked : delay;
        }
        notice?.Invoke(FormattableString.Invariant($"{failure.Message}; again in {delay.TotalSeconds:0.#} s"));
        await Task.Delay(delay, cancellation).ConfigureAwait(false);
    }
}
