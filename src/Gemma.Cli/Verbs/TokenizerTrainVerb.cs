using System.Buffers;
using System.Collections.Concurrent;
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Gemma.Data;
using Gemma.Formats;
using Gemma.Tokenization;

namespace Gemma.Cli.Verbs;

/// <summary>A vocabulary of one's own.</summary>
internal sealed class TokenizerTrainVerb : Verb
{
    private const double ReadingShare = 0.5; // of the progress bar

    private readonly Argument<string[]> _files = new("FILE") { Arity = ArgumentArity.OneOrMore, Description = "Files or folders of text, .jsonl or .parquet, also as .gz or .zst; - is standard input." };
    private readonly Option<string> _field = new("--field") { Description = "The field or column that holds the text, in .jsonl and .parquet.", HelpName = "NAME", DefaultValueFactory = _ => "text" };
    private readonly Option<string> _out = new("--out", "-o") { Description = "The file that is written.", HelpName = "FILE", DefaultValueFactory = _ => SentencePieceTokenizer.FileName };
    private readonly Option<int> _size = new("--vocab-size") { Description = "Pieces in all, the 256 bytes among them.", HelpName = "N", Required = true };
    private readonly Option<float> _coverage = new("--coverage") { Description = "Part of all characters that get pieces of their own, 0.98 to 1; the others become bytes.", HelpName = "P", DefaultValueFactory = _ => 0.9995f };
    private readonly Option<int> _length = new("--max-piece-length") { Description = "Longest piece in characters.", HelpName = "N", DefaultValueFactory = _ => 16 };
    private readonly Option<bool> _joinDigits = new("--join-digits") { Description = "Let merges join digits, which Gemma keeps apart." };
    private readonly Option<int> _runs = new("--runs") { Description = "Longest run of newlines, spaces or tabs that is one piece.", HelpName = "N", DefaultValueFactory = _ => TokenizerTrainerOptions.LongestRun };
    private readonly Option<int> _unused = new("--unused") { Description = "Ids kept free for later, <unused0> and so on; Gemma has 99.", HelpName = "N", DefaultValueFactory = _ => 0 };
    private readonly Option<string[]> _pieces = new("--piece") { Description = "A text that is always one piece; may be given several times.", HelpName = "TEXT" };

    public TokenizerTrainVerb() : base("train",
        "Learn a vocabulary from texts: byte-pair encoding as SentencePiece trains it, laid out as Gemma's. The file works wherever SentencePiece does.",
        "gemma tokenizer train stories.txt --vocab-size 8192 -o tokenizer.model",
        "gemma tokenizer train web.jsonl.zst --field content --vocab-size 32000 --unused 99")
    {
        Arguments.Add(_files);
        AddFlags(_out, _size, _field, _coverage, _length, _joinDigits, _runs, _unused, _pieces, Flags.Force, Setting.Threads.Flag);
    }

    public override Task<int> RunAsync(Invocation call)
    {
        string path = call.Get(_out)!;
        NewFile.CheckFree(path, call.Get(Flags.Force));
        DocumentSource[] sources = [.. call.Get(_files)!.SelectMany(DocumentSource.Find).Select(file => new DocumentSource { Path = file, Format = DocumentSource.FormatOf(file), Field = call.Get(_field)! })];
        if (call.Get(_runs) < 0 || call.Get(_unused) < 0) throw new UsageException($"{(call.Get(_runs) < 0 ? "--runs" : "--unused")}: expected a whole number from 0");
        var trainer = new TokenizerTrainer(new TokenizerTrainerOptions
        {
            VocabularySize = call.Get(_size),
            CharacterCoverage = call.Get(_coverage),
            MaxPieceLength = call.Get(_length),
            SplitDigits = !call.Get(_joinDigits),
            UserDefined = [.. TokenizerTrainerOptions.GemmaPieces(call.Get(_unused), call.Get(_runs)), .. call.Get(_pieces) ?? []],
        });
        long start = Stopwatch.GetTimestamp(), bytes = 0;
        SentencePieceModel model = call.Screen.Watch("learning", null, progress =>
        {
            bytes = Read(call, trainer, sources, progress);
            return trainer.Train(new Second(progress), call.Cancellation);
        });
        Write(path, model, call.Get(Flags.Force));
        Report(call, path, model, bytes, Stopwatch.GetElapsedTime(start).TotalSeconds);
        return Task.FromResult(0);
    }

    /// <summary>Counts the words of all sources; returns their bytes.</summary>
    private static long Read(Invocation call, TokenizerTrainer trainer, DocumentSource[] sources, IProgress<double> progress)
    {
        double whole = sources.Sum(source => File.Exists(source.Path) ? new FileInfo(source.Path).Length : 0);
        int threads = call.Value(Setting.Threads) ?? 0;
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : Environment.ProcessorCount, CancellationToken = call.Cancellation };
        long bytes = 0;
        foreach (DocumentSource source in sources)
        {
            var reader = new DocumentReader(source);
            try
            {
                Parallel.ForEach(Partitioner.Create(reader.ReadBlocks(), EnumerablePartitionerOptions.NoBuffering), options, block =>
                {
                    trainer.Add(block.Buffer.AsSpan(0, block.Length));
                    ArrayPool<byte>.Shared.Return(block.Buffer);
                    if (whole > 0) progress.Report(ReadingShare * Math.Min(1, (bytes + reader.ByteCount) / whole));
                });
            }
            catch (AggregateException failure) when (failure.InnerException is GemmaException known)
            {
                throw known; // one of a kind: only one thread reads
            }
            bytes += reader.ByteCount;
            if (reader.Skipped.Named is [SkippedRow first, ..])
                call.Screen.Warn(string.Create(CultureInfo.InvariantCulture, $"{source.Path}: {reader.Skipped.Count} rows were skipped, the first, {first.Number}: expected {first.Expected}, found {first.Found}"));
        }
        return bytes;
    }

    private static void Write(string path, SentencePieceModel model, bool replace)
    {
        byte[] bytes = model.ToBytes();
        using NewFile file = NewFile.Create(path, bytes.Length, replace);
        NewFile.Guard(path, () =>
        {
            RandomAccess.Write(file.Handle, bytes, 0);
            return true;
        });
        file.Publish();
    }

    private static void Report(Invocation call, string path, SentencePieceModel model, long bytes, double seconds)
    {
        if (call.Screen.Json)
        {
            call.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("path", path);
                json.WriteNumber("pieces", model.Pieces.Length);
                json.WriteNumber("text_bytes", bytes);
                json.WriteNumber("seconds", seconds);
                json.WriteEndObject();
            });
        }
        call.Screen.Note(string.Create(CultureInfo.InvariantCulture, $"{path}: {model.Pieces.Length} pieces from {Amount.Bytes(bytes)} of text in {Amount.Seconds(seconds)}"));
    }

    /// <summary>What comes after reading.</summary>
    private sealed class Second(IProgress<double> whole) : IProgress<double>
    {
        public void Report(double value) => whole.Report(ReadingShare + (1 - ReadingShare) * value);
    }
}
