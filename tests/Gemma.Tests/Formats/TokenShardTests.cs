using System.Diagnostics;
using CsCheck;
using Gemma.Formats;
using Gemma.Tests.Tokenization;
using Gemma.Tokenization;

namespace Gemma.Tests.Formats;

public class TokenShardTests
{
    private static readonly SentencePieceModel Tiny = Vocabularies.Tiny.Model;

    [Fact]
    public void Documents_come_back_in_two_bytes_and_in_four() =>
        Gen.Select(Gen.Int[0, 4095].Array[1, 50].Array[0, 20], Gen.Bool, Gen.Int[0, 3]).Sample((documents, large, marks) =>
        {
            SentencePieceModel model = large ? Vocabularies.Gemma.Model : Tiny;
            int[][] expected = large ? [.. documents.Select(document => document.Select(id => id * 62).ToArray())] : documents;
            using var temporary = new TemporaryFolder();
            string hash = Write(temporary["a.tokens"], model, (TokenShardMarks)marks, expected);
            Assert.Equal(["a.tokens"], temporary.Names);
            using var shard = TokenShard.Open(temporary["a.tokens"]);
            Assert.Equal(expected, Documents(shard));
            Assert.Equal((hash, model.Hash, model.Pieces.Length, (TokenShardMarks)marks), (shard.ContentHash, shard.TokenizerHash, shard.VocabularySize, shard.Marks));
            Assert.Equal(128 + (expected.Sum(document => document.Length) * (large ? 4 : 2) + 7) / 8 * 8 + 8 * expected.Length, new FileInfo(temporary["a.tokens"]).Length);
        }, iter: 100);

    [Fact]
    public void A_document_larger_than_any_buffer_comes_back_and_is_read_in_parts()
    {
        using var temporary = new TemporaryFolder();
        int[] ids = [.. Enumerable.Range(0, 1_500_001).Select(i => (int)(i * 7919L % 4096))];
        Write(temporary["a.tokens"], Tiny, TokenShardMarks.None, [1, 2], ids, [3]);
        using var shard = TokenShard.Open(temporary["a.tokens"]);
        Assert.Equal(ids, Documents(shard)[1]);
        int[] across = new int[4];
        shard.Read(1, across.AsSpan(0, 2));
        Assert.Equal([2, ids[0]], across[..2]);
        shard.Read(shard.TokenCount - 4, across);
        Assert.Equal([.. ids[^3..], 3], across);
        Assert.Throws<ArgumentOutOfRangeException>(() => shard.Read(shard.TokenCount - 3, across));
        Assert.Throws<ArgumentOutOfRangeException>(() => shard.Length(3));
    }

    [Fact]
    public void A_file_cut_anywhere_is_refused()
    {
        byte[] file = Small();
        for (int length = 1; length < file.Length; length++) Refused(file[..length], verify: false);
        Refused([.. file, 0], verify: false);
        Refused([.. file, .. new byte[8]], verify: false);
    }

    [Fact]
    public void A_change_of_any_bit_is_refused()
    {
        byte[] file = Small();
        for (int bit = 0; bit < 8 * file.Length; bit++)
        {
            byte[] changed = [.. file];
            changed[bit / 8] ^= (byte)(1 << bit % 8);
            Refused(changed, verify: true);
        }
    }

    [Fact]
    public void An_id_outside_the_vocabulary_is_refused_whoever_wrote_it()
    {
        byte[] file = Small();
        (file[128], file[129]) = (0xFF, 0xFF);
        using var shard = TokenShard.Of(MappedFile.Of("a.tokens", file), verify: false);
        string message = Assert.Throws<BadFileException>(() => shard.Read(0, new int[2])).Message;
        Assert.Contains("a.tokens: tokens 0 to 1: expected ids below 4096, found 65535", message, StringComparison.Ordinal);
        using var temporary = new TemporaryFolder();
        using var writer = TokenShardWriter.Create(temporary["b.tokens"], Tiny, TokenShardMarks.None);
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Add([4096]));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Add([-1]));
        Assert.Throws<ArgumentException>(() => writer.Add([]));
    }

    [Fact]
    public void What_is_not_finished_leaves_nothing_and_what_is_there_stays()
    {
        using var temporary = new TemporaryFolder();
        Write(temporary["a.tokens"], Tiny, TokenShardMarks.None, [1]);
        byte[] before = File.ReadAllBytes(temporary["a.tokens"]);
        Assert.Throws<UsageException>(() => Write(temporary["a.tokens"], Tiny, TokenShardMarks.None, [2]));
        using (var writer = TokenShardWriter.Create(temporary["a.tokens"], Tiny, TokenShardMarks.None, replace: true)) writer.Add([2]);
        Assert.Equal(["a.tokens"], temporary.Names);
        Assert.Equal(before, File.ReadAllBytes(temporary["a.tokens"]));
    }

    [Fact]
    public void A_tokenizer_has_one_hash_in_every_file_format()
    {
        var metadata = new GgufMetadata("test");
        Tiny.ToGguf(metadata);
        Assert.Equal(Tiny.Hash, SentencePieceModel.FromGguf(metadata).Hash);
        Assert.NotEqual(Tiny.Hash, Vocabularies.Gemma.Model.Hash);
        Assert.Equal(64, Tiny.Hash.Length);
    }

    [Fact]
    public void A_writer_that_is_killed_leaves_a_whole_shard_old_or_new()
    {
        using var temporary = new TemporaryFolder();
        var random = new Random(5);
        int interrupted = 0;
        for (int kill = 0; kill < 8; kill++)
        {
            using Process child = ChildProgram.Start("tokens", temporary["a.tokens"], Vocabularies.TinyFile);
            for (var time = Stopwatch.StartNew(); !temporary.Names.Any(name => name.EndsWith(".tmp", StringComparison.Ordinal)); Thread.Sleep(1))
                Assert.True(time.Elapsed < TimeSpan.FromSeconds(30) && !child.HasExited, "the child wrote nothing");
            Thread.Sleep(random.Next(60));
            child.Kill();
            child.WaitForExit();
            if (temporary.Names.Any(name => name.EndsWith(".tmp", StringComparison.Ordinal))) interrupted++;
            if (!File.Exists(temporary["a.tokens"])) continue; // killed before the first was whole
            using var shard = TokenShard.Open(temporary["a.tokens"]);
            Assert.Equal(20, shard.DocumentCount);
            Assert.Single(Documents(shard).SelectMany(ids => ids).Distinct());
        }
        Assert.True(interrupted > 0, "no writer was killed at work");
        Write(temporary["a.tokens"], Tiny, TokenShardMarks.None, replace: true, [1]);
        Assert.Equal(["a.tokens"], temporary.Names); // the next writer takes the leftovers away
    }

    internal static string Write(string path, SentencePieceModel model, TokenShardMarks marks, params int[][] documents) => Write(path, model, marks, replace: false, documents);

    private static string Write(string path, SentencePieceModel model, TokenShardMarks marks, bool replace, params int[][] documents)
    {
        using var writer = TokenShardWriter.Create(path, model, marks, replace);
        foreach (int[] document in documents) writer.Add(document);
        long bytes = writer.ByteCount;
        string hash = writer.Finish();
        Assert.Equal(bytes, new FileInfo(path).Length);
        return hash;
    }

    private static int[][] Documents(TokenShard shard) => [.. Enumerable.Range(0, (int)shard.DocumentCount).Select(document =>
    {
        int[] ids = new int[shard.Length(document)];
        shard.Read(shard.Start(document), ids);
        return ids;
    })];

    private static byte[] Small()
    {
        using var temporary = new TemporaryFolder();
        Write(temporary["a.tokens"], Tiny, TokenShardMarks.Begin | TokenShardMarks.End, [2, 17, 18, 1], [2, 1], [2, 4095, 1]);
        return File.ReadAllBytes(temporary["a.tokens"]);
    }

    private static void Refused(byte[] file, bool verify)
    {
        var failure = Assert.Throws<BadFileException>(() => TokenShard.Of(MappedFile.Of("a.tokens", file), verify));
        Assert.StartsWith("a.tokens: ", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(failure.Message, char.IsControl);
    }
}
