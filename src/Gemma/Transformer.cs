using System.Collections.Immutable;

namespace Gemma;

/// <summary>
/// The Gemma architecture, generations 1 to 3, once: decoder-only, RMSNorm before (from Gemma 2 also after) each part, rotary positions, multi-query to
/// multi-head attention, gated GELU, the embedding tied to the head. No dtype, thread, device or file format in it.
/// </summary>
/// <remarks>Gemma: arXiv 2403.08295. Gemma 2: arXiv 2408.00118. Gemma 3: arXiv 2503.19786.</remarks>
public sealed class Transformer<T>
{
    private readonly GemmaConfig _config;
    private readonly IBackend<T> _on;
    private readonly Weights<T> _weights;
    private readonly ImmutableArray<AttentionShape> _shapes;
    private readonly LayerFunction<T> _layer;

    public Transformer(GemmaConfig config, Weights<T> weights, IBackend<T> backend)
    {
        ArgumentNullException.ThrowIfNull(config);
        _config = config;
        _weights = weights;
        _on = backend;
        _shapes = [.. Enumerable.Range(0, config.LayerCount).Select(layer => AttentionShape.Of(config, layer))];
        _layer = Layer;
    }

    /// <summary>Tokens to logits: [batch.LogitRows, vocabulary].</summary>
    public T Forward(Batch batch)
    {
        T logits = _on.Linear(_on.Rows(Hidden(batch), batch.LogitRows), _weights.Embedding);
        return _config.LogitSoftCap > 0 ? _on.SoftCap(logits, _config.LogitSoftCap) : logits;
    }

    /// <summary>Tokens to the normalised output of the last layer: [tokens, width].</summary>
    public T Hidden(Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        T x = _on.Embed(_weights.Embedding, batch.Tokens, _config.EmbeddingScale);
        for (int layer = 0; layer < _weights.Layers.Length; layer++) x = _on.Layer(x, layer, batch, _layer);
        return _on.RmsNorm(x, _weights.FinalNorm);
    }

    private T Layer(T x, int layer, Batch batch)
    {
        LayerWeights<T> weights = _weights.Layers[layer];
        T attention = Attention(_on.RmsNorm(x, weights.AttentionNorm), weights, _shapes[layer], batch);
        if (_config.HasPostNorms) attention = _on.RmsNorm(attention, weights.PostAttentionNorm!);
        x = _on.Add(x, attention);

        T feedForward = FeedForward(_on.RmsNorm(x, weights.FeedForwardNorm), weights);
        if (_config.HasPostNorms) feedForward = _on.RmsNorm(feedForward, weights.PostFeedForwardNorm!);
        return _on.Add(x, feedForward);
    }

    private T Attention(T x, LayerWeights<T> weights, in AttentionShape shape, Batch batch)
    {
        T qkv = _on.Linear(x, weights.QueryKeyValue);
        if (_config.HasQueryKeyNorm) qkv = _on.HeadNorm(qkv, weights.QueryNorm!, weights.KeyNorm!, shape);
        return _on.Linear(_on.Attention(_on.Rope(qkv, batch.Positions, shape), batch, shape), weights.AttentionOutput);
    }

    private T FeedForward(T x, LayerWeights<T> weights) => _on.Linear(_on.GatedLinear(x, weights.GateUp), weights.Down);
}
