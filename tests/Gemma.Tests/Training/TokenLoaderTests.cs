using System.Buffers;
using System.Text.Json;
using CsCheck;
using Gemma.Formats;
using Gemma.Tests.Formats;
using Gemma.Training;

namespace Gemma.Tests.Training;

public class TokenLoaderTests
{
    [Fact]
    public void Every_token_but_the_first_of_each_document_is_predicted_once_a_pass() =>
        Gen.Select(Gen.Int[1, 60].Array[1, 30], Gen.Int[1, 20], Gen.Int[1, 64]).Sample((lengths, sequenceLength, tokens) =>
        {
            if (!lengths.Any(length => length > 1)) return;
            using var temporary = new TemporaryFolder();
            // Each token of the set has an id that nothing else has, as far as the vocabulary goes.
            int next = 0;
            int[][] documents = [.. lengths.Select(length => Enumerable.Range(0, length).Select(_ => next++ % 260).ToArray())];
            using TokenShard shard = Write(temporary["a.tokens"], documents);
            TokenLoader loader = TokenLoader.OnePass(new TokenMixture([new TokenSet("a", [shard])], 5), sequenceLength);
            var batch = new TrainingBatch();
            List<(int Read, int Predicted)> pairs = [];
            while (loader.Next(batch, tokens))
            {
                Assert.True(batch.TokenCount <= tokens || batch.Inputs.Segments.Length == 1);
                Assert.All(batch.Inputs.Segments.ToArray(), segment => Assert.InRange(segment.Count, 1, sequenceLength));
                Assert.Equal(batch.TokenCount, batch.Weight);
                for (int i = 0; i < batch.TokenCount; i++) pairs.Add((batch.Inputs.Tokens[i], batch.Targets[i]));
            }
            Assert.Equal(0, batch.TokenCount);
            IEnumerable<(int, int)> expected = documents.SelectMany(document => document.Zip(document.Skip(1)));
            Assert.Equal(expected.Order(), pairs.Order());
            Assert.Equal(lengths.Count(length => length == 1), loader.TooShort);
            Assert.Equal(lengths.Length, loader.DocumentCount);
        }, iter: 200);

    [Fact]
    public void A_position_that_was_saved_is_gone_on_from_to_the_same_batches() =>
        Gen.Select(Gen.Int[0, 30], Gen.Int[3, 40]).Sample((before, sequenceLength) =>
        {
            using var run = new TrainingRun();
            TokenLoader loader = run.Loader(sequenceLength: sequenceLength), other = run.Loader(sequenceLength: sequenceLength);
            var batch = new TrainingBatch();
            for (int i = 0; i < before; i++) loader.Next(batch, 64);
            JsonElement position = Save(loader);
            other.Restore(position);
            Assert.Equal(position.GetRawText(), Save(other).GetRawText());
            var second = new TrainingBatch();
            for (int i = 0; i < 20; i++)
            {
                Assert.True(loader.Next(batch, 64) && other.Next(second, 64));
                Assert.Equal(batch.Inputs.Tokens, second.Inputs.Tokens);
                Assert.Equal(batch.Inputs.Positions, second.Inputs.Positions);
                Assert.Equal(loader.Documents, other.Documents);
            }
            Assert.Equal(Save(loader).GetRawText(), Save(other).GetRawText());
        }, iter: 30);

    [Fact]
    public void Positions_of_other_data_are_refused()
    {
        using var run = new TrainingRun();
        TokenLoader loader = run.Loader();
        JsonElement position = Save(loader);
        Assert.Contains("seed", Assert.Throws<UsageException>(() => run.Loader(seed: 8).Restore(position)).Message, StringComparison.Ordinal);
        Assert.Contains("set 1: expected train.tokens, found held-out.tokens", Assert.Throws<UsageException>(() => run.Loader("held-out.tokens").Restore(position)).Message, StringComparison.Ordinal);
        foreach (string bad in (string[])["{}", "[]", "3", "{\"documents\":\"x\"}", position.GetRawText().Replace("\"seed\":\"7\"", "\"seed\":\"x\"", StringComparison.Ordinal),
            position.GetRawText().Replace("\"predicted_of_next_document\":0", "\"predicted_of_next_document\":5000", StringComparison.Ordinal)])
            Assert.Throws<GemmaException>(() => loader.Restore(JsonDocument.Parse(bad).RootElement));
        loader.Restore(position);
    }

    [Fact]
    public void Documents_of_one_token_alone_are_an_error_and_no_endless_search()
    {
        using var temporary = new TemporaryFolder();
        using TokenShard shard = Write(temporary["a.tokens"], [[1], [2], [3]]);
        var loader = new TokenLoader(new TokenMixture([new TokenSet("a", [shard])], 5), 8);
        Assert.Contains("two tokens or more", Assert.Throws<GemmaException>(() => loader.Next(new TrainingBatch(), 8)).Message, StringComparison.Ordinal);
    }

    private static JsonElement Save(TokenLoader loader)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer)) loader.Save(json);
        return JsonDocument.Parse(buffer.WrittenMemory).RootElement;
    }

    private static TokenShard Write(string path, int[][] documents)
    {
        using (var writer = TokenShardWriter.Create(path, TrainingRun.Vocabulary, TokenShardMarks.None))
        {
            foreach (int[] document in documents) writer.Add(document);
            writer.Finish();
        }
        return TokenShard.Open(path);
    }
}
