using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Gemma.Data;
using Gemma.Formats;
using Gemma.Tokenization;

namespace Gemma.Cli.Verbs;

/// <summary>Texts to the files of ids that training reads.</summary>
internal sealed class DataTokenizeVerb : Verb
{
    private const int MostWarnings = 5; // the receipt names more

    private readonly Argument<string[]> _files = new("FILE") { Arity = ArgumentArity.OneOrMore, Description = "Files or folders of text, .jsonl or .parquet, also as .gz or .zst; - is standard input." };
    private readonly Option<string> _out = new("--out", "-o") { Description = "The folder that is written.", HelpName = "FOLDER", Required = true };
    private readonly Option<DocumentFormat?> _format = new("--format") { Description = "text, jsonl or parquet; without it as the names say.", HelpName = "FORMAT" };
    private readonly Option<string> _field = new("--field") { Description = "The field or column that holds the text.", HelpName = "NAME", DefaultValueFactory = _ => "text" };
    private readonly Option<string> _split = new("--split") { Description = "What ends a document of a text file: file, blank (an empty line) or line.", HelpName = "WHERE", DefaultValueFactory = _ => "file" };
    private readonly Option<int> _shard = new("--shard-mb") { Description = "Size of a shard in millions of bytes.", HelpName = "N", DefaultValueFactory = _ => 500 };
    private readonly Option<bool> _noBegin = new("--no-bos") { Description = "No <bos> before each document." };
    private readonly Option<bool> _noEnd = new("--no-eos") { Description = "No <eos> after each document." };
    private readonly Option<bool> _markers = new("--markers") { Description = "Markers such as <start_of_turn> in the texts are markers, not text." };

    public DataTokenizeVerb() : base("tokenize",
        "Documents to shards of token ids, with a receipt of what went in and what was skipped. MODEL may also be a tokenizer.model file.",
        "gemma data tokenize stories/ -m tokenizer.model -o shards",
        "gemma data tokenize web.jsonl.zst --field content -m gemma-2b -o shards --shard-mb 1000")
    {
        Arguments.Add(_files);
        AddFlags(_out, Setting.Model.Flag, Flags.Offline, _format, _field, _split, _shard, _noBegin, _noEnd, _markers, Flags.Force, Setting.Threads.Flag);
    }

    public override async Task<int> RunAsync(Invocation call)
    {
        TextSplit split = call.Get(_split) switch
        {
            "file" => TextSplit.File,
            "blank" => TextSplit.BlankLine,
            "line" => TextSplit.Line,
            string other => throw new UsageException($"--split: expected file, blank or line, found '{other}'"),
            null => TextSplit.File,
        };
        if (call.Get(_shard) < 1) throw new UsageException(FormattableString.Invariant($"--shard-mb: expected a whole number from 1, found {call.Get(_shard)}"));
        DocumentSource[] sources = [.. call.Get(_files)!.SelectMany(DocumentSource.Find).Select(path => new DocumentSource
        {
            Path = path,
            Format = call.Get(_format) ?? DocumentSource.FormatOf(path),
            Field = call.Get(_field)!,
            Split = split,
        })];
        SentencePieceTokenizer tokenizer = await ModelSource.LoadTokenizerAsync(call).ConfigureAwait(false);
        double whole = sources.Sum(source => File.Exists(source.Path) ? new FileInfo(source.Path).Length : 0);
        long start = Stopwatch.GetTimestamp();
        TokenizeReceipt receipt = call.Screen.Watch("tokenizing", whole, progress => new DocumentTokenizer(tokenizer, new TokenizeOptions
        {
            Marks = (call.Get(_noBegin) ? 0 : TokenShardMarks.Begin) | (call.Get(_noEnd) ? 0 : TokenShardMarks.End),
            ReadMarkers = call.Get(_markers),
            ShardBytes = call.Get(_shard) * 1_000_000L,
            Threads = call.Value(Setting.Threads) ?? 0,
            Replace = call.Get(Flags.Force),
            Progress = new Part(progress, whole),
        }).Run(sources, call.Get(_out)!, call.Cancellation));
        Report(call, receipt, Stopwatch.GetElapsedTime(start).TotalSeconds);
        return 0;
    }

    private void Report(Invocation call, TokenizeReceipt receipt, double seconds)
    {
        // What was left out must be seen, also by those who want quiet.
        IEnumerable<string> skipped = receipt.Sources.SelectMany(source => source.Skipped.Named.Select(row =>
            string.Create(CultureInfo.InvariantCulture, $"{source.Source.Path}, {Unit(source.Source)} {row.Number}: skipped: expected {row.Expected}, found {row.Found}")));
        foreach (string line in skipped.Take(MostWarnings)) call.Screen.Warn(line);
        if (receipt.Skipped > MostWarnings) call.Screen.Warn(string.Create(CultureInfo.InvariantCulture, $"{receipt.Skipped - MostWarnings} more were skipped; see {TokenizeReceipt.FileName}"));
        if (call.Screen.Json) call.Screen.WriteJson(receipt.Write);
        string made = string.Create(CultureInfo.InvariantCulture, $"{receipt.Documents} documents, {receipt.Tokens} tokens ({(double)receipt.TextBytes / receipt.Tokens:0.00} bytes each)");
        call.Screen.Note(string.Create(CultureInfo.InvariantCulture,
            $"{call.Get(_out)}: {made} in {receipt.Shards.Count} shards, {receipt.Skipped} skipped; {Amount.Bytes(receipt.TextBytes / seconds)} a second"));
    }

    private static string Unit(DocumentSource source) => source switch
    {
        { Format: DocumentFormat.Parquet } => "row",
        { Format: DocumentFormat.Text, Split: TextSplit.File } => "document",
        _ => "line",
    };

    /// <summary>Bytes as a part of the whole; of a pipe nobody knows it.</summary>
    private sealed class Part(IProgress<double> progress, double whole) : IProgress<long>
    {
        public void Report(long value) => progress.Report(whole > 0 ? Math.Min(1, value / whole) : 0);
    }
}
