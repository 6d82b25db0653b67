using System.Text.Json;

namespace Gemma.Formats;

/// <summary>Writes config.json, generation_config.json and tokenizer_config.json with the fields that transformers writes.</summary>
internal static class HuggingFaceConfigWriter
{
    /// <summary>config.json for weights of <paramref name="type"/>.</summary>
    public static byte[] Config(GemmaConfig config, TensorType type) => JsonText.Of(json =>
    {
        (string architecture, string model) = config.Architecture switch
        {
            GemmaArchitecture.Gemma1 => ("GemmaForCausalLM", "gemma"),
            GemmaArchitecture.Gemma2 => ("Gemma2ForCausalLM", "gemma2"),
            _ => ("Gemma3ForCausalLM", "gemma3_text"),
        };
        json.WriteStartArray("architectures");
        json.WriteStringValue(architecture);
        json.WriteEndArray();
        json.WriteString("model_type", model);
        json.WriteBoolean("attention_bias", false);
        json.WriteNumber("attention_dropout", 0);
        WriteIds(json, config);
        json.WriteNumber("head_dim", config.HeadDimension);
        json.WriteString("hidden_act", "gelu_pytorch_tanh");
        json.WriteString("hidden_activation", "gelu_pytorch_tanh");
        json.WriteNumber("hidden_size", config.Width);
        json.WriteNumber("initializer_range", 0.02);
        json.WriteNumber("intermediate_size", config.FeedForwardWidth);
        json.WriteNumber("max_position_embeddings", config.ContextLength);
        json.WriteNumber("num_attention_heads", config.HeadCount);
        json.WriteNumber("num_hidden_layers", config.LayerCount);
        json.WriteNumber("num_key_value_heads", config.KeyValueHeadCount);
        json.WriteNumber("rms_norm_eps", config.NormEpsilon);
        json.WriteNumber("rope_theta", config.RopeBase);
        WriteScaling(json, config);
        json.WriteBoolean("tie_word_embeddings", true);
        json.WriteString("torch_dtype", type switch { TensorType.F32 => "float32", TensorType.F16 => "float16", _ => "bfloat16" });
        json.WriteNumber("vocab_size", config.VocabularySize);
        json.WriteBoolean("use_cache", true);
        if (config.Architecture != GemmaArchitecture.Gemma1) WriteWindowsAndCaps(json, config);
        if (config.Architecture == GemmaArchitecture.Gemma3) json.WriteNumber("rope_local_base_freq", config.LocalRopeBase);
    });

    /// <summary>generation_config.json.</summary>
    public static byte[] Generation(GemmaConfig config, GenerationDefaults? defaults) => JsonText.Of(json =>
    {
        WriteIds(json, config);
        if (defaults?.Sample is bool sample) json.WriteBoolean("do_sample", sample);
        if (defaults?.Temperature is float temperature) json.WriteNumber("temperature", temperature);
        if (defaults?.TopK is int topK) json.WriteNumber("top_k", topK);
        if (defaults?.TopP is float topP) json.WriteNumber("top_p", topP);
    });

    /// <summary>tokenizer_config.json: what transformers needs beside tokenizer.model, and the chat template where every version of it looks.</summary>
    public static byte[] Tokenizer(string? chatTemplate) => JsonText.Of(json =>
    {
        json.WriteString("tokenizer_class", "GemmaTokenizer");
        json.WriteBoolean("add_bos_token", true);
        json.WriteBoolean("add_eos_token", false);
        json.WriteString("bos_token", "<bos>");
        json.WriteString("eos_token", "<eos>");
        json.WriteString("pad_token", "<pad>");
        json.WriteString("unk_token", "<unk>");
        json.WriteBoolean("clean_up_tokenization_spaces", false);
        if (chatTemplate is not null) json.WriteString("chat_template", chatTemplate);
    });

    private static void WriteIds(Utf8JsonWriter json, GemmaConfig config)
    {
        json.WriteNumber("bos_token_id", config.BosId);
        if (config.EosIds.Length == 1) json.WriteNumber("eos_token_id", config.EosIds[0]);
        else
        {
            json.WriteStartArray("eos_token_id");
            foreach (int id in config.EosIds) json.WriteNumberValue(id);
            json.WriteEndArray();
        }
        json.WriteNumber("pad_token_id", config.PadId);
    }

    private static void WriteScaling(Utf8JsonWriter json, GemmaConfig config)
    {
        if (config.RopeScale == 1) return;
        json.WriteStartObject("rope_scaling");
        json.WriteNumber("factor", config.RopeScale);
        json.WriteString("rope_type", "linear");
        json.WriteEndObject();
    }

    private static void WriteWindowsAndCaps(Utf8JsonWriter json, GemmaConfig config)
    {
        json.WriteNumber("sliding_window", config.SlidingWindow);
        json.WriteNumber("query_pre_attn_scalar", config.QueryPreAttentionScalar);
        WriteCap("attn_logit_softcapping", config.AttentionSoftCap);
        WriteCap("final_logit_softcapping", config.LogitSoftCap);
        json.WriteStartArray("layer_types");
        foreach (bool windowed in config.WindowedLayers) json.WriteStringValue(windowed ? "sliding_attention" : "full_attention");
        json.WriteEndArray();

        // No cap is null: a field that is absent has a default.
        void WriteCap(string name, float cap)
        {
            if (cap > 0) json.WriteNumber(name, cap);
            else json.WriteNull(name);
        }
    }
}
