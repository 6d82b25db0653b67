using System.Collections.Immutable;

namespace Gemma;

/// <summary>The three generations of the architecture whose text models this library computes.</summary>
public enum GemmaArchitecture
{
    /// <summary>Gemma 1 and 1.1, also CodeGemma.</summary>
    Gemma1,

    /// <summary>Gemma 2: post-norms, soft caps, alternating attention windows.</summary>
    Gemma2,

    /// <summary>Gemma 3, text only: QK-norm, five windowed layers to one global, two RoPE bases.</summary>
    Gemma3,
}

/// <summary>What the model is: its dimensions and variants. What a caller wants of it is <c>GenerationOptions</c>.</summary>
public sealed record GemmaConfig
{
    public required GemmaArchitecture Architecture { get; init; }

    /// <summary>Rows of the embedding table.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Width of the residual stream (<c>hidden_size</c>).</summary>
    public required int Width { get; init; }

    public required int LayerCount { get; init; }

    /// <summary>Query heads.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Key and value heads: 1 is multi-query, <see cref="HeadCount"/> multi-head, between them grouped-query.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>Width of one head; independent of <see cref="Width"/>.</summary>
    public required int HeadDimension { get; init; }

    /// <summary>Width of the gated feed-forward layer (<c>intermediate_size</c>).</summary>
    public required int FeedForwardWidth { get; init; }

    /// <summary>Longest sequence, prompt and answer together.</summary>
    public required int ContextLength { get; init; }

    public float NormEpsilon { get; init; } = 1e-6f;

    /// <summary>RoPE base of global layers.</summary>
    public float RopeBase { get; init; } = 10_000f;

    /// <summary>RoPE base of windowed layers (Gemma 3; equal to <see cref="RopeBase"/> elsewhere).</summary>
    public float LocalRopeBase { get; init; } = 10_000f;

    /// <summary>Positions of global layers are divided by this (Gemma 3 from 4B on: 8).</summary>
    public float RopeScale { get; init; } = 1f;

    /// <summary>Queries are scaled by this to the power of −1/2 (<c>query_pre_attn_scalar</c>; the head dimension where a model does not say).</summary>
    public required float QueryPreAttentionScalar { get; init; }

    /// <summary>cap · tanh(score / cap) on attention scores; 0 is none.</summary>
    public float AttentionSoftCap { get; init; }

    /// <summary>cap · tanh(logit / cap) on logits; 0 is none.</summary>
    public float LogitSoftCap { get; init; }

    /// <summary>Positions a windowed layer sees, the current one included; 0 where no layer is windowed.</summary>
    public int SlidingWindow { get; init; }

    /// <summary>For each layer: does it see only <see cref="SlidingWindow"/> positions?</summary>
    public required ImmutableArray<bool> WindowedLayers { get; init; }

    public int BosId { get; init; } = 2;

    public int PadId { get; init; }

    /// <summary>Ids that end an answer. The tuned models add the end of turn to <c>&lt;eos&gt;</c>.</summary>
    public ImmutableArray<int> EosIds { get; init; } = [1];

    /// <summary>Norms after attention and feed-forward as well as before (Gemma 2 and 3).</summary>
    public bool HasPostNorms => Architecture != GemmaArchitecture.Gemma1;

    /// <summary>Queries and keys normalised per head (Gemma 3).</summary>
    public bool HasQueryKeyNorm => Architecture == GemmaArchitecture.Gemma3;

    /// <summary>
    /// √width. The official code rounds it to the compute type; this library's activations are fp32 whatever the weights are, so it stays fp32.
    /// </summary>
    public float EmbeddingScale => MathF.Sqrt(Width);

    public int QueryWidth => HeadCount * HeadDimension;

    public int KeyValueWidth => KeyValueHeadCount * HeadDimension;

    /// <summary>Number of weights, the tied embedding counted once.</summary>
    public long ParameterCount
    {
        get
        {
            long layer = (2L * QueryWidth + 2L * KeyValueWidth) * Width + 3L * FeedForwardWidth * Width
                + (HasPostNorms ? 4L : 2L) * Width + (HasQueryKeyNorm ? 2L * HeadDimension : 0);
            return (long)VocabularySize * Width + LayerCount * layer + Width;
        }
    }

    /// <summary>Throws <see cref="BadFileException"/> naming <paramref name="file"/> where a dimension cannot be computed with.</summary>
    public void Validate(string file)
    {
        Check(VocabularySize is > 0 and <= 1 << 22, "vocab_size", "1 … 4,194,304", VocabularySize);
        Check(Width is > 0 and <= 1 << 16 && Width % 16 == 0, "hidden_size", "a multiple of 16 up to 65,536", Width);
        Check(LayerCount is > 0 and <= 1024, "num_hidden_layers", "1 … 1,024", LayerCount);
        Check(HeadCount is > 0 and <= 1024, "num_attention_heads", "1 … 1,024", HeadCount);
        Check(KeyValueHeadCount > 0 && KeyValueHeadCount <= HeadCount && HeadCount % KeyValueHeadCount == 0,
            "num_key_value_heads", $"a divisor of num_attention_heads ({HeadCount})", KeyValueHeadCount);
        Check(HeadDimension is > 0 and <= 1024 && HeadDimension % 16 == 0, "head_dim", "a multiple of 16 up to 1,024", HeadDimension);
        Check(FeedForwardWidth is > 0 and <= 1 << 18 && FeedForwardWidth % 16 == 0, "intermediate_size", "a multiple of 16 up to 262,144", FeedForwardWidth);
        Check(ContextLength is > 0 and <= 1 << 20, "max_position_embeddings", "1 … 1,048,576", ContextLength);
        Check(NormEpsilon is > 0 and < 1, "rms_norm_eps", "between 0 and 1", NormEpsilon);
        Check(RopeBase >= 1 && float.IsFinite(RopeBase), "rope_theta", "a finite number from 1", RopeBase);
        Check(LocalRopeBase >= 1 && float.IsFinite(LocalRopeBase), "rope_local_base_freq", "a finite number from 1", LocalRopeBase);
        Check(RopeScale >= 1 && float.IsFinite(RopeScale), "rope_scaling", "a finite factor from 1", RopeScale);
        Check(QueryPreAttentionScalar > 0 && float.IsFinite(QueryPreAttentionScalar), "query_pre_attn_scalar", "a positive number", QueryPreAttentionScalar);
        Check(AttentionSoftCap >= 0 && float.IsFinite(AttentionSoftCap), "attn_logit_softcapping", "0 or a positive number", AttentionSoftCap);
        Check(LogitSoftCap >= 0 && float.IsFinite(LogitSoftCap), "final_logit_softcapping", "0 or a positive number", LogitSoftCap);
        Check(WindowedLayers.Length == LayerCount, "layer_types", $"{LayerCount} entries", WindowedLayers.Length);
        Check(SlidingWindow > 0 || !WindowedLayers.Contains(true), "sliding_window", "a positive number, as some layers are windowed", SlidingWindow);
        Check(BosId >= 0 && BosId < VocabularySize, "bos_token_id", $"0 … {VocabularySize - 1}", BosId);
        foreach (int id in EosIds) Check(id >= 0 && id < VocabularySize, "eos_token_id", $"0 … {VocabularySize - 1}", id);

        void Check(bool holds, string field, string expected, object actual)
        {
            if (!holds)
                throw new BadFileException(file, field, expected, FormattableString.Invariant($"{actual}"), "is this the configuration of a Gemma 1, 2 or 3 text model?");
        }
    }

    /// <summary>Gemma 1 and 1.1 2B (2,506,172,416 weights).</summary>
    public static GemmaConfig Gemma2B { get; } = Gemma1(layers: 18, width: 2048, heads: 8, keyValueHeads: 1, feedForward: 16384);

    /// <summary>Gemma 1 and 1.1 7B (8,537,680,896 weights).</summary>
    public static GemmaConfig Gemma7B { get; } = Gemma1(layers: 28, width: 3072, heads: 16, keyValueHeads: 16, feedForward: 24576);

    /// <summary>Gemma 2 2B.</summary>
    public static GemmaConfig Gemma2_2B { get; } = Gemma2(layers: 26, width: 2304, heads: 8, keyValueHeads: 4, feedForward: 9216);

    /// <summary>Gemma 2 9B.</summary>
    public static GemmaConfig Gemma2_9B { get; } = Gemma2(layers: 42, width: 3584, heads: 16, keyValueHeads: 8, feedForward: 14336);

    /// <summary>Gemma 3 270M.</summary>
    public static GemmaConfig Gemma3_270M { get; } = Gemma3(layers: 18, width: 640, heads: 4, keyValueHeads: 1, feedForward: 2048);

    /// <summary>Gemma 3 1B.</summary>
    public static GemmaConfig Gemma3_1B { get; } = Gemma3(layers: 26, width: 1152, heads: 4, keyValueHeads: 1, feedForward: 6912);

    /// <summary>The shapes that <c>gemma bench --synthetic</c> knows, by the name the hub gives them.</summary>
    public static IReadOnlyDictionary<string, GemmaConfig> Presets { get; } = new Dictionary<string, GemmaConfig>(StringComparer.OrdinalIgnoreCase)
    {
        ["gemma-2b"] = Gemma2B,
        ["gemma-7b"] = Gemma7B,
        ["gemma-2-2b"] = Gemma2_2B,
        ["gemma-2-9b"] = Gemma2_9B,
        ["gemma-3-270m"] = Gemma3_270M,
        ["gemma-3-1b"] = Gemma3_1B,
    };

    private static GemmaConfig Gemma1(int layers, int width, int heads, int keyValueHeads, int feedForward) => new()
    {
        Architecture = GemmaArchitecture.Gemma1,
        VocabularySize = 256_000,
        Width = width,
        LayerCount = layers,
        HeadCount = heads,
        KeyValueHeadCount = keyValueHeads,
        HeadDimension = 256,
        FeedForwardWidth = feedForward,
        ContextLength = 8192,
        QueryPreAttentionScalar = 256,
        WindowedLayers = [.. Enumerable.Repeat(false, layers)],
    };

    private static GemmaConfig Gemma2(int layers, int width, int heads, int keyValueHeads, int feedForward) =>
        Gemma1(layers, width, heads, keyValueHeads, feedForward) with
        {
            Architecture = GemmaArchitecture.Gemma2,
            AttentionSoftCap = 50,
            LogitSoftCap = 30,
            SlidingWindow = 4096,
            WindowedLayers = [.. Enumerable.Range(0, layers).Select(layer => layer % 2 == 0)],
        };

    private static GemmaConfig Gemma3(int layers, int width, int heads, int keyValueHeads, int feedForward) =>
        Gemma1(layers, width, heads, keyValueHeads, feedForward) with
        {
            Architecture = GemmaArchitecture.Gemma3,
            VocabularySize = 262_144,
            ContextLength = 32_768,
            RopeBase = 1_000_000,
            SlidingWindow = 512,
            WindowedLayers = [.. Enumerable.Range(0, layers).Select(layer => (layer + 1) % 6 != 0)],
        };
}
