using Gemma.Chat;
using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Tokenization;
using Gemma.Training;

namespace Gemma.Cli;

/// <summary>What <c>gemma tune</c> trains: an adapter over weights that stay, or all weights; and how that is written.</summary>
internal sealed class TunedModel : IDisposable
{
    private readonly ParameterSet? _parameters;
    private readonly FrozenWeights? _weights;
    private readonly Lora? _adapter;

    private TunedModel(TrainingModel model, Action<string> write, Dictionary<string, string> identity, ParameterSet? parameters, FrozenWeights? weights, Lora? adapter) =>
        (Model, Write, Identity, _parameters, _weights, _adapter) = (model, write, identity, parameters, weights, adapter);

    public TrainingModel Model { get; }

    /// <summary>Writes what has been learnt into a folder.</summary>
    public Action<string> Write { get; }

    /// <summary>What a run must begin and go on with, beside the data.</summary>
    public IReadOnlyDictionary<string, string> Identity { get; }

    /// <summary>What the weights under an adapter are kept in.</summary>
    public string BaseType => _weights?.Type.Name() ?? "f32";

    public static TunedModel Load(ModelFiles files, SentencePieceTokenizer tokenizer, ChatTemplate template, TuningSettings settings, TrainingOptions training, string name, Invocation call)
    {
        var identity = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["base model"] = call.Screen.Watch("checking", null, _ => ModelChecksum.Of(files, training.Threads)),
            ["seed"] = FormattableString.Invariant($"{settings.Order.Seed}"),
        };
        if (settings.Lora is not { } config)
        {
            // Who has learnt to take turns ends them.
            var parameters = new ParameterSet(files.Config with { EosIds = [.. files.Config.EosIds.Union([template.EndOfTurnId])] });
            return new TunedModel(new TrainingModel(parameters, training), ModelWeights.Writer(parameters, settings.WrittenType, tokenizer.Model.ToBytes(), files.Defaults, files.ChatTemplate ?? ChatTemplate.Jinja), identity, parameters, null, null);
        }
        LoraAdapter? first = settings.Adapter is null ? null : LoraAdapter.Load(settings.Adapter, files.Config);
        var adapter = new Lora(files.Config, config with { BaseModel = name }, settings.Order.Seed);
        if (first is not null) adapter.Set(first);
        double bytes = files.Tensors.Tensors.Values.Sum(tensor => (double)tensor.ByteCount);
        FrozenWeights weights = call.Screen.Watch("loading", bytes, progress => FrozenWeights.Load(files, settings.Base, training.Threads, progress));
        identity["base type"] = weights.Type.Name();
        identity["lora"] = FormattableString.Invariant($"rank {config.Rank}, alpha {config.Alpha}, dropout {config.Dropout}, {string.Join(" ", config.Targets)}{(config.IsRankStabilized ? ", rslora" : "")}");
        if (settings.Adapter is not null) identity["adapter at the begin"] = settings.Adapter;
        return new TunedModel(new TrainingModel(weights, adapter, training), folder => adapter.ToAdapter(files.ChatTemplate ?? ChatTemplate.Jinja).WriteFiles(folder), identity, null, weights, adapter);
    }

    /// <summary>Where all weights learn, takes the model's; an adapter has its own.</summary>
    public void SetFirstWeights(ModelFiles files)
    {
        if (_parameters is not null) ModelWeights.Read(files, _parameters);
    }

    public void Dispose()
    {
        Model.Dispose();
        _adapter?.Dispose();
        _weights?.Dispose();
        _parameters?.Dispose();
    }
}
