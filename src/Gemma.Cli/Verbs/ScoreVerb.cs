using System.CommandLine;
using Gemma.Generation;
using Gemma.Tokenization;
using Spectre.Console;

namespace Gemma.Cli.Verbs;

/// <summary>How probable a model finds a text.</summary>
internal sealed class ScoreVerb : Verb
{
    private readonly Argument<string?> _text = new("TEXT") { Arity = ArgumentArity.ZeroOrOne, Description = "The text. Without it --file or --ids, else standard input." };

    public ScoreVerb() : base("score",
        "The log-likelihood and perplexity of a text, token by token. <bos> goes before a text and is not scored. Keys and values are kept in fp32.",
        "gemma score \"Once upon a time there was a king.\"",
        "gemma score -m gemma-2b --file chapter.txt --json",
        "gemma score -m gemma-2b --ids 2,17,99 --json")
    {
        Arguments.Add(_text);
        AddFlags([.. Flags.Model, Setting.Context.Flag, Flags.File, Flags.Ids]);
    }

    public override async Task<int> RunAsync(Invocation call)
    {
        int[]? typed = call.Get(Flags.Ids) is string list ? TextInput.ParseIds(list) : null;
        using GemmaModel model = await ModelSource.LoadAsync(call, exact: true).ConfigureAwait(false);
        int[] ids = typed ?? TextIds.Read(call, model, call.Get(_text));
        using var engine = new Engine(model, new EngineOptions { ContextLength = call.Value(Setting.Context), KvType = KvType.Float32 });
        TextScore score = await engine.ScoreAsync(ids, cancellationToken: call.Cancellation).ConfigureAwait(false);
        if (call.Screen.Json) WriteJson(call, score);
        else Show(call.Screen, model.Tokenizer, score);
        return 0;
    }

    private static void WriteJson(Invocation call, TextScore score) => call.Screen.WriteJson(json =>
    {
        json.WriteStartObject();
        json.WriteString("model", ModelSource.Name(call));
        json.WriteNumber("token_count", score.LogProbs.Count);
        json.WriteFinite("total_nll", score.NegativeLogLikelihood);
        json.WriteFinite("mean_nll", score.NegativeLogLikelihood / score.LogProbs.Count);
        json.WriteFinite("perplexity", score.Perplexity);
        json.WriteNumbers("ids", score.Ids);
        json.WriteNumbers("logprobs", score.LogProbs);
        json.WriteEndObject();
    });

    private static void Show(Screen screen, SentencePieceTokenizer? tokenizer, TextScore score)
    {
        Table table = Screen.CreateTable("id", "piece", "log-probability");
        table.Columns[0].RightAligned();
        table.Columns[2].RightAligned();
        for (int i = 0; i < score.LogProbs.Count; i++)
        {
            int id = score.Ids[i + 1];
            table.AddRow(new Text(FormattableString.Invariant($"{id}")), new Text(tokenizer is null ? "" : Screen.Printable(Prompt.Piece(tokenizer, id))),
                new Text(FormattableString.Invariant($"{score.LogProbs[i]:0.0000}")));
        }
        screen.Render(table);
        screen.Line(FormattableString.Invariant(
            $"{score.LogProbs.Count} tokens · negative log-likelihood {score.NegativeLogLikelihood:0.0000} nats · perplexity {score.Perplexity:0.0000}"));
    }
}
