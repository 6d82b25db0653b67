using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gemma.Formats;

/// <summary>
/// A low-rank adapter in memory, as PEFT keeps it on disk: a folder with <c>adapter_model.safetensors</c> and <c>adapter_config.json</c>. What is not computed here
/// (DoRA, biases, whole modules that were saved, and so on) is refused by name when it is read.
/// </summary>
public sealed class LoraAdapter
{
    public const string WeightsName = "adapter_model.safetensors", ConfigName = "adapter_config.json";

    // How PEFT wraps the model's own names: the model is called base_model, and the class that adapts it holds it as model.
    private const string Wrapped = "base_model.model.", Down = ".lora_A.weight", Up = ".lora_B.weight", Weight = ".weight";

    // Where a file says nothing else these are what PEFT has, or they matter to training alone.
    private static readonly HashSet<string> Harmless = new(StringComparer.Ordinal)
    {
        "peft_type", "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "use_rslora", "bias", "base_model_name_or_path", "revision", "task_type",
        "inference_mode", "auto_mapping", "peft_version", "init_lora_weights", "rank_pattern", "layers_to_transform", "layers_pattern", "megatron_config", "megatron_core",
        "loftq_config", "eva_config", "corda_config", "lora_ga_config", "runtime_config", "qalora_group_size", "velora_config", "ensure_weight_tying",
    };

    // Ways to begin that change the base model too: such an adapter fits no other base.
    private static readonly HashSet<string> ChangesBase = new(StringComparer.Ordinal) { "pissa", "olora", "corda", "loftq", "lora_ga" };

    /// <param name="config">Its settings.</param>
    /// <param name="matrices">The matrices that it adapts, by their entries in the <see cref="TensorTable"/>.</param>
    public LoraAdapter(LoraConfig config, IReadOnlyDictionary<TensorSpec, LowRankMatrix> matrices) => (Config, Matrices) = (config, matrices);

    public LoraConfig Config { get; }

    public IReadOnlyDictionary<TensorSpec, LowRankMatrix> Matrices { get; }

    /// <summary>How a conversation is written for it (Jinja), where its folder says so: then it has learnt to take turns.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>The folder it was read from; null for one that was made here.</summary>
    public string? Path { get; private init; }

    /// <summary>Numbers in all.</summary>
    public long ParameterCount => Matrices.Values.Sum(matrix => (long)matrix.Down.Length + matrix.Up.Length);

    /// <summary>Reads a folder in PEFT's layout.</summary>
    /// <param name="folder">The folder, or the safetensors file in it.</param>
    /// <param name="model">The model that is adapted: each matrix must be one of it, in its shape.</param>
    /// <exception cref="GemmaException">Something is missing, damaged, of another model, or not supported; the message says what.</exception>
    public static LoraAdapter Load(string folder, GemmaConfig model)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(model);
        if (File.Exists(folder) && System.IO.Path.GetFileName(folder) == WeightsName) folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(folder))!;
        string weights = System.IO.Path.Combine(folder, WeightsName), config = System.IO.Path.Combine(folder, ConfigName);
        if (!File.Exists(config)) throw new UsageException($"{folder}: expected an adapter ({ConfigName} and {WeightsName}), found no {ConfigName}; name the folder of one");
        if (!File.Exists(weights))
        {
            throw new UsageException(File.Exists(System.IO.Path.Combine(folder, "adapter_model.bin"))
                ? $"{folder}: expected {WeightsName}, found adapter_model.bin, which can run code when it is read; save the adapter as safetensors"
                : $"{folder}: expected {WeightsName} beside {ConfigName}, found none; fetch the whole adapter");
        }
        LoraConfig settings = JsonFields.Load(config, ReadConfig);
        using var file = Safetensors.Open(weights);
        return new LoraAdapter(settings, ReadMatrices(file, weights, settings, HasRanksOfItsOwn(config), model)) { Path = folder, ChatTemplate = HuggingFaceChatTemplate.Find(folder) };
    }

    /// <summary>Writes the folder, whole or not at all.</summary>
    /// <exception cref="GemmaException">The name is taken, or the disk says no.</exception>
    public void Write(string folder, WriteOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new WriteOptions();
        using NewFolder made = NewFolder.Create(folder, options.Force, name => name is WeightsName or ConfigName or HuggingFaceChatTemplate.FileName);
        WriteFiles(made.TemporaryPath, options, cancellation);
        made.Publish();
    }

    /// <summary>Writes the files into a folder that is there.</summary>
    public void WriteFiles(string folder, WriteOptions? options = null, CancellationToken cancellation = default)
    {
        // safetensors' own writers sort by name.
        TensorContent[] tensors = [.. Matrices.SelectMany(entry => Contents(entry.Key, entry.Value)).OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
        SafetensorsWriter.Write(System.IO.Path.Combine(folder, WeightsName), tensors, options, cancellation);
        Put(ConfigName, JsonText.Of(WriteConfig));
        if (ChatTemplate is not null) Put(HuggingFaceChatTemplate.FileName, Encoding.UTF8.GetBytes(ChatTemplate));

        void Put(string name, byte[] bytes)
        {
            string path = System.IO.Path.Combine(folder, name);
            NewFile.Guard(path, () =>
            {
                if (options?.Force == true) File.Delete(path);
                NewFile.Write(path, bytes);
                return true;
            });
        }
    }

    /// <summary>The entry of one of an adapter's matrices: its names, with the published shape.</summary>
    /// <param name="spec">What is adapted.</param>
    /// <param name="rank">The rank.</param>
    /// <param name="isUp">B rather than A.</param>
    internal static TensorSpec SpecOf(TensorSpec spec, int rank, bool isUp) => new(spec.Role, spec.Layer, Wrapped + spec.HuggingFaceName[..^Weight.Length] + (isUp ? Up : Down),
        spec.GgufName + (isUp ? ".lora_b" : ".lora_a"), isUp ? spec.Rows : rank, isUp ? rank : spec.Columns);

    /// <summary>scale · B[row] · A, added to a row of the matrix.</summary>
    internal void AddTo(TensorSpec spec, long row, Span<float> values)
    {
        if (!Matrices.TryGetValue(spec, out LowRankMatrix? matrix)) return;
        double[] sums = ArrayPool<double>.Shared.Rent(values.Length);
        Array.Clear(sums);
        for (int rank = 0; rank < matrix.Rank; rank++)
        {
            double factor = (double)matrix.Scale * matrix.Up[row * matrix.Rank + rank];
            ReadOnlySpan<float> down = matrix.Down.AsSpan(rank * spec.Columns, spec.Columns);
            for (int i = 0; i < down.Length; i++) sums[i] += factor * down[i];
        }
        for (int i = 0; i < values.Length; i++) values[i] = (float)(values[i] + sums[i]);
        ArrayPool<double>.Shared.Return(sums);
    }

    private static IEnumerable<TensorContent> Contents(TensorSpec spec, LowRankMatrix matrix)
    {
        TensorSpec down = SpecOf(spec, matrix.Rank, isUp: false), up = SpecOf(spec, matrix.Rank, isUp: true);
        yield return TensorContent.HuggingFace(down, TensorType.F32, (row, values) => matrix.Down.AsSpan((int)row * down.Columns, down.Columns).CopyTo(values));
        yield return TensorContent.HuggingFace(up, TensorType.F32, (row, values) => matrix.Up.AsSpan((int)row * up.Columns, up.Columns).CopyTo(values));
    }

    private static LoraConfig ReadConfig(JsonFields fields)
    {
        string type = fields.String("peft_type") ?? throw fields.Missing("peft_type", "LORA");
        if (type != "LORA") throw fields.Wrong("peft_type", "LORA", type);
        if (fields.String("bias") is { } bias && bias != "none") throw Unsupported(fields, "bias", $"\"{bias}\"");
        foreach (JsonProperty field in fields.All)
        {
            bool isUnset = field.Value.ValueKind switch
            {
                JsonValueKind.Null or JsonValueKind.False => true,
                JsonValueKind.Array => field.Value.GetArrayLength() == 0,
                JsonValueKind.Object => !field.Value.EnumerateObject().Any(),
                _ => false,
            };
            if (!isUnset && !Harmless.Contains(field.Name)) throw Unsupported(fields, field.Name, field.Value.GetRawText());
            if (field.Name == "init_lora_weights" && field.Value.ValueKind == JsonValueKind.String && ChangesBase.Any(way => field.Value.GetString()!.StartsWith(way, StringComparison.Ordinal)))
                throw Unsupported(fields, field.Name, field.Value.GetRawText());
        }
        var config = new LoraConfig
        {
            Rank = fields.Int("r") ?? throw fields.Missing("r", "the rank"),
            Alpha = fields.Float("lora_alpha") ?? throw fields.Missing("lora_alpha", "a number"),
            Dropout = fields.Float("lora_dropout") ?? 0,
            IsRankStabilized = fields.Bool("use_rslora") ?? false,
            BaseModel = fields.String("base_model_name_or_path"),
        };
        try
        {
            config.Validate();
        }
        catch (UsageException failure)
        {
            throw new GemmaException($"{fields.File}: {failure.Message}");
        }
        return config;
    }

    private static bool HasRanksOfItsOwn(string config) => JsonFields.Load(config, fields => fields.Object("rank_pattern")?.All.Any() == true);

    private static BadFileException Unsupported(JsonFields fields, string field, string value) =>
        new(fields.File, field, "an adapter of plain low-rank matrices", value, "this is not supported; merge the adapter with the program that made it, and load the merged model");

    private static Dictionary<TensorSpec, LowRankMatrix> ReadMatrices(Safetensors file, string path, LoraConfig config, bool hasRanks, GemmaConfig model)
    {
        Dictionary<string, TensorInfo> left = new(file.Tensors, StringComparer.Ordinal);
        Dictionary<TensorSpec, LowRankMatrix> matrices = [];
        foreach (TensorSpec spec in TensorTable.For(model).Where(spec => LoraConfig.Targetable.Any(target => target.Role == spec.Role)))
        {
            string module = spec.HuggingFaceName[..^Weight.Length];
            TensorInfo? down = Take(left, module, Down), up = Take(left, module, Up);
            if (down is null && up is null) continue;
            if (down is null || up is null) throw new BadFileException(path, module, "lora_A and lora_B", $"only {(down ?? up)!.Name}", "fetch the adapter again");
            int rank = (int)Math.Min(int.MaxValue, down.Rows);
            if (!hasRanks && rank != config.Rank) throw new BadFileException(path, down.Name, FormattableString.Invariant($"{config.Rank} rows, the r of {ConfigName}"), down.ShapeText, "fetch the adapter again");
            TensorSpec downSpec = SpecOf(spec, rank, isUp: false), upSpec = SpecOf(spec, rank, isUp: true);
            matrices[spec] = new LowRankMatrix(rank, Read(file, down, downSpec), Read(file, up, upSpec), config.ScaleOf(rank));
        }
        if (left.Keys.FirstOrDefault() is string other)
        {
            throw new BadFileException(path, other, $"{Down[1..]} and {Up[1..]} of the projections of {model.LayerCount.ToString(CultureInfo.InvariantCulture)} layers",
                "a tensor of another kind", "the adapter is of another model, or adapts what is not supported (such as the embedding)");
        }
        return matrices.Count > 0 ? matrices : throw new BadFileException(path, null, "matrices of an adapter", "none", "fetch the adapter again");
    }

    /// <summary>The tensor of a module, whichever of its prefixes the model had where the adapter was made.</summary>
    private static TensorInfo? Take(Dictionary<string, TensorInfo> tensors, string module, string kind)
    {
        foreach (string name in TensorMap.NamesOf(module))
            if (tensors.Remove(Wrapped + name + kind, out TensorInfo? tensor)) return tensor;
        return null;
    }

    private static float[] Read(Safetensors file, TensorInfo tensor, TensorSpec spec)
    {
        if (tensor.Shape.Length != 2 || tensor.Rows != spec.Rows || tensor.Columns != spec.Columns)
        {
            throw new BadFileException(file.PathOf(tensor), tensor.Name, FormattableString.Invariant($"a shape of {spec.Rows} × {spec.Columns}"), tensor.ShapeText,
                "the adapter is of another model");
        }
        float[] values = new float[spec.Rows * spec.Columns];
        for (int row = 0; row < spec.Rows; row++) file.ReadRow(tensor, row, values.AsSpan(row * spec.Columns, spec.Columns));
        return RowCodec.AllFinite(values) ? values : throw new BadFileException(file.PathOf(tensor), tensor.Name, "numbers", "NaN or infinity", "the adapter is damaged: fetch it again");
    }

    private void WriteConfig(Utf8JsonWriter json)
    {
        json.WriteStartObject("alpha_pattern");
        json.WriteEndObject();
        json.WriteNull("auto_mapping");
        if (Config.BaseModel is null) json.WriteNull("base_model_name_or_path");
        else json.WriteString("base_model_name_or_path", Config.BaseModel);
        json.WriteString("bias", "none");
        json.WriteBoolean("fan_in_fan_out", false);
        json.WriteBoolean("inference_mode", true);
        json.WriteBoolean("init_lora_weights", true);
        json.WriteNull("layers_pattern");
        json.WriteNull("layers_to_transform");
        // A whole number where it is one, as in PEFT's own files.
        if (Config.Alpha == MathF.Floor(Config.Alpha) && Config.Alpha < int.MaxValue) json.WriteNumber("lora_alpha", (int)Config.Alpha);
        else json.WriteNumber("lora_alpha", Config.Alpha);
        json.WriteNumber("lora_dropout", Config.Dropout);
        json.WriteNull("modules_to_save");
        json.WriteString("peft_type", "LORA");
        json.WriteNumber("r", Config.Rank);
        json.WriteStartObject("rank_pattern");
        foreach ((TensorSpec spec, LowRankMatrix matrix) in Matrices)
            if (matrix.Rank != Config.Rank) json.WriteNumber(spec.HuggingFaceName[..^Weight.Length], matrix.Rank);
        json.WriteEndObject();
        json.WriteNull("revision");
        json.WriteStartArray("target_modules");
        foreach (string name in Matrices.Keys.Select(spec => LoraConfig.NameOf(spec.Role)).Distinct()) json.WriteStringValue(name);
        json.WriteEndArray();
        json.WriteString("task_type", "CAUSAL_LM");
        json.WriteBoolean("use_dora", false);
        json.WriteBoolean("use_rslora", Config.IsRankStabilized);
    }
}

/// <summary>What an adapter adds to one matrix: Scale · Up · Down.</summary>
/// <param name="Rank">Rows of Down.</param>
/// <param name="Down">A, [rank, inputs].</param>
/// <param name="Up">B, [outputs, rank].</param>
/// <param name="Scale">The factor on their product.</param>
public sealed record LowRankMatrix(int Rank, float[] Down, float[] Up, float Scale);
