using System.Collections.Immutable;

namespace Gemma.Formats;

/// <summary>
/// Reads Hugging Face's config.json. Fields that published files leave out have the defaults of the transformers configuration classes.
/// <c>hidden_act</c> may say "gelu": the first configurations did, and the official code computes the tanh form whatever they say.
/// </summary>
internal static class HuggingFaceConfig
{
    private static readonly string[] Activations = ["gelu", "gelu_pytorch_tanh", "gelu_new", "gelu_fast"];

    public static GemmaConfig Load(string file) => JsonFields.Load(file, Read);

    /// <exception cref="BadFileException">A field is missing, or asks for what this architecture does not have.</exception>
    public static GemmaConfig Read(JsonFields top)
    {
        string modelType = top.String("model_type") ?? throw top.Missing("model_type", "gemma, gemma2, gemma3 or gemma3_text");
        GemmaConfig config = modelType switch
        {
            "gemma" => Gemma1(top, top),
            "gemma2" => Gemma2(top, top),
            "gemma3_text" => Gemma3(top, top),
            "gemma3" => Gemma3(top, top.Object("text_config") ?? throw top.Missing("text_config", "the configuration of the text model")),
            _ => throw top.Wrong("model_type", "gemma, gemma2, gemma3 or gemma3_text", modelType),
        };
        config.Validate(top.File);
        return config;
    }

    private static GemmaConfig Gemma1(JsonFields top, JsonFields text)
    {
        RefuseOthers(text);
        int layers = Require(text, "num_hidden_layers"), headDimension = Require(text, "head_dim");
        (float rope, float scale) = Rope(text, text.Object("rope_parameters"), text.Float("rope_theta") ?? 10_000f);
        return new GemmaConfig
        {
            Architecture = GemmaArchitecture.Gemma1,
            VocabularySize = Require(text, "vocab_size"),
            Width = Require(text, "hidden_size"),
            LayerCount = layers,
            HeadCount = Require(text, "num_attention_heads"),
            KeyValueHeadCount = Require(text, "num_key_value_heads"),
            HeadDimension = headDimension,
            FeedForwardWidth = Require(text, "intermediate_size"),
            ContextLength = text.Int("max_position_embeddings") ?? 8192,
            NormEpsilon = text.Float("rms_norm_eps") ?? 1e-6f,
            RopeBase = rope,
            LocalRopeBase = rope,
            RopeScale = scale,
            QueryPreAttentionScalar = headDimension,
            WindowedLayers = [.. Enumerable.Repeat(false, Math.Clamp(layers, 0, 4096))],
            BosId = Id(top, text, "bos_token_id") ?? 2,
            PadId = Id(top, text, "pad_token_id") ?? 0,
            EosIds = text.Ints("eos_token_id") ?? top.Ints("eos_token_id") ?? [1],
        };
    }

    private static GemmaConfig Gemma2(JsonFields top, JsonFields text)
    {
        GemmaConfig config = Gemma2Or3(GemmaArchitecture.Gemma2, top, text);
        (float rope, float scale) = Rope(text, text.Object("rope_parameters"), text.Float("rope_theta") ?? 10_000f);
        return config with
        {
            VocabularySize = text.Int("vocab_size") ?? 256_000,
            ContextLength = text.Int("max_position_embeddings") ?? 8192,
            RopeBase = rope,
            LocalRopeBase = rope,
            RopeScale = scale,
            AttentionSoftCap = CapOrNone(text, "attn_logit_softcapping", 50),
            LogitSoftCap = CapOrNone(text, "final_logit_softcapping", 30),
            WindowedLayers = Windows(text, config.LayerCount, pattern: 2),
        };
    }

    private static GemmaConfig Gemma3(JsonFields top, JsonFields text)
    {
        GemmaConfig config = Gemma2Or3(GemmaArchitecture.Gemma3, top, text);
        JsonFields? parameters = text.Object("rope_parameters");
        (float rope, float scale) = Rope(text, parameters?.Object("full_attention") ?? parameters, text.Float("rope_theta") ?? 1_000_000f);
        return config with
        {
            VocabularySize = text.Int("vocab_size") ?? 262_208,
            ContextLength = text.Int("max_position_embeddings") ?? 131_072,
            RopeBase = rope,
            RopeScale = scale,
            LocalRopeBase = parameters?.Object("sliding_attention")?.Float("rope_theta") ?? text.Float("rope_local_base_freq") ?? 10_000f,
            AttentionSoftCap = text.Float("attn_logit_softcapping") ?? 0,
            LogitSoftCap = text.Float("final_logit_softcapping") ?? 0,
            WindowedLayers = Windows(text, config.LayerCount, text.Int("sliding_window_pattern") ?? 6),
        };
    }

    /// <summary>What Gemma 2 and the text part of Gemma 3 default alike.</summary>
    private static GemmaConfig Gemma2Or3(GemmaArchitecture architecture, JsonFields top, JsonFields text)
    {
        RefuseOthers(text);
        return new GemmaConfig
        {
            Architecture = architecture,
            VocabularySize = 0,
            Width = Require(text, "hidden_size"),
            LayerCount = Require(text, "num_hidden_layers"),
            HeadCount = text.Int("num_attention_heads") ?? 8,
            KeyValueHeadCount = text.Int("num_key_value_heads") ?? 4,
            HeadDimension = text.Int("head_dim") ?? 256,
            FeedForwardWidth = Require(text, "intermediate_size"),
            ContextLength = 0,
            NormEpsilon = text.Float("rms_norm_eps") ?? 1e-6f,
            QueryPreAttentionScalar = text.Float("query_pre_attn_scalar") ?? 256,
            SlidingWindow = text.Int("sliding_window") ?? 4096,
            WindowedLayers = [],
            BosId = Id(top, text, "bos_token_id") ?? 2,
            PadId = Id(top, text, "pad_token_id") ?? 0,
            EosIds = text.Ints("eos_token_id") ?? top.Ints("eos_token_id") ?? [1],
        };
    }

    /// <summary>A model that sets one of these computes something else than Gemma: better refused than answered wrongly.</summary>
    private static void RefuseOthers(JsonFields text)
    {
        string? activation = text.String("hidden_activation") ?? text.String("hidden_act");
        if (activation is not null && !Activations.Contains(activation, StringComparer.Ordinal))
            throw text.Wrong("hidden_act", "gelu_pytorch_tanh", activation);
        if (text.Bool("attention_bias") == true) throw text.Wrong("attention_bias", "false", "true");
        if (text.Bool("tie_word_embeddings") == false) throw text.Wrong("tie_word_embeddings", "true: Gemma's head is its embedding", "false");
        if (text.Bool("use_bidirectional_attention") == true)
            throw text.Wrong("use_bidirectional_attention", "false: a causal language model", "true");
    }

    /// <summary>Base and position divisor of the global layers, from transformers 5's rope_parameters or the older fields.</summary>
    private static (float Base, float Scale) Rope(JsonFields text, JsonFields? parameters, float oldBase)
    {
        float rope = parameters?.Float("rope_theta") ?? oldBase;
        if ((parameters ?? text.Object("rope_scaling")) is not JsonFields scaling) return (rope, 1);
        string type = scaling.String("rope_type") ?? scaling.String("type") ?? "default";
        return type switch
        {
            "default" => (rope, 1),
            "linear" => (rope, scaling.Float("factor") ?? throw scaling.Missing("factor", "the factor of linear RoPE scaling")),
            _ => throw scaling.Wrong("rope_type", "default or linear", type),
        };
    }

    private static ImmutableArray<bool> Windows(JsonFields text, int layers, int pattern)
    {
        if (text.Strings("layer_types") is ImmutableArray<string> types)
        {
            return [.. types.Select(type => type switch
            {
                "sliding_attention" => true,
                "full_attention" => false,
                _ => throw text.Wrong("layer_types", "sliding_attention or full_attention", type),
            })];
        }
        if (pattern < 1) throw text.Wrong("sliding_window_pattern", "1 or more", FormattableString.Invariant($"{pattern}"));
        return WindowPattern(layers, pattern);
    }

    /// <summary>Every <paramref name="pattern"/>-th layer sees everything, the others a window.</summary>
    internal static ImmutableArray<bool> WindowPattern(int layers, int pattern) =>
        [.. Enumerable.Range(0, Math.Clamp(layers, 0, 4096)).Select(layer => (layer + 1) % pattern != 0)];

    private static int Require(JsonFields fields, string name) => fields.Int(name) ?? throw fields.Missing(name, "a whole number");

    private static int? Id(JsonFields top, JsonFields text, string name) => text.Int(name) ?? top.Int(name);

    /// <summary>Gemma 2 has caps unless a configuration says null in so many words.</summary>
    private static float CapOrNone(JsonFields fields, string name, float absent) =>
        fields.Float(name) ?? (fields.All.Any(property => property.NameEquals(name)) ? 0 : absent);
}
