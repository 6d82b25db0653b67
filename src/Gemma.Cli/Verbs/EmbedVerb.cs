using System.CommandLine;
using Gemma.Generation;

namespace Gemma.Cli.Verbs;

/// <summary>Texts as vectors.</summary>
internal sealed class EmbedVerb : Verb
{
    private readonly Argument<string[]> _texts = new("TEXT") { Arity = ArgumentArity.ZeroOrMore, Description = "The texts. Without them each line of --file, else of standard input." };

    public EmbedVerb() : base("embed",
        "The mean of the final hidden states of each text, of length 1, as one JSON value a line. Gemma is no embedding model: good for experiments, not for search.",
        "gemma embed \"a cat\" \"a kitten\" \"a steam engine\"",
        "gemma embed -m gemma-2b --file sentences.txt > vectors.jsonl")
    {
        Arguments.Add(_texts);
        AddFlags([.. Flags.Model, Setting.Context.Flag, Flags.File]);
    }

    public override async Task<int> RunAsync(Invocation call)
    {
        string[] texts = call.Get(_texts) is { Length: > 0 } given ? given : Lines(TextInput.Read(call.Get(Flags.File)));
        using GemmaModel model = await ModelSource.LoadAsync(call, exact: true).ConfigureAwait(false);
        using var engine = new Engine(model, new EngineOptions { ContextLength = call.Value(Setting.Context) });
        for (int i = 0; i < texts.Length; i++)
        {
            int[] ids = TextIds.Read(call, model, texts[i]);
            float[] vector = await engine.EmbedAsync(ids, cancellationToken: call.Cancellation).ConfigureAwait(false);
            call.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteNumber("index", i);
                json.WriteNumber("tokens", ids.Length);
                json.WriteNumbers("embedding", vector);
                json.WriteEndObject();
            });
        }
        return 0;
    }

    /// <summary>One text a line; the line break at the end begins no line.</summary>
    private static string[] Lines(string? text)
    {
        if (text is null) throw new UsageException("there is no text; give one or more as arguments, or lines with --file, or pipe them in");
        string[] lines = text.Split('\n');
        if (lines[^1].Length == 0) lines = lines[..^1];
        return [.. lines.Select(line => line.TrimEnd('\r'))];
    }
}
