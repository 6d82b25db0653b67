using System.CommandLine;
using Gemma.Hub;

namespace Gemma.Cli.Verbs;

/// <summary>A model from the hub into the cache.</summary>
internal sealed class PullVerb : Verb
{
    private readonly Argument<string> _model = new("MODEL") { Description = "Hub id or alias, with @REVISION, and /FILE.gguf or :Q8_0 where there are several files." };

    public PullVerb() : base("pull",
        "Fetch a model from the Hugging Face hub into its cache. Interrupted, the same command goes on where it was. HF_TOKEN, HF_ENDPOINT, HF_HOME and HF_HUB_CACHE count.",
        "gemma pull gemma-1.1-2b-it",
        "gemma pull google/gemma-2b@main",
        "HF_TOKEN=hf_… gemma pull google/gemma-7b-it")
    {
        Arguments.Add(_model);
        AddFlags(Flags.Offline);
    }

    public override async Task<int> RunAsync(Invocation call)
    {
        var reference = ModelReference.Parse(call.Get(_model)!);
        var options = HubOptions.FromEnvironment();
        if (call.Get(Flags.Offline)) options = options with { Offline = true };
        using var hub = new HuggingFaceHub(options) { Notice = call.Screen.Warn };
        RemoteModel model = await hub.FindAsync(reference, call.Cancellation).ConfigureAwait(false);
        string path = await HubDownload.PullAsync(call, hub, model).ConfigureAwait(false);
        if (call.Screen.Json)
        {
            call.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("model", reference.ToString());
                json.WriteString("commit", model.Commit);
                json.WriteString("path", path);
                json.WriteNumber("bytes", model.Bytes);
                json.WriteEndObject();
            });
        }
        else
        {
            call.Screen.Line(path);
        }
        call.Screen.Note($"run it with: gemma run -m {call.Get(_model)} \"…\"");
        return 0;
    }
}
