using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Hub;
using Spectre.Console;

namespace Gemma.Cli.Verbs;

/// <summary>What a model is, without loading it; and which settings count.</summary>
internal sealed class ShowVerb : Verb
{
    private readonly Argument<string?> _model = new("MODEL") { Arity = ArgumentArity.ZeroOrOne, Description = "Folder, file, hub id or alias; without it the model of the settings, else the embedded one." };
    private readonly Option<bool> _effective = new("--effective") { Description = "Show instead which settings count, and who set them: flag, environment, settings file, the model's makers, or nobody." };

    public ShowVerb() : base("show", "Configuration, weights, files and licence of a model; with --effective the settings that count.",
        "gemma show gemma-1.1-2b-it",
        "gemma show --effective --temperature 0.5")
    {
        Arguments.Add(_model);
        AddFlags([_effective, .. Setting.All.Select(setting => setting.Flag), Flags.Offline]);
    }

    public override async Task<int> RunAsync(Invocation call)
    {
        if (call.Get(_model) is not null && call.Get(Setting.Model.Flag) is not null) throw new UsageException("the model is given twice, as an argument and with --model; leave one out");
        string? name = call.Get(_model) ?? call.Text(Setting.Model);
        string? path = name is null ? null : await ModelSource.LocateAsync(call, name).ConfigureAwait(false);
        using ModelFiles files = path is null ? EmbeddedModel.Open() : ModelFiles.Open(path);
        if (call.Get(_effective)) ShowEffective(call, files);
        else if (call.Screen.Json) call.Screen.WriteJson(json => WriteJson(json, files, Licence(name, files)));
        else ShowModel(call.Screen, files, Licence(name, files));
        return 0;
    }

    private static void ShowEffective(Invocation call, ModelFiles files)
    {
        IReadOnlyList<EffectiveSetting> settings = EffectiveSetting.All(call, files.Config, files.Defaults, WeightTypes.Nearest(files.DominantType).Name());
        if (call.Screen.Json)
        {
            call.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("settings_file", call.Settings.Path);
                json.WriteBoolean("settings_file_exists", call.Settings.FileExists);
                json.WriteStartObject("settings");
                foreach (EffectiveSetting setting in settings)
                {
                    json.WriteStartObject(setting.Name);
                    json.WriteString("value", setting.Value);
                    json.WriteString("source", setting.Source);
                    json.WriteEndObject();
                }
                json.WriteEndObject();
                json.WriteEndObject();
            });
            return;
        }
        call.Screen.Render(EffectiveSetting.Table(settings));
        call.Screen.Note($"settings file: {call.Settings.Path}{(call.Settings.FileExists ? "" : " (there is none)")}");
    }

    private static void ShowModel(Screen screen, ModelFiles files, string licence)
    {
        GemmaConfig config = files.Config;
        var rows = new List<(string, string)>
        {
            ("model", files.Path),
            ("architecture", ArchitectureName(config.Architecture)),
            ("parameters", Invariant($"{Amount.Count(config.ParameterCount)} ({config.ParameterCount:#,0})")),
            ("weights", string.Join(", ", Types(files).Select(type => Invariant($"{Conversion.Name(type.Type)} {Amount.Bytes(type.Bytes)} in {type.Count} tensors")))),
            ("in memory", InMemory(files)),
            ("bits a weight", Invariant($"{files.WeightBits:0.00}")),
            ("context", Invariant($"{config.ContextLength:#,0} tokens")),
            ("vocabulary", Invariant($"{config.VocabularySize:#,0} pieces")),
            ("layers", Invariant($"{config.LayerCount}{Windows(config)}")),
            ("width", Invariant($"{config.Width}, feed-forward {config.FeedForwardWidth}")),
            ("heads", Invariant($"{config.HeadCount} of {config.HeadDimension}, keys and values {config.KeyValueHeadCount}")),
            ("rope base", Invariant($"{config.RopeBase:#,0}{(config.LocalRopeBase == config.RopeBase ? "" : Invariant($", windowed layers {config.LocalRopeBase:#,0}"))}")),
            ("sampling", Sampling(files.Defaults)),
            ("tokenizer", files.ReadTokenizer() is not null ? "yes" : "none in the files"),
            ("turns", files.ChatTemplate is null ? "no chat template: a base model, it continues texts" : "chat template"),
            ("licence", licence),
        };
        if (files.IgnoredTensors.Count > 0) rows.Add(("left alone", Invariant($"{files.IgnoredTensors.Count} tensors that a text model does not use, such as {files.IgnoredTensors[0]}")));
        foreach ((string file, long bytes) in FilesOf(files)) rows.Add(("file", $"{file} {Amount.Bytes(bytes)}"));
        foreach (FileInfo packed in WeightCache.Of(files.Path)) rows.Add(("packed", $"{packed.FullName} {Amount.Bytes(packed.Length)}, for the next start"));
        screen.Render(Screen.CreateFacts(rows));
    }

    private static void WriteJson(Utf8JsonWriter json, ModelFiles files, string licence)
    {
        GemmaConfig config = files.Config;
        json.WriteStartObject();
        json.WriteString("model", files.Path);
        json.WriteString("architecture", ArchitectureName(config.Architecture));
        json.WriteNumber("parameters", config.ParameterCount);
        json.WriteStartArray("weights");
        foreach ((TensorType type, int count, long bytes) in Types(files))
        {
            json.WriteStartObject();
            json.WriteString("type", Conversion.Name(type));
            json.WriteNumber("tensors", count);
            json.WriteNumber("bytes", bytes);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNumber("bits_per_weight", files.WeightBits);
        ModelShape.Write(json, config);
        json.WriteStartObject("generation_defaults");
        json.WriteFinite("temperature", files.Defaults?.Temperature);
        json.WriteFinite("top_k", files.Defaults?.TopK);
        json.WriteFinite("top_p", files.Defaults?.TopP);
        json.WriteNumbers("eos_ids", config.EosIds);
        json.WriteEndObject();
        json.WriteBoolean("tokenizer", files.ReadTokenizer() is not null);
        json.WriteBoolean("chat_template", files.ChatTemplate is not null);
        json.WriteString("licence", licence);
        json.WriteNumber("ignored_tensors", files.IgnoredTensors.Count);
        WriteFiles("files", FilesOf(files));
        WriteFiles("packed", WeightCache.Of(files.Path).Select(packed => (packed.FullName, packed.Length)));
        json.WriteEndObject();

        void WriteFiles(string name, IEnumerable<(string Path, long Bytes)> list)
        {
            json.WriteStartArray(name);
            foreach ((string file, long bytes) in list)
            {
                json.WriteStartObject();
                json.WriteString("path", file);
                json.WriteNumber("bytes", bytes);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
    }

    private static IEnumerable<(TensorType Type, int Count, long Bytes)> Types(ModelFiles files) => TensorTable.For(files.Config).Select(files.Find)
        .GroupBy(tensor => tensor.Type).Select(group => (group.Key, group.Count(), group.Sum(tensor => tensor.ByteCount))).OrderByDescending(type => type.Item3);

    /// <summary>What becomes of the types of the matrices where no --quant is given.</summary>
    private static string InMemory(ModelFiles files)
    {
        TensorType[] types = [.. TensorTable.For(files.Config).Where(spec => !spec.IsNorm).Select(spec => files.Find(spec).Type).Distinct()];
        string[] changed = [.. types.Where(type => WeightTypes.InFiles(WeightTypes.Nearest(type)) != type).Select(type => $"{Conversion.Name(type)} becomes {WeightTypes.Nearest(type).Name()}")];
        return changed.Length == 0 ? "as in the file, number by number" : $"{string.Join(", ", changed)}; the rest as in the file";
    }

    private static IEnumerable<(string Path, long Bytes)> FilesOf(ModelFiles files) => TensorTable.For(files.Config).Select(spec => files.Tensors.PathOf(files.Find(spec)))
        .Distinct().Select(path => (path, File.Exists(path) ? new FileInfo(path).Length : files.Tensors.Tensors.Values.Sum(tensor => tensor.ByteCount)));

    private static string Licence(string? name, ModelFiles files)
    {
        if (name is null) return "the program's own: trained on public-domain and openly licensed children's books, see models/tiny/README.md";
        string? repository = ModelReference.TryParse(name)?.Repository;
        if (!Path.Exists(name) && repository is not null && GemmaTerms.Cover(repository, [])) return GemmaTerms.Notice;
        if ((files.Tensors as Gguf)?.Metadata.String("general.license") is string stated && stated != "gemma") return $"{stated}, says the file";
        return $"not known for these files; where they are Google's weights or made from them: {GemmaTerms.Notice}";
    }

    private static string ArchitectureName(GemmaArchitecture architecture) => architecture switch
    {
        GemmaArchitecture.Gemma1 => "Gemma 1",
        GemmaArchitecture.Gemma2 => "Gemma 2",
        _ => "Gemma 3",
    };

    private static string Windows(GemmaConfig config) => config.WindowedLayers.Count(windowed => windowed) is int count and > 0
        ? Invariant($", {count} of them see {config.SlidingWindow} tokens") : "";

    private static string Sampling(GenerationDefaults? defaults)
    {
        if (defaults?.Sample == false) return "the most probable token";
        List<string> said = [];
        if (defaults?.Temperature is float temperature) said.Add(Invariant($"temperature {temperature}"));
        if (defaults?.TopK is int topK) said.Add(Invariant($"top-k {topK}"));
        if (defaults?.TopP is float topP) said.Add(Invariant($"top-p {topP}"));
        return said.Count > 0 ? string.Join(", ", said) : "the makers say nothing";
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
