using System.Globalization;

namespace Gemma.Generation;

/// <summary>How much an <see cref="Engine"/> takes on at once, and the memory it may use for it.</summary>
public sealed record EngineOptions
{
    private const long DefaultCacheBytes = 1L << 30;

    /// <summary>Longest sequence, prompt and answer together; null is what the model was trained for, which is also the most.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Positions of all sequences together that the cache may hold, rounded up to whole pages. Null, with <see cref="CacheBytes"/> null too, is one
    /// whole context or 1 GiB, whichever is more. This is a limit, not what is taken: memory is taken page by page as sequences grow, and used again.</summary>
    public int? CachePositions { get; init; }

    /// <summary>The same limit in bytes.</summary>
    public long? CacheBytes { get; init; }

    /// <summary>How keys and values are kept; null is fp32 where the model computes in fp32, and bf16 where it rounds activations anyway
    /// (<see cref="GemmaModel.RoundsActivations"/>).</summary>
    public KvType? KvType { get; init; }

    /// <summary>Keeps what was computed of prompts and answers, within the cache's limit, for requests that begin alike. It makes way for whatever runs. Without,
    /// a request's part of the cache is free when it ends.</summary>
    public bool PrefixCache { get; init; } = true;

    /// <summary>Most tokens in a pass: activations of this many rows are held in memory.</summary>
    public int MaxBatchTokens { get; init; } = 512;

    /// <summary>Most tokens of prompts in a pass while other sequences are being answered: a smaller value keeps their streams smoother, a larger one brings
    /// the new prompt's first token sooner.</summary>
    public int PrefillChunk { get; init; } = 128;

    /// <summary>Most requests in a pass; more wait. At most <see cref="MaxBatchTokens"/> are run.</summary>
    public int MaxSequences { get; init; } = 64;

    /// <summary>A thread of the engine's own computes while there is work. False leaves it to the caller of <see cref="Engine.Step"/>.</summary>
    public bool RunInBackground { get; init; } = true;

    /// <summary>Most positions of one sequence in this model, and positions of the cache.</summary>
    /// <exception cref="UsageException">An option is out of its range.</exception>
    internal (int Context, int CachePositions, KvType KvType) Resolve(GemmaConfig config, bool roundsActivations)
    {
        Check(ContextLength is null or > 0, "context length", "1 or more", ContextLength);
        Check(ContextLength is null || ContextLength <= config.ContextLength, "context length", $"at most the model's, {config.ContextLength}", ContextLength);
        Check(CachePositions is null || CacheBytes is null, "cache limit", "given in positions or in bytes, not in both", "given in both");
        Check(CachePositions is null or > 0, "cache positions", "1 or more", CachePositions);
        Check(MaxBatchTokens > 0, "tokens in a pass", "1 or more", MaxBatchTokens);
        Check(PrefillChunk > 0, "prefill chunk", "1 or more", PrefillChunk);
        Check(MaxSequences > 0, "sequences in a pass", "1 or more", MaxSequences);

        KvType type = KvType ?? (roundsActivations ? Generation.KvType.BFloat16 : Generation.KvType.Float32);
        int context = ContextLength ?? config.ContextLength;
        long page = 2L * config.LayerCount * config.KeyValueWidth * KvCache.PageTokens * (type == Generation.KvType.Float32 ? 4 : 2);
        Check(CacheBytes is null || CacheBytes >= page, "cache bytes", $"room for a page of {KvCache.PageTokens} positions, {page} bytes, or more", CacheBytes);
        long positions = CachePositions ?? (CacheBytes ?? DefaultCacheBytes) / page * KvCache.PageTokens;
        if (CachePositions is null && CacheBytes is null) positions = Math.Max(context, positions);
        return (context, (int)Math.Min(positions, int.MaxValue - KvCache.PageTokens), type);
    }

    private static void Check(bool holds, string option, string expected, object? actual)
    {
        if (!holds) throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"{option} is {actual}; it must be {expected}"));
    }
}
