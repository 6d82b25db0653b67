using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gemma.Generation;

namespace Gemma.Cli;

/// <summary>What an answer took, to read and for scripts.</summary>
internal static class Statistics
{
    /// <summary>"12.3 tok/s · prefill 210 tok/s (2000 cached) · 38 tokens".</summary>
    public static string Line(GenerationResult result)
    {
        List<string> parts = [];
        if (DecodeRate(result) is double decode) parts.Add(Amount.Rate(decode));
        if (PrefillRate(result) is double prefill) parts.Add($"prefill {Amount.Rate(prefill)}{Cached(result)}");
        parts.Add(result.GeneratedTokens == 1 ? "1 token" : string.Create(CultureInfo.InvariantCulture, $"{result.GeneratedTokens} tokens"));
        if (result.DraftedTokens > 0) parts.Add(string.Create(CultureInfo.InvariantCulture, $"{result.AcceptedTokens} of {result.DraftedTokens} guesses right"));
        return string.Join(" · ", parts);
    }

    private static string Cached(GenerationResult result) =>
        result.CachedPromptTokens == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" ({result.CachedPromptTokens} cached)");

    /// <summary>"first token 0.14 s after the program's start": what a user waited, with all that comes before the model.</summary>
    /// <param name="shown">When it was on the screen, in local time.</param>
    public static string SinceStart(DateTime shown)
    {
        using var process = Process.GetCurrentProcess();
        return $"first token {Amount.Seconds((shown - process.StartTime).TotalSeconds)} after the program's start";
    }

    /// <summary>Why the answer is shorter than the model would have made it, where the user did not ask for that.</summary>
    public static string? Cut(GenerationResult result, GenerationOptions options, int contextLength) =>
        result.FinishReason == FinishReason.Length && (options.MaxTokens is null || options.MaxTokens > result.MaxTokens)
            ? FormattableString.Invariant($"the answer ends here because the context of {contextLength} tokens is full")
            : null;

    public static string Name(FinishReason reason) => reason switch
    {
        FinishReason.Stop or FinishReason.StopString => "stop",
        FinishReason.Length => "length",
        FinishReason.Cancelled => "cancelled",
        _ => "error",
    };

    public static void Write(Utf8JsonWriter json, GenerationResult result, double? loadSeconds)
    {
        json.WriteStartObject("timings");
        if (loadSeconds is double load) json.WriteNumber("load_seconds", load);
        json.WriteNumber("time_to_first_token_seconds", result.TimeToFirstTokenSeconds);
        json.WriteNumber("prefill_seconds", result.PrefillSeconds);
        json.WriteNumber("decode_seconds", result.DecodeSeconds);
        json.WriteFinite("prefill_tokens_per_second", PrefillRate(result));
        json.WriteFinite("decode_tokens_per_second", DecodeRate(result));
        json.WriteNumber("drafted_tokens", result.DraftedTokens);
        json.WriteNumber("accepted_tokens", result.AcceptedTokens);
        json.WriteEndObject();
    }

    /// <summary>Of the tokens that were computed.</summary>
    private static double? PrefillRate(GenerationResult result) =>
        result is { PrefillSeconds: > 0, GeneratedTokens: > 0 } ? (result.PromptTokens - result.CachedPromptTokens) / result.PrefillSeconds : null;

    /// <summary>The first token is the prefill's.</summary>
    private static double? DecodeRate(GenerationResult result) => result is { DecodeSeconds: > 0, GeneratedTokens: > 1 } ? (result.GeneratedTokens - 1) / result.DecodeSeconds : null;
}
