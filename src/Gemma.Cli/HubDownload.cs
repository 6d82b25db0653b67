using Gemma.Hub;

namespace Gemma.Cli;

/// <summary>Fetches a model from the hub while the user watches.</summary>
internal static class HubDownload
{
    /// <returns>The folder or GGUF file to load.</returns>
    /// <exception cref="GemmaException">The hub refuses or cannot be reached; what came is kept.</exception>
    public static async Task<string> PullAsync(Invocation call, HubOptions options, ModelReference reference)
    {
        using var hub = new HuggingFaceHub(options) { Notice = call.Screen.Warn };
        RemoteModel model = await hub.FindAsync(reference, call.Cancellation).ConfigureAwait(false);
        return await PullAsync(call, hub, model).ConfigureAwait(false);
    }

    /// <inheritdoc cref="PullAsync(Invocation, HubOptions, ModelReference)"/>
    public static async Task<string> PullAsync(Invocation call, HuggingFaceHub hub, RemoteModel model)
    {
        // The licence of the weights asks for it, whatever else is quiet.
        if (model.LicenceNotice is string licence) call.Screen.Say(licence);
        call.Screen.Note(FormattableString.Invariant($"{model.Reference}: {model.Files.Count} files, {Amount.Bytes(model.Bytes)}"));
        return await call.Screen.WatchDownloadAsync(progress => hub.PullAsync(model, progress, call.Cancellation)).ConfigureAwait(false);
    }
}
