using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gemma.Chat;
using Gemma.Generation;
using Gemma.Tokenization;

namespace Gemma.Cli.Verbs;

/// <summary>One answer, streamed as it comes.</summary>
internal sealed class RunVerb : Verb
{
    private readonly Argument<string[]> _words = new("PROMPT") { Arity = ArgumentArity.ZeroOrMore, Description = "The prompt. Without it --file, else standard input." };
    private readonly Option<bool> _raw = new("--raw") { Description = "Continue the prompt as it is, without turns; markers such as <start_of_turn> in it are markers." };
    private readonly Option<bool> _showPrompt = new("--show-prompt") { Description = "Show what the model gets to read, with its control tokens." };
    private readonly Option<bool> _ignoreEos = new("--ignore-eos") { Description = "Go on past the id with which the model ends its answer, for measurements and comparisons." };
    private readonly Option<string?> _logProbs = new("--logprobs") { Description = "With --json: the log-probability of each token, and of the N most probable ones.", HelpName = "N" };

    public RunVerb() : base("run",
        "Answer a prompt. Tuned models (-it) answer it; base models, such as the embedded one, continue it as a text.",
        "gemma run \"Once upon a time\"",
        "gemma run -m gemma-1.1-2b-it --quant q8 \"Why is the sky blue?\"",
        "git diff | gemma run -m gemma-1.1-2b-it --system \"Write a commit message for this change.\"",
        "gemma run --temperature 0 --max-tokens 40 --json \"The little girl looked at the\"")
    {
        Arguments.Add(_words);
        AddFlags([.. Flags.Model, Flags.Adapter, Flags.File, Flags.Ids, Setting.System.Flag, .. Sampling.Flags, _raw, _showPrompt, _ignoreEos, _logProbs]);
    }

    public override async Task<int> RunAsync(Invocation call)
    {
        int? logProbs = ParseLogProbs(call);
        int[]? ids = call.Get(Flags.Ids) is string typed ? TextInput.ParseIds(typed) : null;
        string? text = ids is null ? ReadPrompt(call) : null;

        long start = Stopwatch.GetTimestamp();
        using GemmaModel model = await ModelSource.LoadAsync(call).ConfigureAwait(false);
        using GemmaAdapter? adapter = ModelSource.LoadAdapter(call, model);
        double loadSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (model.Tokenizer is null && !(call.Screen.Json && ids is not null))
            throw new UsageException("this model's files hold no tokenizer, so there is no text; put tokenizer.model beside the weights, or give --ids and --json");
        Prompt prompt = ids is null ? MakePrompt(call, model, adapter, text!) : Prompt.Given(ids, model.Tokenizer);
        GenerationOptions options = Sampling.Options(call, model) with { LogProbs = logProbs, StopIds = prompt.StopIds, IgnoreEos = call.Get(_ignoreEos), Adapter = adapter };

        using var engine = new Engine(model, new EngineOptions { ContextLength = call.Value(Setting.Context) });
        Sequence answer = engine.Submit(prompt.Ids, options, call.Cancellation);
        if (call.Screen.Json) return await AnswerAsJsonAsync(call, model, prompt, answer, loadSeconds).ConfigureAwait(false);
        if (call.Get(_showPrompt)) call.Screen.Trace(prompt.Shown);
        return await AnswerAsTextAsync(call.Screen, engine, prompt, answer).ConfigureAwait(false);
    }

    private static async Task<int> AnswerAsTextAsync(Screen screen, Engine engine, Prompt prompt, Sequence answer)
    {
        string last = prompt.Continued ?? "";
        DateTime? first = null;
        screen.Answer(last);
        await foreach (GeneratedToken token in answer.ConfigureAwait(false))
        {
            if (token.Text.Length == 0) continue;
            screen.Answer(token.Text);
            first ??= DateTime.Now;
            last = token.Text;
        }
        if (!last.EndsWith('\n')) screen.Line();
        screen.Flush();
        GenerationResult result = await answer.Completion.ConfigureAwait(false);
        if (Statistics.Cut(result, answer.Options, engine.ContextLength) is string cut) screen.Note(cut);
        if (screen.Verbose && first is DateTime shown) screen.Trace(Statistics.SinceStart(shown));
        return Finish(screen, result);
    }

    private static async Task<int> AnswerAsJsonAsync(Invocation call, GemmaModel model, Prompt prompt, Sequence answer, double loadSeconds)
    {
        List<GeneratedToken> tokens = [];
        await foreach (GeneratedToken token in answer.ConfigureAwait(false)) tokens.Add(token);
        GenerationResult result = await answer.Completion.ConfigureAwait(false);
        call.Screen.WriteJson(json =>
        {
            json.WriteStartObject();
            json.WriteString("model", ModelSource.Name(call));
            json.WriteString("prompt", prompt.Shown);
            json.WriteString("text", result.Text);
            json.WriteNumbers("ids", result.Ids);
            json.WriteString("finish_reason", Statistics.Name(result.FinishReason));
            if (result.StopString is not null) json.WriteString("stop_string", result.StopString);
            json.WriteNumber("prompt_tokens", result.PromptTokens);
            json.WriteNumber("generated_tokens", result.GeneratedTokens);
            json.WriteNumber("seed", result.Seed);
            Statistics.Write(json, result, loadSeconds);
            if (answer.Options.LogProbs is not null) WriteLogProbs(json, model.Tokenizer, tokens);
            json.WriteEndObject();
        });
        return Finish(call.Screen, result);
    }

    private static int Finish(Screen screen, GenerationResult result)
    {
        screen.Note(Statistics.Line(result));
        return result.FinishReason == FinishReason.Cancelled ? Interrupt.ExitCode : 0;
    }

    private static void WriteLogProbs(Utf8JsonWriter json, SentencePieceTokenizer? tokenizer, List<GeneratedToken> tokens)
    {
        json.WriteStartArray("logprobs");
        foreach (GeneratedToken token in tokens)
        {
            json.WriteStartObject();
            Write(token.Id, token.LogProb);
            json.WriteStartArray("top");
            foreach (TokenLogProb top in token.TopLogProbs ?? [])
            {
                json.WriteStartObject();
                Write(top.Id, top.LogProb);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();

        void Write(int id, float? logProb)
        {
            json.WriteNumber("id", id);
            if (tokenizer is not null) json.WriteString("piece", Prompt.Piece(tokenizer, id));
            json.WriteFinite("logprob", logProb);
        }
    }

    private Prompt MakePrompt(Invocation call, GemmaModel model, GemmaAdapter? adapter, string text)
    {
        bool raw = call.Get(_raw);
        if (!raw && (adapter?.ChatTemplate is not null || ChatTemplate.IsTuned(model)))
            return Prompt.Turns(model, call.Text(Setting.System) is string system ? [ChatTurn.System(system), ChatTurn.User(text)] : [ChatTurn.User(text)]);
        if (call.Get(Setting.System.Flag) is not null)
            throw new UsageException($"--system: {(raw ? "with --raw there are no turns" : "a base model takes no instructions")}; put the text into the prompt");
        return Prompt.Text(model.Tokenizer!, text, markers: raw);
    }

    private string ReadPrompt(Invocation call)
    {
        string[] words = call.Get(_words) ?? [];
        string? file = call.Get(Flags.File);
        if (words.Length > 0 && file is not null) throw new UsageException("the prompt is given twice, as an argument and with --file; leave one out");
        return words.Length > 0 ? string.Join(' ', words) : TextInput.ReadPrompt(file)
            ?? throw new UsageException("there is no prompt; give it as an argument, such as gemma run \"Once upon a time\", with --file, or pipe it in");
    }

    private int? ParseLogProbs(Invocation call)
    {
        if (call.Get(_logProbs) is not string text) return null;
        if (!call.Screen.Json) throw new UsageException("--logprobs: only --json has a place for them; add it");
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count <= GenerationOptions.MaxLogProbs ? count
            : throw new UsageException(FormattableString.Invariant($"--logprobs: expected a whole number from 0 to {GenerationOptions.MaxLogProbs}, found '{text}'"));
    }
}
