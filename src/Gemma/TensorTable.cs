using System.Globalization;

namespace Gemma;

/// <summary>What a published tensor is for.</summary>
public enum TensorRole
{
    Embedding,
    AttentionNorm,
    Query,
    Key,
    Value,
    QueryNorm,
    KeyNorm,
    AttentionOutput,
    PostAttentionNorm,
    FeedForwardNorm,
    Gate,
    Up,
    Down,
    PostFeedForwardNorm,
    FinalNorm,
}

/// <summary>One published tensor: its names, its shape and its use.</summary>
/// <param name="Role">What it is for.</param>
/// <param name="Layer">Layer, or −1 outside the layers.</param>
/// <param name="HuggingFaceName">Name in safetensors files.</param>
/// <param name="GgufName">Name in GGUF files.</param>
/// <param name="Rows">Output features; 1 for a norm, whose published shape has one dimension.</param>
/// <param name="Columns">Input features, contiguous in the file.</param>
public sealed record TensorSpec(TensorRole Role, int Layer, string HuggingFaceName, string GgufName, int Rows, int Columns)
{
    /// <summary>
    /// Norms are the one place where the two formats hold different numbers: x · (1 + w). Safetensors hold w, GGUF holds 1 + w.
    /// </summary>
    public bool IsNorm => Role is TensorRole.AttentionNorm or TensorRole.QueryNorm or TensorRole.KeyNorm or TensorRole.PostAttentionNorm
        or TensorRole.FeedForwardNorm or TensorRole.PostFeedForwardNorm or TensorRole.FinalNorm;
}

/// <summary>The one table that loader, writer, quantizer and trainer read: every tensor of a model with this configuration.</summary>
public static class TensorTable
{
    public static IReadOnlyList<TensorSpec> For(GemmaConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        List<TensorSpec> table = [new(TensorRole.Embedding, -1, "model.embed_tokens.weight", "token_embd.weight", config.VocabularySize, config.Width)];
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            Add(TensorRole.AttentionNorm, "input_layernorm", "attn_norm", 1, config.Width);
            Add(TensorRole.Query, "self_attn.q_proj", "attn_q", config.QueryWidth, config.Width);
            Add(TensorRole.Key, "self_attn.k_proj", "attn_k", config.KeyValueWidth, config.Width);
            Add(TensorRole.Value, "self_attn.v_proj", "attn_v", config.KeyValueWidth, config.Width);
            if (config.HasQueryKeyNorm)
            {
                Add(TensorRole.QueryNorm, "self_attn.q_norm", "attn_q_norm", 1, config.HeadDimension);
                Add(TensorRole.KeyNorm, "self_attn.k_norm", "attn_k_norm", 1, config.HeadDimension);
            }
            Add(TensorRole.AttentionOutput, "self_attn.o_proj", "attn_output", config.Width, config.QueryWidth);
            // Hugging Face calls Gemma 1's norm before the feed-forward "post attention"; from Gemma 2 on the name means what it says.
            if (config.HasPostNorms) Add(TensorRole.PostAttentionNorm, "post_attention_layernorm", "post_attention_norm", 1, config.Width);
            Add(TensorRole.FeedForwardNorm, config.HasPostNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm", "ffn_norm", 1, config.Width);
            Add(TensorRole.Gate, "mlp.gate_proj", "ffn_gate", config.FeedForwardWidth, config.Width);
            Add(TensorRole.Up, "mlp.up_proj", "ffn_up", config.FeedForwardWidth, config.Width);
            Add(TensorRole.Down, "mlp.down_proj", "ffn_down", config.Width, config.FeedForwardWidth);
            if (config.HasPostNorms) Add(TensorRole.PostFeedForwardNorm, "post_feedforward_layernorm", "post_ffw_norm", 1, config.Width);

            void Add(TensorRole role, string huggingFace, string gguf, int rows, int columns) => table.Add(new(role, layer,
                string.Create(CultureInfo.InvariantCulture, $"model.layers.{layer}.{huggingFace}.weight"),
                string.Create(CultureInfo.InvariantCulture, $"blk.{layer}.{gguf}.weight"), rows, columns));
        }
        table.Add(new(TensorRole.FinalNorm, -1, "model.norm.weight", "output_norm.weight", 1, config.Width));
        return table;
    }
}
