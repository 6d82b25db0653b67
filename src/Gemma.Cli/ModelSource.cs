using Gemma.Chat;
using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Hub;
using Gemma.Tokenization;

namespace Gemma.Cli;

/// <summary>Where a model comes from: a folder, a file, the hub, or the program itself.</summary>
internal static class ModelSource
{
    /// <summary>Opens the model that the flag or the settings name; without a name the embedded one. What the hub has and the cache has not is fetched.</summary>
    /// <exception cref="GemmaException">There is none, it is bad, or it cannot be fetched.</exception>
    public static async Task<ModelFiles> OpenAsync(Invocation call) =>
        call.Text(Setting.Model) is string name ? ModelFiles.Open(await LocateAsync(call, name).ConfigureAwait(false)) : EmbeddedModel.Open();

    /// <summary>What the output calls the model.</summary>
    public static string Name(Invocation call) => call.Text(Setting.Model) ?? EmbeddedModel.Name;

    /// <summary>Brings the model into memory.</summary>
    /// <param name="call">The command line.</param>
    /// <param name="exact">
    /// For verbs whose numbers are the result. Elsewhere whoever asks for bf16 gets bf16 all through: the processor's bf16 products, which round activations.
    /// </param>
    public static async Task<GemmaModel> LoadAsync(Invocation call, bool exact = false)
    {
        using ModelFiles files = await OpenAsync(call).ConfigureAwait(false);
        double bytes = files.Tensors.Tensors.Values.Sum(tensor => (double)tensor.ByteCount);
        // Said when the progress bar is gone.
        List<string> notes = [];
        GemmaModel model = call.Screen.Watch("loading", bytes, progress => GemmaModel.Load(files, new LoadOptions
        {
            Type = call.Value(Setting.Quant),
            HeadType = call.Value(Setting.Head),
            RoundActivations = !exact && call.Value(Setting.Quant) == WeightType.BF16,
            Threads = Threads(call),
            WeightCache = call.Value(Setting.WeightCache) ?? true,
            Notice = notes.Add,
            Progress = progress,
        }));
        foreach (string note in notes) call.Screen.Note(note);
        return model;
    }

    /// <summary>The adapter that the flag names; null without it.</summary>
    /// <exception cref="GemmaException">It is none for this model, or brings a turn format of another kind.</exception>
    public static GemmaAdapter? LoadAdapter(Invocation call, GemmaModel model)
    {
        if (call.Get(Flags.Adapter) is not string folder) return null;
        GemmaAdapter adapter = model.LoadAdapter(folder);
        if (adapter.ChatTemplate is not null && model.Tokenizer is not null) ChatTemplate.For(model.Tokenizer, adapter.ChatTemplate);
        return adapter;
    }

    /// <summary>Threads as they were asked for; says so where there will be fewer.</summary>
    public static int Threads(Invocation call)
    {
        int threads = call.Value(Setting.Threads) ?? 0, most = Environment.ProcessorCount;
        if (threads > most)
            call.Screen.Warn(FormattableString.Invariant($"{threads} threads asked for, {most} used: this process may use {most} processors, and more threads than that wait for each other"));
        return threads;
    }

    /// <summary>The tokenizer alone: of a <c>tokenizer.model</c>, or of what else a model may be.</summary>
    public static async Task<SentencePieceTokenizer> LoadTokenizerAsync(Invocation call)
    {
        if (call.Text(Setting.Model) is string name) return SentencePieceTokenizer.Load(await LocateAsync(call, name).ConfigureAwait(false));
        using ModelFiles files = EmbeddedModel.Open();
        return files.ReadTokenizer() ?? throw new InvalidOperationException("the embedded model has no tokenizer");
    }

    /// <summary>What a user calls a model, as the path of a folder or file.</summary>
    public static async Task<string> LocateAsync(Invocation call, string name)
    {
        var options = HubOptions.FromEnvironment();
        if (call.Get(Flags.Offline)) options = options with { Offline = true };
        var cache = new ModelCache(options);
        bool isPath = Path.Exists(name) || Path.IsPathRooted(name) || name.StartsWith('.');
        ModelReference? reference = isPath ? null : ModelReference.TryParse(name);
        if (options.Offline || reference is null || cache.Find(reference) is not null) return cache.ResolveModel(name);
        return await HubDownload.PullAsync(call, options, reference).ConfigureAwait(false);
    }
}
