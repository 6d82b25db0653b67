using System.Text;
using Gemma.Chat;
using Gemma.Cpu;
using Gemma.Generation;

namespace Gemma.Cli;

/// <summary>The loop of <c>gemma chat</c>: a line is a message or a command, an answer comes as it is made.</summary>
internal sealed class ChatSession
{
    private const string Quotes = "\"\"\"";

    private static readonly (string Command, string What)[] Commands =
    [
        ("/system [TEXT]", "show or set what the model should keep in mind; \"\" removes it"),
        ("/set NAME VALUE", "change a setting, such as /set temperature 0.2"),
        ("/show prompt", "what the model read for its last answer"),
        ("/show stats", "how fast the last answer was"),
        ("/show effective", "the settings that count, and who set them"),
        ("/retry", "answer the last message again"),
        ("/undo", "take the last message and its answer back"),
        ("/clear", "begin anew, with the same settings"),
        ("/save FILE", "write the conversation to a file"),
        ("/load FILE", "go on with a conversation from a file"),
        (Quotes, "begins and ends a message of several lines"),
        ("//TEXT", "a message that begins with a slash"),
        ("/bye", "leave; Ctrl+D does too"),
    ];

    private readonly Invocation _call;
    private readonly Engine _engine;
    private readonly GemmaAdapter? _adapter;
    private readonly Screen _screen;
    private readonly Conversation _conversation = new();
    private readonly TextReader _input;
    private readonly bool _interactive = !Console.IsInputRedirected;
    private GenerationResult? _lastResult;
    private string? _lastPrompt, _file;

    public ChatSession(Invocation call, Engine engine, GemmaAdapter? adapter)
    {
        _adapter = adapter;
        _call = call;
        _engine = engine;
        _screen = call.Screen;
        _input = _interactive ? Console.In : new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        _conversation.System = call.Text(Setting.System);
        // A mistake in the flags is told before the first message, not after it.
        Sampling.Options(call, engine.Model);
    }

    public void Load(string file)
    {
        _conversation.Load(file);
        _file = Path.GetFullPath(file);
        _screen.Note($"{file}: {_conversation.Turns.Count} messages");
    }

    /// <summary>Until the user leaves; returns the exit code.</summary>
    public async Task<int> RunAsync()
    {
        if (_interactive) _screen.Note($"{ModelSource.Name(_call)} · /help lists what can be typed, /bye leaves");
        while (ReadMessage() is string message)
        {
            try
            {
                if (message.Trim() is "/bye" or "/exit" or "/quit") return 0;
                if (message.Trim().Length == 0) continue;
                if (message.StartsWith('/') && !message.StartsWith("//", StringComparison.Ordinal)) await RunCommandAsync(message.Trim()).ConfigureAwait(false);
                else await SayAsync(message.StartsWith('/') ? message[1..] : message).ConfigureAwait(false);
            }
            catch (GemmaException failure) when (_interactive)
            {
                _screen.Error(failure.Message); // a mistake ends no conversation
            }
            if (_call.Interrupt.Happened && !_interactive) return Interrupt.ExitCode;
        }
        if (_interactive) _screen.Line();
        return 0;
    }

    private async Task SayAsync(string message)
    {
        _conversation.Add(ChatTurn.User(message));
        try
        {
            await AnswerAsync().ConfigureAwait(false);
        }
        finally
        {
            // Not answered: it does not fit, or was stopped before the first word.
            if (_conversation.WaitsForModel) _conversation.RemoveLast();
        }
    }

    private async Task AnswerAsync()
    {
        Prompt prompt = Prompt.Turns(_engine.Model, _conversation.Turns);
        CancellationToken stop = _call.Interrupt.Rearm();
        Sequence answer = _engine.Submit(prompt.Ids, Sampling.Options(_call, _engine.Model) with { StopIds = prompt.StopIds, Adapter = _adapter }, stop);
        _lastPrompt = prompt.Shown;
        bool lineOpen = false;
        await foreach (GeneratedToken token in answer.ConfigureAwait(false))
        {
            if (_screen.Json || token.Text.Length == 0) continue;
            _screen.Answer(token.Text);
            lineOpen = !token.Text.EndsWith('\n');
        }
        if (lineOpen) _screen.Line();
        GenerationResult result = await answer.Completion.ConfigureAwait(false);
        _lastResult = result;
        if (result.Text.Length > 0) _conversation.Add(ChatTurn.Model(result.Text));
        if (_screen.Json) WriteJson(result);
        _screen.Flush();
        if (result.FinishReason == FinishReason.Cancelled) _screen.Note("stopped");
        if (Statistics.Cut(result, answer.Options, _engine.ContextLength) is string cut) _screen.Warn($"{cut}; /undo or /clear makes room");
    }

    private void WriteJson(GenerationResult result) => _screen.WriteJson(json =>
    {
        json.WriteStartObject();
        json.WriteString("text", result.Text);
        json.WriteString("finish_reason", Statistics.Name(result.FinishReason));
        json.WriteNumber("prompt_tokens", result.PromptTokens);
        json.WriteNumber("cached_prompt_tokens", result.CachedPromptTokens);
        json.WriteNumber("generated_tokens", result.GeneratedTokens);
        json.WriteNumber("seed", result.Seed);
        Statistics.Write(json, result, loadSeconds: null);
        json.WriteEndObject();
    });

    private async Task RunCommandAsync(string line)
    {
        string[] words = line.Split(' ', 2, StringSplitOptions.TrimEntries);
        string rest = words.Length > 1 ? words[1] : "";
        switch (words[0])
        {
            case "/help" or "/?":
                foreach ((string command, string what) in Commands) _screen.Line($"{command,-18}{what}");
                break;
            case "/system":
                if (rest.Length == 0) _screen.Line(_conversation.System ?? "none");
                else _conversation.System = rest == "\"\"" ? null : rest;
                break;
            case "/set":
                Set(rest);
                break;
            case "/show":
                Show(rest);
                break;
            case "/retry":
                await RetryAsync().ConfigureAwait(false);
                break;
            case "/undo":
                if (!_conversation.RemoveLast()) throw new UsageException("there is nothing to take back");
                if (_conversation.WaitsForModel) _conversation.RemoveLast();
                break;
            case "/clear":
                _conversation.Clear();
                break;
            case "/save":
                Save(rest);
                break;
            case "/load":
                if (rest.Length == 0) throw new UsageException("/load: expected the name of a file");
                Load(rest);
                break;
            default:
                throw new UsageException($"{words[0]}: there is no such command{Spelling.Suggest(words[0], Commands.Select(command => command.Command.Split(' ')[0]))}; /help lists them");
        }
        _screen.Flush();
    }

    private async Task RetryAsync()
    {
        if (_conversation.IsEmpty) throw new UsageException("there is no message to answer");
        ChatTurn old = _conversation.Turns[^1];
        _conversation.RemoveLast();
        try
        {
            await AnswerAsync().ConfigureAwait(false);
        }
        finally
        {
            if (_conversation.WaitsForModel) _conversation.Add(old);
        }
    }

    private void Set(string rest)
    {
        string[] words = rest.Split(' ', 2, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        IEnumerable<string> names = Setting.Sampling.Select(setting => setting.Name);
        if (words.Length < 2) throw new UsageException($"/set: expected a name and a value; the names are {string.Join(", ", names)}");
        string name = words[0].Replace('-', '_');
        Setting setting = Setting.Sampling.FirstOrDefault(setting => setting.Name == name)
            ?? throw new UsageException($"/set: there is no setting {words[0]} to change here{Spelling.Suggest(name, names)}; the names are {string.Join(", ", names)}");
        _call.Override(setting, words[1], "/set");
    }

    private void Show(string what)
    {
        switch (what)
        {
            case "prompt":
                _screen.Answer((_lastPrompt ?? throw new UsageException("there was no answer yet")) + "\n");
                break;
            case "stats":
                _screen.Line(Statistics.Line(_lastResult ?? throw new UsageException("there was no answer yet")));
                break;
            case "effective":
                _screen.Render(EffectiveSetting.Table(EffectiveSetting.All(_call, _engine.Model.Config, _engine.Model.Defaults, _engine.Model.WeightType.Name())));
                break;
            default:
                throw new UsageException($"/show: expected prompt, stats or effective, found '{what}'");
        }
    }

    private void Save(string file)
    {
        if (file.Length == 0) throw new UsageException("/save: expected the name of a file");
        string path = Path.GetFullPath(file);
        if (path != _file && Path.Exists(path)) throw new UsageException($"{file}: there is such a file already; choose another name");
        _conversation.Save(path, ModelSource.Name(_call), replace: path == _file);
        _file = path;
        _screen.Note($"{file}: {_conversation.Turns.Count} messages");
    }

    /// <summary>A line, or what stands between triple quotes; null at the end.</summary>
    private string? ReadMessage()
    {
        if (ReadLine("> ") is not string line) return null;
        if (!line.TrimStart().StartsWith(Quotes, StringComparison.Ordinal)) return line;
        var message = new StringBuilder();
        string rest = line.TrimStart()[Quotes.Length..];
        while (true)
        {
            int end = rest.IndexOf(Quotes, StringComparison.Ordinal);
            if (end >= 0) return message.Append(rest[..end]).ToString();
            message.Append(rest).Append('\n');
            if (ReadLine("… ") is not string next) return message.ToString();
            rest = next;
        }
    }

    private string? ReadLine(string prompt)
    {
        if (_interactive)
        {
            _call.Interrupt.Rearm(() => _screen.Note("Ctrl+C again leaves, and so does /bye"));
            if (!Console.IsOutputRedirected)
            {
                _screen.Text(prompt);
                _screen.Flush();
            }
        }
        else
        {
            // Nobody is there to press it twice.
            _call.Interrupt.Rearm(() => Environment.Exit(Interrupt.ExitCode));
        }
        return _input.ReadLine();
    }
}
