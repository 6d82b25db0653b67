namespace Gemma.Generation;

/// <summary>What an <see cref="Engine"/> has done since it was made and what it holds, as of the end of its last pass.</summary>
public readonly record struct EngineStatistics
{
    /// <summary>Requests that run.</summary>
    public int Running { get; init; }

    /// <summary>Requests that wait for others to end.</summary>
    public int Waiting { get; init; }

    /// <summary>How often a running request had to give its part of the cache back to older ones.</summary>
    public long Preemptions { get; init; }

    /// <summary>Prompts that were answered, at least in part.</summary>
    public long Prompts { get; init; }

    /// <summary>Those of them of which the prefix cache held a beginning.</summary>
    public long PrefixHits { get; init; }

    /// <summary>Tokens of these prompts.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Those of them that the prefix cache held.</summary>
    public long CachedPromptTokens { get; init; }

    /// <summary>Tokens of all answers that ended, cut short or not.</summary>
    public long GeneratedTokens { get; init; }

    /// <summary>Tokens guessed ahead for these answers.</summary>
    public long DraftedTokens { get; init; }

    /// <summary>Those of them that were right.</summary>
    public long AcceptedTokens { get; init; }

    /// <summary>Pages the cache may have, of <see cref="KvCache.PageTokens"/> positions and <see cref="KvCache.PageBytes"/> bytes.</summary>
    public int Pages { get; init; }

    /// <summary>Pages that requests in flight use.</summary>
    public int UsedPages { get; init; }

    /// <summary>Pages that no request uses and the prefix cache keeps for those to come.</summary>
    public int CachedPages { get; init; }
}
