using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using Gemma.Formats;
using Gemma.Tokenization;
using Gemma.Training;

namespace Gemma.Cli;

/// <summary>The settings of <c>gemma train</c>, read and checked.</summary>
internal sealed record PretrainingSettings
{
    private static readonly string[] ModelFields =
    [
        "model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings",
        "rms_norm_eps", "rope_theta", "rope_local_base_freq", "rope_scaling", "sliding_window", "layer_types", "query_pre_attn_scalar", "attn_logit_softcapping",
        "final_logit_softcapping", "bos_token_id", "eos_token_id", "pad_token_id",
    ];

    public required GemmaConfig Config { get; init; }

    public required SentencePieceTokenizer Tokenizer { get; init; }

    /// <summary>Model whose weights it begins with; null begins with random ones.</summary>
    public required string? From { get; init; }

    public required ImmutableArray<SetSettings> Data { get; init; }

    public required ImmutableArray<SetSettings> Validation { get; init; }

    public required int SequenceLength { get; init; }

    public required ulong Seed { get; init; }

    public required Precision Precision { get; init; }

    public required bool RecomputeLayers { get; init; }

    public required TensorType WeightType { get; init; }

    public required TrainerOptions Options { get; init; }

    /// <exception cref="GemmaException">A setting cannot work; the message names it.</exception>
    public static PretrainingSettings Read(RunFields fields)
    {
        SentencePieceTokenizer tokenizer = SentencePieceTokenizer.Load(fields.FullPath(fields.RequireText("tokenizer", "the tokenizer.model that made the shards")));
        GemmaConfig config = ReadModel(fields, tokenizer.Model);
        int steps = fields.Int("steps", 1) ?? throw fields.Missing("steps", "the steps of the whole run");
        int length = fields.Int("sequence_length", 1, config.ContextLength) ?? config.ContextLength;
        ulong seed = fields.Seed("seed") ?? 0;
        string? from = fields.Text("from");
        var rate = new LearningRate { Peak = 1e-3f, WarmUpSteps = steps / 50 };
        TrainerOptions options = TrainingSettings.Read(fields, steps, Math.Max(4096, length), rate);
        if (options.BatchTokens < length)
            throw new UsageException(FormattableString.Invariant($"{fields.Source("batch_tokens")}: expected at least sequence_length, {length}, found {options.BatchTokens}"));
        var settings = new PretrainingSettings
        {
            Config = config,
            Tokenizer = tokenizer,
            From = from is null ? null : fields.FullPath(from),
            Data = ReadSets(fields, "data", weights: true),
            Validation = ReadSets(fields, "validation", weights: false),
            SequenceLength = length,
            Seed = seed,
            Precision = fields.Choice("precision", TrainingSettings.Precisions) ?? Precision.Float32,
            RecomputeLayers = fields.Flag("recompute_layers") ?? false,
            WeightType = TrainingSettings.ReadWeightType(fields),
            Options = options with { Identity = new Dictionary<string, string> { ["weights at the begin"] = from is null ? FormattableString.Invariant($"random, seed {seed}") : from, ["tokenizer"] = tokenizer.Model.Hash } },
        };
        if (settings.Data.IsEmpty) throw fields.Missing("data", "folders of token shards, made with gemma data tokenize");
        fields.Finish();
        return settings;
    }

    private static ImmutableArray<SetSettings> ReadSets(RunFields fields, string name, bool weights) => [.. fields.List(name).Select(item =>
    {
        if (item.Text is string path) return new SetSettings(path, fields.ShortPath(path), null);
        RunFields set = item.Fields!;
        path = set.RequireText("path", "a folder of token shards");
        double? weight = weights ? set.Number("weight") : null;
        string label = set.Text("name") ?? path;
        set.Finish();
        return new SetSettings(label, fields.ShortPath(path), weight);
    })];

    /// <summary>A config.json, or its fields; what the tokenizer knows need not be said.</summary>
    private static GemmaConfig ReadModel(RunFields fields, SentencePieceModel tokenizer)
    {
        if (fields.Element("model") is { ValueKind: JsonValueKind.String })
        {
            string path = fields.FullPath(fields.Text("model")!);
            return Check(HuggingFaceConfig.Load(Directory.Exists(path) ? Path.Combine(path, HuggingFaceFolder.ConfigName) : path), path, tokenizer);
        }
        if (fields.Object("model") is not RunFields model)
        {
            string from = fields.Text("from") is string text ? fields.FullPath(text) : throw fields.Missing("model", "a config.json, or its fields");
            using ModelFiles files = ModelFiles.Open(from);
            return Check(files.Config, from, tokenizer);
        }
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            foreach (string name in ModelFields)
            {
                if (model.Element(name) is JsonElement value)
                {
                    json.WritePropertyName(name);
                    value.WriteTo(json);
                    continue;
                }
                switch (name)
                {
                    case "model_type": json.WriteString(name, "gemma"); break;
                    case "vocab_size": json.WriteNumber(name, tokenizer.Pieces.Length); break;
                    case "bos_token_id" when tokenizer.BosId >= 0: json.WriteNumber(name, tokenizer.BosId); break;
                    case "eos_token_id" when tokenizer.EosId >= 0: json.WriteNumber(name, tokenizer.EosId); break;
                    case "pad_token_id" when tokenizer.PadId >= 0: json.WriteNumber(name, tokenizer.PadId); break;
                }
            }
            json.WriteEndObject();
        }
        model.Finish();
        string source = fields.Source("model");
        try
        {
            return Check(JsonFields.Parse(source, buffer.WrittenSpan.ToArray(), HuggingFaceConfig.Read), source, tokenizer);
        }
        catch (BadFileException wrong)
        {
            throw new UsageException(wrong.Message);
        }
    }

    private static GemmaConfig Check(GemmaConfig config, string source, SentencePieceModel tokenizer)
    {
        if (config.VocabularySize >= tokenizer.Pieces.Length) return config;
        throw new UsageException(FormattableString.Invariant($"{source}: vocab_size: expected at least the {tokenizer.Pieces.Length} pieces of the tokenizer, found {config.VocabularySize}"));
    }
}

/// <summary>One set of the data.</summary>
/// <param name="Name">What the receipt calls it.</param>
/// <param name="Path">A shard, or a folder of them.</param>
/// <param name="Weight">Its share beside the others'.</param>
internal sealed record SetSettings(string Name, string Path, double? Weight)
{
    /// <summary>Opens sets, of which all must have been made by one tokenizer.</summary>
    /// <exception cref="GemmaException">A shard is damaged, missing, or of another tokenizer.</exception>
    public static List<TokenSet> Open(IEnumerable<SetSettings> settings, SentencePieceModel tokenizer)
    {
        List<TokenSet> sets = [];
        try
        {
            foreach (SetSettings set in settings)
            {
                if (!System.IO.Path.Exists(set.Path)) throw new UsageException($"{set.Path}: there are no token shards there; make them with gemma data tokenize");
                sets.Add(TokenSet.Open(set.Path, set.Weight) with { Name = set.Name });
                foreach (TokenShard shard in sets[^1].Shards)
                {
                    if (shard.TokenizerHash != tokenizer.Hash)
                        throw new UsageException($"{shard.Path}: expected ids of the tokenizer {tokenizer.Hash[..12]}… ({tokenizer.File}), found those of {shard.TokenizerHash[..12]}…; name that tokenizer, or tokenize again");
                }
            }
            return sets;
        }
        catch
        {
            Close(sets);
            throw;
        }
    }

    public static void Close(IEnumerable<TokenSet> sets)
    {
        foreach (TokenShard shard in sets.SelectMany(set => set.Shards)) shard.Dispose();
    }
}
