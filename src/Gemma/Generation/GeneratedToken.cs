namespace Gemma.Generation;

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>The model's own end id, or one of <see cref="GenerationOptions.StopIds"/>.</summary>
    Stop,

    /// <summary>One of <see cref="GenerationOptions.Stop"/>.</summary>
    StopString,

    /// <summary><see cref="GenerationOptions.MaxTokens"/>, or the end of the context or of the cache.</summary>
    Length,

    /// <summary>The caller asked, or went away.</summary>
    Cancelled,

    /// <summary>A pass failed; the sequence's stream and its completion throw what happened.</summary>
    Error,
}

/// <summary>One step of an answer.</summary>
/// <param name="Id">The token. The id that ends an answer comes too, without text of its own.</param>
/// <param name="Text">What became certain with this token: whole characters only, nothing that may still turn out to be part of a stop string. Often one
/// piece, sometimes empty, with the last token all that was held back.</param>
/// <param name="LogProb">See <see cref="GenerationOptions.LogProbs"/>.</param>
/// <param name="TopLogProbs">The most probable tokens, the most probable first; null where none were asked for.</param>
public readonly record struct GeneratedToken(int Id, string Text, float? LogProb, IReadOnlyList<TokenLogProb>? TopLogProbs);

/// <summary>An answer that ended, and what it took.</summary>
public sealed record GenerationResult
{
    public required FinishReason FinishReason { get; init; }

    /// <summary>All generated ids, with the one that ended the answer.</summary>
    public required IReadOnlyList<int> Ids { get; init; }

    /// <summary>The text of the answer, without what ended it.</summary>
    public required string Text { get; init; }

    /// <summary>The stop string that ended the answer, or null.</summary>
    public string? StopString { get; init; }

    public required int PromptTokens { get; init; }

    /// <summary>Those of <see cref="PromptTokens"/> that did not have to be computed, because the engine still had them of another request.</summary>
    public int CachedPromptTokens { get; init; }

    public int GeneratedTokens => Ids.Count;

    /// <summary>Tokens guessed ahead and verified, see <see cref="GenerationOptions.DraftTokens"/>.</summary>
    public int DraftedTokens { get; init; }

    /// <summary>Those of <see cref="DraftedTokens"/> that were right: passes saved.</summary>
    public int AcceptedTokens { get; init; }

    /// <summary>Most tokens this answer could have had: what was asked for, or what the context and the cache left room for.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>The seed given or drawn.</summary>
    public required ulong Seed { get; init; }

    /// <summary>From the request to the first token: waiting and prefill.</summary>
    public required double TimeToFirstTokenSeconds { get; init; }

    /// <summary>From the first step with this prompt to the first token.</summary>
    public required double PrefillSeconds { get; init; }

    /// <summary>From the first token to the last, with what a preemption cost.</summary>
    public required double DecodeSeconds { get; init; }
}
