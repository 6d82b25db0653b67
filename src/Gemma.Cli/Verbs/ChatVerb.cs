using System.CommandLine;
using Gemma.Chat;
using Gemma.Generation;

namespace Gemma.Cli.Verbs;

/// <summary>A conversation in the terminal.</summary>
internal sealed class ChatVerb : Verb
{
    private readonly Option<string?> _load = new("--load") { Description = "Go on with a conversation that /save wrote.", HelpName = "FILE" };

    public ChatVerb() : base("chat", "Talk to a tuned model (-it). /help lists what else can be typed; Ctrl+C stops an answer, twice leaves.",
        "gemma chat -m gemma-1.1-2b-it",
        "gemma chat -m gemma-1.1-2b-it --system \"Answer in one sentence.\" --temperature 0.7") =>
        AddFlags([.. Flags.Model, Flags.Adapter, Setting.System.Flag, .. Sampling.Flags, _load]);

    public override async Task<int> RunAsync(Invocation call)
    {
        using GemmaModel model = await ModelSource.LoadAsync(call).ConfigureAwait(false);
        using GemmaAdapter? adapter = ModelSource.LoadAdapter(call, model);
        // A base model with an adapter may have learnt to take turns from that.
        if (adapter?.ChatTemplate is null && !ChatTemplate.IsTuned(model))
            throw new UsageException($"{ModelSource.Name(call)}: a base model, which never learnt to take turns; use gemma run to let it continue a text, or a tuned model (-it)");
        using var engine = new Engine(model, new EngineOptions { ContextLength = call.Value(Setting.Context) });
        var session = new ChatSession(call, engine, adapter);
        if (call.Get(_load) is string file) session.Load(file);
        return await session.RunAsync().ConfigureAwait(false);
    }
}
