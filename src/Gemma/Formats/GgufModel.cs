using System.Collections.Immutable;

namespace Gemma.Formats;

/// <summary>A model's configuration in GGUF metadata, under the keys and with the defaults of llama.cpp.</summary>
internal static class GgufModel
{
    public const string EmbeddingName = "token_embd.weight";

    public const string ChatTemplateKey = "tokenizer.chat_template";

    private const string ArchitectureKey = "general.architecture", BosKey = "tokenizer.ggml.bos_token_id", EosKey = "tokenizer.ggml.eos_token_id",
        EndOfTurnKey = "tokenizer.ggml.eot_token_id", PadKey = "tokenizer.ggml.padding_token_id", TemperatureKey = "general.sampling.temp",
        TopKKey = "general.sampling.top_k", TopPKey = "general.sampling.top_p";

    /// <exception cref="BadFileException">A key is missing, or asks for what this architecture does not have.</exception>
    public static GemmaConfig Config(Gguf file)
    {
        if (!file.Tensors.TryGetValue(EmbeddingName, out TensorInfo? embedding) || embedding.Rows > int.MaxValue)
            throw new BadFileException(file.Metadata.File, EmbeddingName, "the embedding table", "none", "the file is incomplete: take another copy of the model");
        return Config(file.Metadata, (int)embedding.Rows);
    }

    public static GemmaConfig Config(GgufMetadata metadata, int vocabulary)
    {
        if (metadata.Int("split.count") is > 1 and int parts)
            throw metadata.Wrong("split.count", "a model in one file", FormattableString.Invariant($"{parts} files, which llama-gguf-split --merge makes one"));
        string name = metadata.String(ArchitectureKey) ?? throw metadata.Missing(ArchitectureKey, "gemma, gemma2 or gemma3");
        GemmaArchitecture architecture = name switch
        {
            "gemma" => GemmaArchitecture.Gemma1,
            "gemma2" => GemmaArchitecture.Gemma2,
            "gemma3" => GemmaArchitecture.Gemma3,
            _ => throw metadata.Wrong(ArchitectureKey, "gemma, gemma2 or gemma3", name),
        };
        GemmaConfig config = Config(architecture, metadata, name + ".", vocabulary);
        config.Validate(metadata.File);
        return config;
    }

    private static GemmaConfig Config(GemmaArchitecture architecture, GgufMetadata metadata, string prefix, int vocabulary)
    {
        int Required(string key) => metadata.Int(prefix + key) ?? throw metadata.Missing(prefix + key, "a whole number");
        int layers = Required("block_count"), width = Required("embedding_length"), heads = Required("attention.head_count");
        int headDimension = metadata.Int(prefix + "attention.key_length") ?? width / Math.Max(1, heads);
        foreach (string key in (string[])["attention.value_length", "rope.dimension_count"])
            if (metadata.Int(prefix + key) is int other && other != headDimension) throw metadata.Wrong(prefix + key, $"the head dimension {headDimension}", other);
        bool windowed = architecture != GemmaArchitecture.Gemma1;
        float rope = RopeBase(architecture, metadata, prefix);
        return new GemmaConfig
        {
            Architecture = architecture,
            VocabularySize = vocabulary,
            Width = width,
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = metadata.Int(prefix + "attention.head_count_kv") ?? heads,
            HeadDimension = headDimension,
            FeedForwardWidth = Required("feed_forward_length"),
            ContextLength = Required("context_length"),
            NormEpsilon = metadata.Float(prefix + "attention.layer_norm_rms_epsilon") ?? throw metadata.Missing(prefix + "attention.layer_norm_rms_epsilon", "a number"),
            RopeBase = rope,
            LocalRopeBase = architecture == GemmaArchitecture.Gemma3
                ? metadata.Float(prefix + "rope.freq_base_swa") ?? metadata.Float(prefix + "rope.local.freq_base") ?? 10_000f : rope,
            RopeScale = RopeScale(metadata, prefix),
            QueryPreAttentionScalar = QueryScalar(architecture, metadata, prefix, layers, width, heads, headDimension),
            AttentionSoftCap = architecture == GemmaArchitecture.Gemma2 ? metadata.Float(prefix + "attn_logit_softcapping") ?? 50 : 0,
            LogitSoftCap = windowed ? metadata.Float(prefix + "final_logit_softcapping") ?? (architecture == GemmaArchitecture.Gemma2 ? 30 : 0) : 0,
            SlidingWindow = windowed ? metadata.Int(prefix + "attention.sliding_window") ?? (architecture == GemmaArchitecture.Gemma2 ? 4096 : 0) : 0,
            WindowedLayers = Windows(architecture, metadata, prefix, layers),
            BosId = metadata.Int(BosKey) ?? 2,
            PadId = metadata.Int(PadKey) ?? 0,
            EosIds = EosIds(metadata, vocabulary),
        };
    }

    /// <summary>How the makers would have it sampled, under the keys that llama.cpp knows since 2025; null where the file has none of them.</summary>
    public static GenerationDefaults? Defaults(GgufMetadata metadata)
    {
        (float? temperature, int? topK, float? topP) = (metadata.Float(TemperatureKey), metadata.Int(TopKKey), metadata.Float(TopPKey));
        if (temperature is null && topK is null && topP is null) return null;
        if (temperature is < 0 or > 100) throw metadata.Wrong(TemperatureKey, "0 … 100", temperature);
        if (topP is < 0 or > 1) throw metadata.Wrong(TopPKey, "0 … 1", topP);
        // llama.cpp says −1 for "all".
        return new GenerationDefaults { Sample = true, Temperature = temperature, TopK = topK < 0 ? 0 : topK, TopP = topP };
    }

    /// <summary>The counterpart of <see cref="Defaults"/>. A model that is not to be sampled says nothing.</summary>
    public static void AddDefaults(GgufMetadata metadata, GenerationDefaults defaults)
    {
        if (defaults.Sample == false) return;
        if (defaults.Temperature is float temperature) metadata.Set(TemperatureKey, temperature);
        if (defaults.TopK is int topK) metadata.Set(TopKKey, topK);
        if (defaults.TopP is float topP) metadata.Set(TopPKey, topP);
    }

    /// <summary>The ids of a configuration: GGUF has a place for one that ends a text and one that ends a turn.</summary>
    public static void AddIds(GgufMetadata metadata, GemmaConfig config)
    {
        metadata.Set(BosKey, (uint)config.BosId);
        metadata.Set(PadKey, (uint)config.PadId);
        if (config.EosIds.Length > 0) metadata.Set(EosKey, (uint)config.EosIds[0]);
        if (config.EosIds.Length > 1) metadata.Set(EndOfTurnKey, (uint)config.EosIds[1]);
        else metadata.Remove(EndOfTurnKey); // a tokenizer may have one that this model does not end with
    }

    /// <summary>The keys of a configuration, as llama.cpp's own converter writes them.</summary>
    public static GgufMetadata Metadata(string file, string name, GemmaConfig config)
    {
        string architecture = config.Architecture switch
        {
            GemmaArchitecture.Gemma1 => "gemma",
            GemmaArchitecture.Gemma2 => "gemma2",
            _ => "gemma3",
        };
        var metadata = new GgufMetadata(file) { { ArchitectureKey, architecture }, { "general.type", "model" }, { "general.name", name } };
        Add("context_length", (uint)config.ContextLength);
        Add("embedding_length", (uint)config.Width);
        Add("block_count", (uint)config.LayerCount);
        Add("feed_forward_length", (uint)config.FeedForwardWidth);
        Add("attention.head_count", (uint)config.HeadCount);
        Add("attention.head_count_kv", (uint)config.KeyValueHeadCount);
        Add("attention.layer_norm_rms_epsilon", config.NormEpsilon);
        Add("attention.key_length", (uint)config.HeadDimension);
        Add("attention.value_length", (uint)config.HeadDimension);
        Add("rope.freq_base", config.RopeBase);
        if (config.RopeScale != 1)
        {
            Add("rope.scaling.type", "linear");
            Add("rope.scaling.factor", config.RopeScale);
        }
        if (config.Architecture == GemmaArchitecture.Gemma3 && config.LocalRopeBase != 10_000f) Add("rope.freq_base_swa", config.LocalRopeBase);
        if (config.SlidingWindow > 0) Add("attention.sliding_window", (uint)config.SlidingWindow);
        if (!config.WindowedLayers.SequenceEqual(DefaultWindows(config.Architecture, config.LayerCount)))
            Add("attention.sliding_window_pattern", config.WindowedLayers.ToArray());
        if (config.Architecture == GemmaArchitecture.Gemma2) Add("attn_logit_softcapping", config.AttentionSoftCap);
        if (config.Architecture == GemmaArchitecture.Gemma2 || config.LogitSoftCap > 0) Add("final_logit_softcapping", config.LogitSoftCap);
        if (HasUnusualQueryScalar(config)) Add("attention.scale", 1 / MathF.Sqrt(config.QueryPreAttentionScalar));
        return metadata;

        void Add(string key, object value) => metadata.Add($"{architecture}.{key}", value);
    }

    /// <summary>Whether the scale of queries is another than llama.cpp takes a model of this shape to have.</summary>
    public static bool HasUnusualQueryScalar(GemmaConfig config) =>
        config.QueryPreAttentionScalar != DefaultQueryScalar(config.Architecture, config.LayerCount, config.Width, config.HeadCount, config.HeadDimension);

    /// <summary>Keys with no counterpart in a Hugging Face folder: author, licence and the like.</summary>
    public static string[] KeysNoFolderHolds(GgufMetadata metadata)
    {
        string prefix = metadata.String(ArchitectureKey) + ".";
        string[] held = [ArchitectureKey, "general.type", "general.name", "general.file_type", "general.quantization_version", "general.alignment",
            TemperatureKey, TopKKey, TopPKey];
        return [.. metadata.Select(pair => pair.Key).Where(key => !key.StartsWith(prefix, StringComparison.Ordinal)
            && !key.StartsWith("tokenizer.", StringComparison.Ordinal) && !held.Contains(key, StringComparer.Ordinal))];
    }

    /// <summary>
    /// GGUF has no key for query_pre_attn_scalar: llama.cpp knows that the 27B models (46 layers of Gemma 2, 62 of Gemma 3) divide by width / heads, all
    /// others by the head dimension. <c>attention.scale</c>, a key of other architectures, holds what neither rule gives.
    /// </summary>
    private static float QueryScalar(GemmaArchitecture architecture, GgufMetadata metadata, string prefix, int layers, int width, int heads, int headDimension)
    {
        if (metadata.Float(prefix + "attention.scale") is not float scale || scale <= 0) return DefaultQueryScalar(architecture, layers, width, heads, headDimension);
        float scalar = 1 / (scale * scale), whole = MathF.Round(scalar);
        return MathF.Abs(scalar - whole) < 1e-5f * scalar ? whole : scalar;
    }

    private static float DefaultQueryScalar(GemmaArchitecture architecture, int layers, int width, int heads, int headDimension) =>
        (architecture, layers) is (GemmaArchitecture.Gemma2, 46) or (GemmaArchitecture.Gemma3, 62) ? width / Math.Max(1, heads) : headDimension;

    private static float RopeBase(GemmaArchitecture architecture, GgufMetadata metadata, string prefix) => metadata.Float(prefix + "rope.freq_base")
        ?? metadata.Float(prefix + "rope.global.freq_base") ?? (architecture == GemmaArchitecture.Gemma3 ? 1_000_000f : 10_000f);

    private static float RopeScale(GgufMetadata metadata, string prefix)
    {
        string type = metadata.String(prefix + "rope.scaling.type") ?? (metadata.Has(prefix + "rope.scaling.factor") ? "linear" : "none");
        return type switch
        {
            "none" => 1,
            "linear" => metadata.Float(prefix + "rope.scaling.factor") ?? throw metadata.Missing(prefix + "rope.scaling.factor", "the factor of linear RoPE scaling"),
            _ => throw metadata.Wrong(prefix + "rope.scaling.type", "none or linear", type),
        };
    }

    /// <summary>A list of booleans, a period, or what the architecture always does.</summary>
    private static ImmutableArray<bool> Windows(GemmaArchitecture architecture, GgufMetadata metadata, string prefix, int layers)
    {
        string key = prefix + "attention.sliding_window_pattern";
        if (metadata.Find(key) is bool[] listed) return [.. listed];
        return metadata.Int(key) switch
        {
            null => DefaultWindows(architecture, layers),
            int period and > 0 => HuggingFaceConfig.WindowPattern(layers, period),
            int period => throw metadata.Wrong(key, "1 or more", period),
        };
    }

    private static ImmutableArray<bool> DefaultWindows(GemmaArchitecture architecture, int layers) =>
        HuggingFaceConfig.WindowPattern(layers, architecture switch { GemmaArchitecture.Gemma1 => 1, GemmaArchitecture.Gemma2 => 2, _ => 6 });

    private static ImmutableArray<int> EosIds(GgufMetadata metadata, int vocabulary)
    {
        int eos = metadata.Int(EosKey) ?? 1;
        // llama.cpp's converter names 107 the end of turn of every Gemma 1, one with a smaller vocabulary included.
        return metadata.Int(EndOfTurnKey) is int turn && turn != eos && turn >= 0 && turn < vocabulary ? [eos, turn] : [eos];
    }
}
