namespace Gemma.Formats;

/// <summary>
/// Whether a format can hold a configuration: it is written, read back, and compared before any weight is. A model that would compute something else
/// must not be written in silence.
/// </summary>
internal static class ConfigComparison
{
    /// <exception cref="GemmaException">A field that the model computes with came back different.</exception>
    public static void ThrowIfComputedOtherwise(string path, GemmaConfig wanted, GemmaConfig held)
    {
        if (FirstDifference(wanted, held) is (string name, string expected, string found))
            throw new GemmaException($"{path}: expected to keep {name} {expected}, found that this format can only say {found}; write the other format (a folder, a .gguf file)");
    }

    /// <summary>The first field that the model computes with and that differs; null where none does.</summary>
    public static (string Name, string Wanted, string Held)? FirstDifference(GemmaConfig wanted, GemmaConfig held)
    {
        foreach ((string name, Func<GemmaConfig, object> field) in Fields)
            if (!field(wanted).Equals(field(held))) return (name, FormattableString.Invariant($"{field(wanted)}"), FormattableString.Invariant($"{field(held)}"));
        return null;
    }

    /// <summary>The ids that changed, said for a note; null where all are kept.</summary>
    public static string? LostIds(GemmaConfig wanted, GemmaConfig held)
    {
        int[] lost = [.. wanted.EosIds.Except(held.EosIds)];
        return lost.Length == 0 ? null
            : FormattableString.Invariant($"GGUF has a place for two ids that end an answer: {string.Join(", ", lost)} are not among them any more");
    }

    private static readonly (string Name, Func<GemmaConfig, object> Field)[] Fields =
    [
        ("architecture", config => config.Architecture),
        ("vocab_size", config => config.VocabularySize),
        ("hidden_size", config => config.Width),
        ("num_hidden_layers", config => config.LayerCount),
        ("num_attention_heads", config => config.HeadCount),
        ("num_key_value_heads", config => config.KeyValueHeadCount),
        ("head_dim", config => config.HeadDimension),
        ("intermediate_size", config => config.FeedForwardWidth),
        ("max_position_embeddings", config => config.ContextLength),
        ("rms_norm_eps", config => config.NormEpsilon),
        ("rope_theta", config => config.RopeBase),
        ("rope_local_base_freq", config => config.LocalRopeBase),
        ("rope_scaling factor", config => config.RopeScale),
        ("query_pre_attn_scalar", config => config.QueryPreAttentionScalar),
        ("attn_logit_softcapping", config => config.AttentionSoftCap),
        ("final_logit_softcapping", config => config.LogitSoftCap),
        ("sliding_window", config => config.SlidingWindow),
        ("layer_types", config => string.Join(' ', config.WindowedLayers.Select(windowed => windowed ? "sliding" : "full"))),
        ("bos_token_id", config => config.BosId),
        ("pad_token_id", config => config.PadId),
    ];
}
