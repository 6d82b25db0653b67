using System.Collections.Immutable;

namespace Gemma;

/// <summary>A model's weights on some backend. The embedding is also the head.</summary>
public sealed record Weights<T>(T Embedding, ImmutableArray<LayerWeights<T>> Layers, T FinalNorm);

/// <summary>One layer's weights. Query, key and value are one matrix, gate and up another: each pair of products reads its input once.</summary>
public sealed record LayerWeights<T>
{
    /// <summary>[1, width]</summary>
    public required T AttentionNorm { get; init; }

    /// <summary>[queries | keys | values, width]</summary>
    public required T QueryKeyValue { get; init; }

    /// <summary>[1, head dimension], Gemma 3.</summary>
    public T? QueryNorm { get; init; }

    /// <summary>[1, head dimension], Gemma 3.</summary>
    public T? KeyNorm { get; init; }

    /// <summary>[width, query width]</summary>
    public required T AttentionOutput { get; init; }

    /// <summary>[1, width], from Gemma 2 on.</summary>
    public T? PostAttentionNorm { get; init; }

    /// <summary>[1, width]</summary>
    public required T FeedForwardNorm { get; init; }

    /// <summary>Gate and up, each [feed-forward width, width], in whatever order the backend's <see cref="IBackend{T}.GatedLinear"/> reads them.</summary>
    public required T GateUp { get; init; }

    /// <summary>[width, feed-forward width]</summary>
    public required T Down { get; init; }

    /// <summary>[1, width], from Gemma 2 on.</summary>
    public T? PostFeedForwardNorm { get; init; }
}
