using System.Buffers.Binary;
using System.CommandLine;
using System.Runtime.InteropServices;
using Gemma.Formats;
using Gemma.Generation;

namespace Gemma.Cli.Verbs;

/// <summary>The logits of every position, for comparisons with other implementations.</summary>
internal sealed class LogitsVerb : Verb
{
    private readonly Option<string> _out = new("--out", "-o") { Description = "The file to write, or replace: fp32, little-endian, [ids, vocabulary].", HelpName = "FILE", Required = true };

    public LogitsVerb() : base("logits",
        "Write the logits of every position of a text to a file. With --ids no tokenizer is needed. Keys and values are kept in fp32.",
        "gemma logits -m gemma-2b --quant f32 --ids 2,17,99 --out logits.f32")
    {
        AddFlags([.. Flags.Model, Setting.Context.Flag, Flags.Ids, Flags.File, _out]);
    }

    public override async Task<int> RunAsync(Invocation call)
    {
        string path = call.Get(_out)!;
        NewFile.CheckFree(path, replace: true); // before a model is loaded for nothing
        int[]? typed = call.Get(Flags.Ids) is string text ? TextInput.ParseIds(text) : null;
        using GemmaModel model = await ModelSource.LoadAsync(call, exact: true).ConfigureAwait(false);
        int[] ids = typed ?? TextIds.Read(call, model);
        using var engine = new Engine(model, new EngineOptions { ContextLength = call.Value(Setting.Context), KvType = KvType.Float32 });
        int vocabulary = model.Config.VocabularySize;
        using (var file = NewFile.Create(path, (long)ids.Length * vocabulary * sizeof(float), replace: true))
        {
            await engine.LogitsAsync(ids, (position, logits) => Write(file, (long)position * vocabulary * sizeof(float), logits), cancellationToken: call.Cancellation).ConfigureAwait(false);
            file.Publish();
        }
        if (call.Screen.Json)
        {
            call.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("file", path);
                json.WriteNumbers("shape", [ids.Length, vocabulary]);
                json.WriteString("type", "f32");
                json.WriteNumbers("ids", ids);
                json.WriteEndObject();
            });
        }
        call.Screen.Note(FormattableString.Invariant($"{path}: {ids.Length} × {vocabulary} logits, fp32"));
        return 0;
    }

    private static void Write(NewFile file, long offset, ReadOnlySpan<float> logits)
    {
        if (BitConverter.IsLittleEndian)
        {
            RandomAccess.Write(file.Handle, MemoryMarshal.AsBytes(logits), offset);
            return;
        }
        byte[] bytes = new byte[logits.Length * sizeof(float)];
        for (int i = 0; i < logits.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), logits[i]);
        RandomAccess.Write(file.Handle, bytes, offset);
    }
}
