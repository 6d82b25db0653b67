using System.Text.Json;
using Gemma.Data;
using Gemma.Formats;
using Gemma.Tests.Formats;
using Gemma.Tests.Tokenization;
using Gemma.Tokenization;

namespace Gemma.Tests.Data;

public sealed class DocumentTokenizerTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();
    private readonly SentencePieceTokenizer _tokenizer = Vocabularies.Tiny;

    [Fact]
    public void Documents_of_all_sources_are_in_the_shards_in_order_and_the_receipt_counts_them()
    {
        DocumentSource[] sources = [Text("a.txt", "The king.", "A queen.\nTwo lines."), Jsonl("b.jsonl", "{\"text\": \"The sky <end_of_turn>\"}", "{}", "{\"text\": \"is blue.\"}")];
        TokenizeReceipt receipt = Run(sources, new TokenizeOptions());
        Assert.Equal(["00000.tokens", "receipt.json"], Files());
        using TokenShard shard = TokenShard.Open(Path.Combine(_temporary["out"], "00000.tokens"));
        string[] texts = ["The king.", "A queen.\nTwo lines.", "The sky <end_of_turn>", "is blue."];
        int[][] expected = [.. texts.Select(text => (int[])[_tokenizer.BosId, .. _tokenizer.EncodeText(text), _tokenizer.EosId])];
        Assert.Equal(expected, Documents(shard));
        Assert.Equal((TokenShardMarks.Begin | TokenShardMarks.End, _tokenizer.Model.Hash), (shard.Marks, shard.TokenizerHash));

        JsonElement json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(_temporary["out"], "receipt.json"))).RootElement;
        Assert.Equal(receipt.Tokens, json.GetProperty("tokens").GetInt64());
        Assert.Equal(shard.TokenCount, receipt.Tokens);
        Assert.Equal(_tokenizer.Model.Hash, json.GetProperty("tokenizer").GetProperty("hash").GetString());
        Assert.Equal(shard.ContentHash, json.GetProperty("shards")[0].GetProperty("hash").GetString());
        JsonElement second = json.GetProperty("sources")[1];
        Assert.Equal((2, 1), (second.GetProperty("documents").GetInt64(), second.GetProperty("skipped").GetInt64()));
        Assert.Equal(29, second.GetProperty("text_bytes").GetInt64());
        Assert.Equal(2, second.GetProperty("skipped_rows")[0].GetProperty("number").GetInt64());
        Assert.Equal("no such field", second.GetProperty("skipped_rows")[0].GetProperty("found").GetString());
    }

    [Theory]
    [InlineData(TokenShardMarks.None, false)]
    [InlineData(TokenShardMarks.Begin, true)]
    [InlineData(TokenShardMarks.End, false)]
    public void Marks_and_markers_are_as_told(TokenShardMarks marks, bool markers)
    {
        const string Turn = "<start_of_turn>user";
        Run([Text("a.txt", Turn)], new TokenizeOptions { Marks = marks, ReadMarkers = markers });
        using TokenShard shard = TokenShard.Open(Path.Combine(_temporary["out"], "00000.tokens"));
        int[] ids = markers ? _tokenizer.Encode(Turn) : _tokenizer.EncodeText(Turn);
        Assert.Equal(marks switch { TokenShardMarks.None => ids, TokenShardMarks.Begin => [_tokenizer.BosId, .. ids], _ => [.. ids, _tokenizer.EosId] }, Documents(shard)[0]);
        Assert.Equal(markers, ids.Contains(_tokenizer.StartOfTurnId!.Value));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void The_number_of_threads_changes_nothing_and_shards_have_a_size(int threads)
    {
        DocumentSource source = Text("a.txt", [.. Enumerable.Range(0, 20_000).Select(i => $"The king number {i} went to the river and said: {i * 7919L % 1000}.")]);
        TokenizeReceipt receipt = Run([source], new TokenizeOptions { Threads = threads, ShardBytes = 400_000 });
        Assert.InRange(receipt.Shards.Count, 3, 10);
        Assert.All(receipt.Shards.SkipLast(1), shard => Assert.InRange(shard.Bytes, 400_000, 400_200));
        Assert.All(receipt.Shards, shard => Assert.Equal(shard.Bytes, new FileInfo(Path.Combine(_temporary["out"], shard.File)).Length));
        TokenizeReceipt one = new DocumentTokenizer(_tokenizer, new TokenizeOptions { Threads = 1, ShardBytes = 400_000 }).Run([source], _temporary["one"]);
        Assert.Equal(one.Shards, receipt.Shards);
        Assert.Equal(File.ReadAllBytes(Path.Combine(_temporary["one"], "receipt.json")), File.ReadAllBytes(Path.Combine(_temporary["out"], "receipt.json")));
        var set = TokenSet.Open(_temporary["out"]);
        Assert.Equal(20_000, set.Shards.Sum(shard => shard.DocumentCount));
        foreach (TokenShard shard in set.Shards) shard.Dispose();
    }

    [Fact]
    public void A_source_that_is_missing_or_damaged_leaves_no_folder()
    {
        DocumentSource good = Text("a.txt", "The king."), missing = new() { Path = _temporary["b.txt"] };
        Assert.Contains("b.txt: no such file", Assert.Throws<UsageException>(() => Run([good, missing], new TokenizeOptions())).Message, StringComparison.Ordinal);
        File.WriteAllBytes(_temporary["c.txt.gz"], [1, 2, 3]);
        Assert.Throws<BadFileException>(() => Run([good, missing with { Path = _temporary["c.txt.gz"] }], new TokenizeOptions()));
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => new DocumentTokenizer(_tokenizer, new TokenizeOptions()).Run([good], _temporary["out"], source.Token));
        Assert.Equal(["a.txt", "c.txt.gz"], _temporary.Names);
    }

    [Fact]
    public void Sources_without_any_document_are_refused_with_an_example()
    {
        string message = Assert.Throws<GemmaException>(() => Run([Jsonl("a.jsonl", "{}", "x")], new TokenizeOptions())).Message;
        Assert.Contains("a.jsonl: expected documents, found none (2 rows were skipped, the first, 1, for want of an object such as {\"text\": \"…\"}: found no such field)", message, StringComparison.Ordinal);
        Assert.Equal(["a.jsonl"], _temporary.Names);
    }

    [Fact]
    public void A_folder_that_is_there_is_replaced_only_when_told_and_never_one_with_other_files()
    {
        DocumentSource source = Text("a.txt", "The king.");
        Run([source], new TokenizeOptions());
        Assert.Throws<UsageException>(() => Run([source], new TokenizeOptions()));
        Run([source], new TokenizeOptions { Replace = true, Marks = TokenShardMarks.None });
        using (TokenShard shard = TokenShard.Open(Path.Combine(_temporary["out"], "00000.tokens"))) Assert.Equal(TokenShardMarks.None, shard.Marks);
        File.WriteAllText(Path.Combine(_temporary["out"], "mine.txt"), "x");
        Assert.Contains("mine.txt", Assert.Throws<UsageException>(() => Run([source], new TokenizeOptions { Replace = true })).Message, StringComparison.Ordinal);
        Assert.Equal(["00000.tokens", "mine.txt", "receipt.json"], Files());
    }

    public void Dispose() => _temporary.Dispose();

    private TokenizeReceipt Run(DocumentSource[] sources, TokenizeOptions options) => new DocumentTokenizer(_tokenizer, options).Run(sources, _temporary["out"]);

    private string[] Files() => [.. Directory.GetFiles(_temporary["out"]).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    private DocumentSource Text(string name, params string[] documents)
    {
        File.WriteAllText(_temporary[name], string.Join("\n\n", documents));
        return new DocumentSource { Path = _temporary[name], Split = TextSplit.BlankLine };
    }

    private DocumentSource Jsonl(string name, params string[] lines)
    {
        File.WriteAllText(_temporary[name], string.Join('\n', lines));
        return new DocumentSource { Path = _temporary[name], Format = DocumentFormat.Jsonl };
    }

    private static int[][] Documents(TokenShard shard) => [.. Enumerable.Range(0, (int)shard.DocumentCount).Select(document =>
    {
        int[] ids = new int[shard.Length(document)];
        shard.Read(shard.Start(document), ids);
        return ids;
    })];
}
