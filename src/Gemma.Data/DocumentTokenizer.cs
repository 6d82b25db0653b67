using System.Text;
using Gemma.Formats;
using Gemma.Tokenization;

namespace Gemma.Data;

/// <summary>
/// Documents to shards of token ids, in a folder that appears whole, with a receipt, or not at all. One thread reads and writes, the others tokenize; what is
/// written does not depend on them.
/// </summary>
public sealed class DocumentTokenizer
{
    private const int BatchCharacters = 1 << 18;

    private readonly SentencePieceTokenizer _tokenizer;
    private readonly TokenizeOptions _options;

    /// <exception cref="UsageException">The tokenizer lacks a mark that is wanted, or a size cannot work.</exception>
    public DocumentTokenizer(SentencePieceTokenizer tokenizer, TokenizeOptions options)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Marks.HasFlag(TokenShardMarks.Begin) && tokenizer.BosId < 0) throw new UsageException("the tokenizer has no begin id; do without it");
        if (options.Marks.HasFlag(TokenShardMarks.End) && tokenizer.EosId < 0) throw new UsageException("the tokenizer has no end id; do without it");
        if (options.ShardBytes < 1) throw new UsageException(FormattableString.Invariant($"shard size: expected at least 1 byte, found {options.ShardBytes}"));
        if (options.Threads < 0) throw new UsageException(FormattableString.Invariant($"threads: expected a number from 0, found {options.Threads}"));
        _tokenizer = tokenizer;
        _options = options;
    }

    /// <summary>Reads all sources, in order, and writes <c>00000.tokens</c>, <c>00001.tokens</c> and so on and <c>receipt.json</c>.</summary>
    /// <param name="sources">At least one.</param>
    /// <param name="folder">Where the shards are to appear.</param>
    /// <exception cref="GemmaException">A file is missing or damaged, there is no document, the folder is taken, or the disk says no.</exception>
    public TokenizeReceipt Run(IReadOnlyList<DocumentSource> sources, string folder, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        using var target = NewFolder.Create(folder, _options.Replace, IsOurs);
        using var shards = new ShardSeries(target.TemporaryPath, _tokenizer.Model, _options);
        List<SourceReceipt> receipts = [];
        long before = 0;
        foreach (DocumentSource source in sources)
        {
            receipts.Add(Run(source, shards, before, cancellation));
            before += receipts[^1].Bytes;
        }
        var receipt = new TokenizeReceipt { Tokenizer = _tokenizer.Model, Marks = _options.Marks, Sources = receipts, Shards = shards.Finish() };
        if (receipt.Documents == 0) throw NoDocuments(receipt);
        NewFile.Guard(folder, () =>
        {
            NewFile.Write(Path.Combine(target.TemporaryPath, TokenizeReceipt.FileName), receipt.ToJson());
            return true;
        });
        target.Publish();
        return receipt;
    }

    private static bool IsOurs(string name) => name == TokenizeReceipt.FileName || name.EndsWith(TokenShard.Extension, StringComparison.Ordinal);

    private static GemmaException NoDocuments(TokenizeReceipt receipt)
    {
        string files = string.Join(", ", receipt.Sources.Select(source => source.Source.Path));
        string example = receipt.Sources.SelectMany(source => source.Skipped.Named).FirstOrDefault() is SkippedRow row
            ? FormattableString.Invariant($", the first, {row.Number}, for want of {row.Expected}: found {row.Found}") : "";
        return new GemmaException(FormattableString.Invariant(
            $"{files}: expected documents, found none ({receipt.Skipped} rows were skipped{example}); check the files, and --field and --format"));
    }

    private SourceReceipt Run(DocumentSource source, ShardSeries shards, long before, CancellationToken cancellation)
    {
        var reader = new DocumentReader(source);
        int threads = _options.Threads == 0 ? Environment.ProcessorCount : _options.Threads;
        long documents = 0, textBytes = 0, tokens = 0;
        var working = new Queue<Task<Batch>>();
        try
        {
            foreach (List<Document> batch in Batches(reader))
            {
                cancellation.ThrowIfCancellationRequested();
                _options.Progress?.Report(before + reader.ByteCount);
                if (working.Count == threads + 1) Write(working.Dequeue());
                working.Enqueue(Task.Run(() => Tokenize(batch), CancellationToken.None));
                if (threads == 1) working.Peek().Wait(CancellationToken.None);
            }
            while (working.Count > 0) Write(working.Dequeue());
        }
        finally
        {
            Task.WaitAll([.. working.Select(task => task.ContinueWith(_ => { }, TaskScheduler.Default))], CancellationToken.None); // nothing runs on after a failure
        }
        return new SourceReceipt(source, reader.ByteCount, reader.Hash, documents, textBytes, tokens, reader.Skipped);

        void Write(Task<Batch> task)
        {
            Batch batch = task.GetAwaiter().GetResult();
            textBytes += batch.TextBytes;
            foreach (int[] ids in batch.Documents)
            {
                shards.Add(ids);
                documents++;
                tokens += ids.Length;
            }
        }
    }

    private static IEnumerable<List<Document>> Batches(DocumentReader reader)
    {
        List<Document> batch = [];
        int characters = 0;
        foreach (Document document in reader.Read())
        {
            batch.Add(document);
            characters += document.Text.Length;
            if (characters < BatchCharacters) continue;
            yield return batch;
            (batch, characters) = ([], 0);
        }
        if (batch.Count > 0) yield return batch;
    }

    private Batch Tokenize(List<Document> documents)
    {
        var ids = new int[documents.Count][];
        long bytes = 0;
        for (int i = 0; i < ids.Length; i++)
        {
            string text = documents[i].Text;
            bytes += Encoding.UTF8.GetByteCount(text);
            int[] tokens = _options.ReadMarkers ? _tokenizer.Encode(text) : _tokenizer.EncodeText(text);
            ids[i] = _options.Marks switch
            {
                TokenShardMarks.None => tokens,
                TokenShardMarks.Begin => [_tokenizer.BosId, .. tokens],
                TokenShardMarks.End => [.. tokens, _tokenizer.EosId],
                _ => [_tokenizer.BosId, .. tokens, _tokenizer.EosId],
            };
        }
        return new Batch(ids, bytes);
    }

    private readonly record struct Batch(int[][] Documents, long TextBytes);
}
