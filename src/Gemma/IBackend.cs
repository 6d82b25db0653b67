namespace Gemma;

/// <summary>
/// The coarse operations the model is written in. Running on a CPU, running on a GPU and training are three sets of these, not three models.
/// Values are matrices of [rows, columns]; a weight of a linear map is [output features, input features].
/// </summary>
/// <remarks>
/// <see cref="HeadNorm"/>, <see cref="Rope"/>, <see cref="SoftCap"/> and <see cref="Add"/> may compute in place: whoever calls them does not use their first
/// argument again.
/// </remarks>
/// <typeparam name="T">A matrix on this backend, activation or weight.</typeparam>
public interface IBackend<T>
{
    /// <summary>table[tokens] · scale: [tokens, width].</summary>
    T Embed(T table, ReadOnlySpan<int> tokens, float scale);

    /// <summary>x · rsqrt(mean x² + ε) · gain for each row, in fp32; gain holds the published weight plus one.</summary>
    T RmsNorm(T x, T gain);

    /// <summary>x · weightᵀ.</summary>
    T Linear(T x, T weight);

    /// <summary>gelu_tanh(x · gateᵀ) ⊙ (x · upᵀ) for a weight that holds gate and up: [rows, features of one of them].</summary>
    T GatedLinear(T x, T gateUp);

    /// <summary>RMSNorm of every query and key head for itself. <paramref name="qkv"/> is [tokens, queries | keys | values].</summary>
    T HeadNorm(T qkv, T queryGain, T keyGain, in AttentionShape shape);

    /// <summary>Half-split rotary embedding of queries and keys, then the scale of the queries.</summary>
    T Rope(T qkv, ReadOnlySpan<int> positions, in AttentionShape shape);

    /// <summary>Appends this batch's keys and values to their caches and attends causally: [tokens, query width].</summary>
    T Attention(T qkv, Batch batch, in AttentionShape shape);

    T Add(T x, T y);

    /// <summary>The named rows of x, in that order.</summary>
    T Rows(T x, ReadOnlySpan<int> rows);

    /// <summary>cap · tanh(x / cap).</summary>
    T SoftCap(T x, float cap);

    /// <summary>
    /// Runs one layer. Nothing the layer allocates outlives it but its result: this is what bounds inference memory by one layer, and where a tape may
    /// drop activations and recompute them.
    /// </summary>
    T Layer(T x, int layer, Batch batch, LayerFunction<T> function);
}

/// <summary>One layer of the model: [tokens, width] to [tokens, width].</summary>
public delegate T LayerFunction<T>(T x, int layer, Batch batch);

/// <summary>All that attention in one layer needs to know.</summary>
/// <param name="Layer">Layer whose part of the cache is used.</param>
/// <param name="HeadCount">Query heads; query head j reads key head j · KeyValueHeadCount / HeadCount.</param>
/// <param name="KeyValueHeadCount">Key and value heads.</param>
/// <param name="HeadDimension">Width of a head.</param>
/// <param name="Window">Positions seen, the current one included; 0 is all.</param>
/// <param name="RopeBase">Base of the rotary frequencies.</param>
/// <param name="RopeScale">Positions are divided by this.</param>
/// <param name="QueryScale">Factor on queries after RoPE.</param>
/// <param name="SoftCap">Soft cap of the scores; 0 is none.</param>
public readonly record struct AttentionShape(int Layer, int HeadCount, int KeyValueHeadCount, int HeadDimension, int Window, float RopeBase, float RopeScale,
    float QueryScale, float SoftCap)
{
    public int QueryWidth => HeadCount * HeadDimension;

    public int KeyValueWidth => KeyValueHeadCount * HeadDimension;

    public static AttentionShape Of(GemmaConfig config, int layer)
    {
        bool windowed = config.WindowedLayers[layer];
        return new(layer, config.HeadCount, config.KeyValueHeadCount, config.HeadDimension, windowed ? config.SlidingWindow : 0,
            windowed ? config.LocalRopeBase : config.RopeBase, windowed ? 1 : config.RopeScale, 1 / MathF.Sqrt(config.QueryPreAttentionScalar),
            config.AttentionSoftCap);
    }
}
