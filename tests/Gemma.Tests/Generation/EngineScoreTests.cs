using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Generation;

/// <summary>Texts that are measured rather than continued, through the same loop.</summary>
public class EngineScoreTests
{
    private static readonly EngineOptions ByHand = new() { RunInBackground = false, KvType = KvType.Float32 };

    public static TheoryData<string> Models => new(Golden.Models);

    private static void Drain(Engine engine)
    {
        while (engine.Step())
        {
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Logits_come_for_every_position_in_order_and_are_those_of_one_pass(string name)
    {
        using GemmaModel model = Golden.Load(name);
        int[] ids = Golden.Logits(name, 200).Ids;
        float[] expected = Golden.Logits(model, ids, KvType.Float32);
        using var engine = new Engine(model, ByHand);
        List<float> actual = [];
        Task done = engine.LogitsAsync(ids, (position, logits) =>
        {
            Assert.Equal(actual.Count, position * model.Config.VocabularySize);
            actual.AddRange(logits);
        });
        Assert.True(engine.Step()); // more than one pass: no more than a few rows are in memory at a time
        Drain(engine);
        await done;
        Assert.Equal(expected, actual);
    }

    [Fact]
    public async Task Scores_are_the_log_probabilities_of_the_official_logits()
    {
        using GemmaModel model = Golden.Load("gemma3-text");
        (int[] ids, float[] logits) = Golden.Logits("gemma3-text", 200);
        using var engine = new Engine(model, ByHand);
        Task<TextScore> scoring = engine.ScoreAsync(ids, top: 3);
        Drain(engine);
        TextScore score = await scoring;
        double sum = 0;
        for (int i = 0; i < ids.Length - 1; i++)
        {
            float[] row = logits[(i * 512)..((i + 1) * 512)];
            double normalizer = Math.Log(row.Sum(x => Math.Exp((double)x)));
            Assert.Equal(row[ids[i + 1]] - normalizer, score.LogProbs[i], 1e-4);
            Assert.Equal(row.Max() - normalizer, score.TopLogProbs![i][0].LogProb, 1e-4);
            sum += normalizer - row[ids[i + 1]];
        }
        Assert.Equal(sum, score.NegativeLogLikelihood, 2e-3);
        Assert.Equal(Math.Exp(sum / (ids.Length - 1)), score.Perplexity, 1e-2);
        Assert.Equal(199, score.LogProbs.Count);
        Assert.Equal(ids, score.Ids);
        Assert.All(score.TopLogProbs!, top => Assert.Equal(3, top.Count));
    }

    [Fact]
    public async Task Texts_that_are_preempted_halfway_give_the_same_once()
    {
        using GemmaModel model = Golden.Load("gemma2-gqa");
        int[] ids = Golden.Logits("gemma2-gqa", 200).Ids[..120];
        using var roomy = new Engine(model, ByHand);
        Task<TextScore> expectedScore = roomy.ScoreAsync(ids);
        Task<float[]> expectedEmbedding = roomy.EmbedAsync(ids);
        Drain(roomy);

        async Task<T> Preempted<T>(Func<Engine, Task<T>> ask)
        {
            // Eight pages: two answers that will need five each, and a text that comes a token at a time and needs four.
            using var engine = new Engine(model, ByHand with { CachePositions = 256, PrefillChunk = 1 });
            GenerationOptions options = GenerationOptions.Greedy with { IgnoreEos = true, MaxTokens = 150, DraftTokens = 0 };
            Sequence[] answers = [engine.Submit([2, 3], options), engine.Submit([2, 4], options)];
            engine.Step();
            engine.Step();
            Task<T> text = ask(engine);
            Drain(engine);
            Assert.True(engine.Scheduler.Preemptions > 0);
            EnginePages.AssertNoneInUse(engine);
            foreach (Sequence answer in answers) Assert.Equal(150, (await answer.Completion).GeneratedTokens);
            return await text;
        }
        Assert.Equal((await expectedScore).LogProbs, (await Preempted(engine => engine.ScoreAsync(ids))).LogProbs);
        Assert.Equal(await expectedEmbedding, await Preempted(engine => engine.EmbedAsync(ids)));
        List<int> positions = [];
        await Preempted(async engine =>
        {
            await engine.LogitsAsync(ids, (position, _) => positions.Add(position));
            return true;
        });
        Assert.Equal(Enumerable.Range(0, ids.Length), positions);
    }

    [Fact]
    public async Task An_embedding_is_the_mean_of_the_final_hidden_states_scaled_to_length_one()
    {
        using GemmaModel model = Golden.Load("gemma1-mha");
        int[] ids = Golden.Logits("gemma1-mha", 48).Ids;
        using KvCache cache = model.CreateCache(64, KvType.Float32);
        using KvSequence sequence = cache.CreateSequence();
        var batch = new Batch();
        batch.Add(sequence, ids, LogitRows.None);
        var hidden = model.Hidden(batch);
        double[] mean = [.. Enumerable.Range(0, model.Config.Width).Select(i => Enumerable.Range(0, ids.Length).Average(row => (double)hidden.Row(row)[i]))];
        double norm = Math.Sqrt(mean.Sum(x => x * x));

        using var engine = new Engine(model, ByHand with { MaxBatchTokens = 11 });
        Task<float[]> embedding = engine.EmbedAsync(ids);
        Drain(engine);
        float[] vector = await embedding;
        Assert.Equal(mean.Select(x => x / norm), vector.Select(x => (double)x), (x, y) => Math.Abs(x - y) < 1e-6);
        Assert.Equal(1, vector.Sum(x => (double)x * x), 1e-6);
    }

    [Fact]
    public void Texts_that_cannot_be_measured_are_refused()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        Assert.Throws<UsageException>(() => { _ = engine.ScoreAsync([2]); });
        Assert.Throws<UsageException>(() => { _ = engine.ScoreAsync([]); });
        Assert.Throws<UsageException>(() => { _ = engine.ScoreAsync([2, 3], top: -1); });
        Assert.Throws<UsageException>(() => { _ = engine.ScoreAsync([2, 700]); });
        Assert.Throws<UsageException>(() => { _ = engine.EmbedAsync(new int[257]); });
        Assert.Throws<UsageException>(() => { _ = engine.LogitsAsync([], (_, _) => { }); });
    }

    [Fact]
    public async Task A_text_as_long_as_the_context_can_be_measured()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand with { CachePositions = 1 });
        Assert.Equal(KvCache.PageTokens, engine.ContextLength);
        int[] ids = [.. Enumerable.Range(2, KvCache.PageTokens)];
        Task<TextScore> score = engine.ScoreAsync(ids);
        Task<float[]> embedding = engine.EmbedAsync(ids);
        int rows = 0;
        Task logits = engine.LogitsAsync(ids, (_, _) => rows++);
        Drain(engine);
        await Task.WhenAll(score, embedding, logits);
        Assert.Equal(ids.Length, rows);
    }
}
