using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Gemma.Data;
using Gemma.Tests.Formats;
using Parquet;

namespace Gemma.Tests.Data;

public sealed class DocumentReaderTests : IDisposable
{
    private const string Story = "Once upon a time.\r\n\n  \nA king\nand a queen.\n\n\n日本\n";

    private readonly TemporaryFolder _temporary = new();

    [Theory]
    [InlineData(TextSplit.File, "Once upon a time.\r\n\n  \nA king\nand a queen.\n\n\n日本\n")]
    [InlineData(TextSplit.BlankLine, "Once upon a time.", "A king\nand a queen.", "日本")]
    [InlineData(TextSplit.Line, "Once upon a time.", "A king", "and a queen.", "日本")]
    public void A_text_is_split_where_it_is_told(TextSplit split, params string[] expected)
    {
        File.WriteAllText(_temporary["a.txt"], '\uFEFF' + Story);
        var reader = new DocumentReader(new DocumentSource { Path = _temporary["a.txt"], Split = split });
        Document[] documents = [.. reader.Read()];
        Assert.Equal(expected, documents.Select(document => document.Text));
        Assert.Equal(split switch { TextSplit.File => [1], TextSplit.BlankLine => [1, 4, 8], _ => [1, 4, 5, 8] }, documents.Select(document => document.Number));
        byte[] file = File.ReadAllBytes(_temporary["a.txt"]);
        Assert.Equal((0, file.Length, Convert.ToHexStringLower(SHA256.HashData(file))), (reader.Skipped.Count, reader.ByteCount, reader.Hash));
    }

    [Fact]
    public void A_compressed_file_is_read_like_another()
    {
        foreach (string name in (string[])["a.txt", "a.txt.gz", "a.txt.zst"])
        {
            Write(name, Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(Story + "\n", 20_000))));
            var reader = new DocumentReader(new DocumentSource { Path = _temporary[name], Split = TextSplit.BlankLine });
            Assert.Equal(60_000, reader.Read().Count());
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(_temporary[name]))), reader.Hash);
        }
    }

    [Theory]
    [InlineData("a.jsonl.gz")]
    [InlineData("a.jsonl.zst")]
    public void A_compressed_file_that_is_cut_short_or_damaged_is_refused(string name)
    {
        Write(name, Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 5000).Select(i => $"{{\"text\": \"story {i * 7919 % 5003}\"}}\n"))));
        byte[] whole = File.ReadAllBytes(_temporary[name]);
        File.WriteAllBytes(_temporary[name], whole[..(whole.Length / 2)]);
        Refused(name, DocumentFormat.Jsonl);
        for (int i = 0; i < 200; i++) whole[(whole.Length / 2) + i] ^= 0x55;
        File.WriteAllBytes(_temporary[name], whole);
        Refused(name, DocumentFormat.Jsonl);
    }

    [Fact]
    public void Lines_that_are_none_are_skipped_counted_and_named()
    {
        string[] lines = ["{\"text\": \"a\"}", "{\"text\": 5}", "", "{\"text\": \"b\"", "{\"txt\": \"b\"}", "{\"text\": \"\"}", "{\"text\": \"\\u0000\"}", "{\"text\": \"\\ud800 \\n\", \"more\": [1]}"];
        Write("a.jsonl", [.. Encoding.UTF8.GetBytes(string.Join('\n', lines) + "\n"), 0xFF, (byte)'\n', .. "{\"text\": \"z\"}"u8]);
        var reader = new DocumentReader(new DocumentSource { Path = _temporary["a.jsonl"], Format = DocumentFormat.Jsonl });
        Assert.Equal([new("a", 1), new("\uFFFD \n", 8), new("z", 10)], reader.Read());
        Assert.Equal(7, reader.Skipped.Count);
        Assert.Equal([2, 3, 4, 5, 6, 7, 9], reader.Skipped.Named.Select(row => row.Number));
        Assert.Equal(new SkippedRow(2, "an object such as {\"text\": \"…\"}", "a value that is no string"), reader.Skipped.Named[0]);
        Assert.Equal(7, reader.Skipped.Counts.Values.Sum());
        Assert.Equal(2, reader.Skipped.Counts["a text"]);
    }

    [Fact]
    public void Only_the_first_skipped_lines_are_named_but_all_are_counted()
    {
        File.WriteAllText(_temporary["a.jsonl"], string.Concat(Enumerable.Repeat("{}\n", 3000)));
        var reader = new DocumentReader(new DocumentSource { Path = _temporary["a.jsonl"], Format = DocumentFormat.Jsonl });
        Assert.Empty(reader.Read());
        Assert.Equal((3000, SkippedRows.MostNamed), (reader.Skipped.Count, reader.Skipped.Named.Count));
    }

    [Theory]
    [InlineData(new byte[] { (byte)'a', 0x80, (byte)'b' }, "text in UTF-8", "byte 0x80 that is none")]
    [InlineData(new byte[] { (byte)'a', 0, (byte)'b', 0 }, "a text", "zero bytes: it is binary, or text in UTF-16")]
    [InlineData(new byte[0], "a text", "an empty one")]
    public void A_file_that_is_no_text_is_skipped_and_named(byte[] content, string expected, string found)
    {
        Write("a.txt", content);
        var reader = new DocumentReader(new DocumentSource { Path = _temporary["a.txt"] });
        Assert.Empty(reader.Read());
        Assert.Equal([new SkippedRow(1, expected, found)], reader.Skipped.Named);
    }

    [Theory]
    [InlineData(CompressionMethod.None)]
    [InlineData(CompressionMethod.Snappy)]
    [InlineData(CompressionMethod.Gzip)]
    [InlineData(CompressionMethod.Zstd)]
    public async Task A_column_of_a_Parquet_file_is_read_in_order(CompressionMethod compression)
    {
        await WriteParquet("a.parquet", compression, groups: 3, rows: 1000);
        var reader = new DocumentReader(new DocumentSource { Path = _temporary["a.parquet"], Format = DocumentFormat.Parquet, Field = "body" });
        Document[] documents = [.. reader.Read()];
        // Every tenth is null, every tenth empty.
        Assert.Equal(2400, documents.Length);
        Assert.Equal(new Document("story 2 日本", 3), documents[0]);
        Assert.Equal(new Document("story 2999 日本", 3000), documents[^1]);
        Assert.Equal(600, reader.Skipped.Count);
        Assert.Equal([new(1, "a text", "null"), new(2, "a text", "an empty one")], reader.Skipped.Named.Take(2));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(_temporary["a.parquet"]))), reader.Hash);
    }

    [Fact]
    public async Task A_Parquet_file_that_is_damaged_or_lacks_the_column_is_refused()
    {
        await WriteParquet("a.parquet", CompressionMethod.Snappy, groups: 1, rows: 50);
        byte[] whole = File.ReadAllBytes(_temporary["a.parquet"]);
        Assert.Contains("a column text, found id, body; name one of these with --field", Refused("a.parquet", DocumentFormat.Parquet), StringComparison.Ordinal);
        Assert.Contains("name a column of strings", Refused("a.parquet", DocumentFormat.Parquet, "id"), StringComparison.Ordinal);
        int refused = 0;
        for (int seed = 0; seed < 300; seed++)
        {
            Write("b.parquet", new Mutator(seed).Mutate(whole, whole.Length));
            try
            {
                foreach (Document document in new DocumentReader(new DocumentSource { Path = _temporary["b.parquet"], Format = DocumentFormat.Parquet, Field = "body" }).Read())
                    Assert.NotEmpty(document.Text);
            }
            catch (GemmaException failure)
            {
                Assert.DoesNotContain('\n', failure.Message);
                refused++;
            }
        }
        Assert.InRange(refused, 100, 299);
        Write("c.parquet", whole[..(whole.Length / 2)]);
        Refused("c.parquet", DocumentFormat.Parquet, "body");
    }

    [Fact]
    public void A_folder_is_all_documents_below_it_by_name()
    {
        Directory.CreateDirectory(_temporary["b"]);
        foreach (string name in (string[])["z.txt", "b/a.jsonl.gz", "b/x.png", "a.parquet", "SOURCE", "m.MD"]) File.WriteAllText(_temporary[name], "x");
        Assert.Equal(["a.parquet", "b/a.jsonl.gz", "m.MD", "z.txt"], DocumentSource.Find(_temporary.Root).Select(file => Path.GetRelativePath(_temporary.Root, file)));
        Assert.Equal((DocumentFormat.Jsonl, DocumentFormat.Parquet, DocumentFormat.Text), (DocumentSource.FormatOf("b/a.jsonl.gz"), DocumentSource.FormatOf("a.PARQUET"), DocumentSource.FormatOf("a")));
        Directory.CreateDirectory(_temporary["empty"]);
        Assert.Contains("found none", Assert.Throws<UsageException>(() => DocumentSource.Find(_temporary["empty"])).Message, StringComparison.Ordinal);
        Assert.Contains("no such file", Assert.Throws<UsageException>(() => DocumentSource.Find(_temporary["nowhere"])).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _temporary.Dispose();

    private void Write(string name, byte[] content)
    {
        using var file = File.Create(_temporary[name]);
        using Stream stream = Path.GetExtension(name) switch
        {
            ".gz" => new GZipStream(file, CompressionLevel.Fastest),
            ".zst" => new ZstdSharp.CompressionStream(file),
            _ => file,
        };
        stream.Write(content);
    }

    private Task WriteParquet(string name, CompressionMethod compression, int groups, int rows) => ParquetFiles.Write(_temporary[name], compression, groups, rows);

    private string Refused(string name, DocumentFormat format, string field = "text")
    {
        var reader = new DocumentReader(new DocumentSource { Path = _temporary[name], Format = format, Field = field });
        string message = Assert.Throws<BadFileException>(() => reader.Read().Count()).Message;
        Assert.Contains(name, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
