using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Gemma.Hub;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Gemma.Cli;

/// <summary>
/// What the user sees: text and JSON on standard output, everything else on standard error. Without a terminal, or with NO_COLOR, there is no colour and
/// nothing that moves. The rendering library is touched only where it is needed: a script, and the first token, need not wait for it.
/// </summary>
internal sealed class Screen : IDisposable
{
    private const int PipeWidth = 200;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);
    private static readonly JsonWriterOptions JsonOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(300), Frame = TimeSpan.FromMilliseconds(100);

    private readonly StandardOutput _stream = new();
    private readonly StreamWriter _error = new(Console.OpenStandardError(), Utf8, 256) { AutoFlush = true, NewLine = "\n" };
    private readonly Lock _errorLock = new();
    private IAnsiConsole? _errorConsole;
    private int _statusLength;

    public Screen(bool json, bool quiet, bool verbose)
    {
        Json = json;
        Quiet = quiet;
        Verbose = verbose;
        Out = new StreamWriter(_stream, Utf8, 1 << 14) { NewLine = "\n" };
    }

    /// <summary>Whether scripts read: one JSON value, or one a line.</summary>
    public bool Json { get; }

    public bool Quiet { get; }

    public bool Verbose { get; }

    /// <summary>Standard output, buffered: see <see cref="Flush"/>.</summary>
    public StreamWriter Out { get; }

    /// <summary>Whether someone watches standard error.</summary>
    public static bool ErrorIsTerminal => !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";

    private static bool NoColour => Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };

    private IAnsiConsole ErrorConsole => _errorConsole ??= CreateConsole(_error, ErrorIsTerminal, Console.IsErrorRedirected ? PipeWidth : null);

    public void Text(string text) => Out.Write(text);

    public void Line(string text = "") => Out.WriteLine(text);

    public void Flush() => Out.Flush();

    /// <summary>Text of a model, at once. A terminal gets no control characters from it but line breaks and tabs: they would be commands.</summary>
    public void Answer(string text)
    {
        Out.Write(Console.IsOutputRedirected ? text : Printable(text));
        Out.Flush();
    }

    /// <summary>Something that must be said whatever is quiet.</summary>
    public void Say(string line) => ToError(line, Style.Plain, "");

    /// <summary>Something good to know; not with --quiet.</summary>
    public void Note(string line)
    {
        if (!Quiet) ToError(line, new Style(decoration: Decoration.Dim), "");
    }

    /// <summary>Something the user must know although the program goes on.</summary>
    public void Warn(string line) => ToError(line, new Style(Color.Yellow), "warning: ");

    public void Error(string line) => ToError(line, new Style(Color.Red), "error: ");

    /// <summary>How far long work is: a line that the next one, and whatever else is said, takes the place of. Only where someone watches, and not with --quiet.</summary>
    public void Status(string line)
    {
        if (Quiet || !ErrorIsTerminal) return;
        line = OneLine(line);
        // A line that wraps could not be taken back.
        int width = Math.Max(20, Console.WindowWidth - 1);
        if (line.Length > width) line = line[..width];
        lock (_errorLock)
        {
            _error.Write("\r" + line.PadRight(_statusLength));
            _statusLength = line.Length;
        }
    }

    /// <summary>Takes the line of <see cref="Status"/> back.</summary>
    public void ClearStatus()
    {
        lock (_errorLock)
        {
            if (_statusLength == 0) return;
            _error.Write("\r" + new string(' ', _statusLength) + "\r");
            _statusLength = 0;
        }
    }

    /// <summary>Many lines for whoever looks for a fault.</summary>
    public void Trace(string lines) => _error.WriteLine(lines);

    /// <summary>Bytes as they are, on standard output.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        Out.Flush();
        _stream.Write(bytes);
    }

    /// <summary>One JSON value in one line.</summary>
    public void WriteJson(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, JsonOptions)) write(writer);
        buffer.Write("\n"u8);
        Write(buffer.WrittenSpan);
    }

    /// <summary>A table without lines, which stays readable when it is cut into columns.</summary>
    public static Table CreateTable(params ReadOnlySpan<string> columns)
    {
        Table table = new Table().Border(TableBorder.None);
        foreach (string column in columns) table.AddColumn(new TableColumn(new Text(column, new Style(decoration: Decoration.Bold))).PadLeft(0).PadRight(2).NoWrap());
        return table;
    }

    /// <summary>Names and what they are, a row each.</summary>
    public static Table CreateFacts(IEnumerable<(string Name, string Value)> rows)
    {
        Table table = new Table().Border(TableBorder.None).HideHeaders();
        table.AddColumn(new TableColumn("").PadLeft(0).PadRight(2).NoWrap());
        table.AddColumn(new TableColumn("").PadLeft(0).PadRight(0));
        foreach ((string name, string value) in rows) table.AddRow(new Text(name, new Style(decoration: Decoration.Dim)), new Text(Printable(value)));
        return table;
    }

    /// <summary>A table, a rule or the like, on standard output.</summary>
    public void Render(IRenderable what)
    {
        if (!Console.IsOutputRedirected)
        {
            CreateConsole(Out, terminal: true, width: null).Write(what);
        }
        else
        {
            using var text = new StringWriter();
            CreateConsole(text, terminal: false, PipeWidth).Write(what);
            // Columns are filled up with spaces; the last one need not be.
            foreach (string line in text.ToString().TrimEnd().Split('\n')) Line(line.TrimEnd());
        }
        Out.Flush();
    }

    /// <summary>Runs long work on a thread of its own, and shows how far it is where someone watches and it takes its time.</summary>
    /// <param name="what">What it is, in two or three words.</param>
    /// <param name="bytes">Bytes that 1 stands for, so that there is a rate; null where it is not bytes that take the time.</param>
    /// <param name="work">The work; it reports the part that is done, 0 … 1.</param>
    public T Watch<T>(string what, double? bytes, Func<IProgress<double>, T> work)
    {
        var done = new Share();
        if (Quiet || !ErrorIsTerminal) return work(done);
        Task<T> task = Task.Run(() => work(done));
        if (!((IAsyncResult)task).AsyncWaitHandle.WaitOne(Patience)) ShowProgress(what, bytes, done, task);
        return task.GetAwaiter().GetResult();
    }

    /// <summary>Runs a download and shows each file's progress where someone watches; elsewhere one line a file.</summary>
    public async Task<string> WatchDownloadAsync(Func<IProgress<DownloadProgress>, Task<string>> work)
    {
        if (Quiet) return await work(new Ear<DownloadProgress>(_ => { })).ConfigureAwait(false);
        if (!ErrorIsTerminal)
        {
            return await work(new Ear<DownloadProgress>(file =>
            {
                if (file.Done == file.Total) Note($"{file.File}: {Amount.Bytes(file.Total)}{(file.Resumed == file.Total ? ", here already" : "")}");
            })).ConfigureAwait(false);
        }
        Progress progress = new(ErrorConsole) { RefreshRate = Frame };
        return await progress.Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new DownloadedColumn(), new TransferSpeedColumn(), new RemainingTimeColumn()).StartAsync(context =>
        {
            Dictionary<string, ProgressTask> bars = [];
            return work(new Ear<DownloadProgress>(file =>
            {
                if (!bars.TryGetValue(file.File, out ProgressTask? bar)) bars.Add(file.File, bar = context.AddTask(Markup.Escape(file.File), maxValue: Math.Max(1, file.Total)));
                bar.Value = file.Total == 0 ? 1 : file.Done;
            }));
        }).ConfigureAwait(false);
    }

    public void Dispose()
    {
        try
        {
            Out.Flush();
        }
        catch (Exception failure) when (failure is IOException or GemmaException)
        {
            // The pipe is closed, or the disk full: whoever wrote has heard of it at their own flush.
        }
    }

    private void ShowProgress(string what, double? bytes, Share done, Task task)
    {
        Progress progress = new(ErrorConsole) { AutoClear = true, RefreshRate = Frame };
        ProgressColumn[] rate = bytes is null ? [] : [new TransferSpeedColumn()];
        double whole = bytes ?? 1;
        progress.Columns([new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), .. rate, new RemainingTimeColumn()]).Start(context =>
        {
            ProgressTask bar = context.AddTask(Markup.Escape(what), maxValue: whole);
            while (!((IAsyncResult)task).AsyncWaitHandle.WaitOne(Frame)) bar.Value = done.Value * whole;
        });
    }

    private void ToError(string line, Style style, string prefix)
    {
        Out.Flush();
        line = OneLine(line);
        lock (_errorLock)
        {
            ClearStatus();
            if (!ErrorIsTerminal || NoColour) _error.WriteLine(prefix + line);
            else ErrorConsole.Write(new Paragraph(prefix, style).Append(line + "\n", prefix.Length == 0 ? style : Style.Plain));
        }
    }

    private static IAnsiConsole CreateConsole(TextWriter writer, bool terminal, int? width)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = terminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = terminal && !NoColour ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = terminal ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (width is int columns) console.Profile.Width = columns;
        console.Profile.Capabilities.Unicode = true;
        return console;
    }

    /// <summary>The text with U+FFFD for control characters other than line breaks and tabs.</summary>
    public static string Printable(string text) => Replace(text, '\uFFFD', keep: "\n\t");

    private static string OneLine(string text) => Replace(text, ' ', keep: "");

    private static string Replace(string text, char replacement, string keep) => text.Any(char.IsControl)
        ? new string([.. text.Select(c => char.IsControl(c) && !keep.Contains(c) ? replacement : c)])
        : text;

    /// <summary>Hears on the thread that reports, in order.</summary>
    private sealed class Ear<T>(Action<T> hear) : IProgress<T>
    {
        public void Report(T value) => hear(value);
    }

    private sealed class Share : IProgress<double>
    {
        private double _value;

        public double Value => Volatile.Read(ref _value);

        public void Report(double value) => Volatile.Write(ref _value, value);
    }
}
