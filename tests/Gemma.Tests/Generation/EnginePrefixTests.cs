using CsCheck;
using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Generation;

/// <summary>What one request computed serves the others, and nobody can tell but by the clock.</summary>
public class EnginePrefixTests
{
    private static readonly EngineOptions ByHand = new() { RunInBackground = false };
    private static readonly GenerationOptions Few = new() { MaxTokens = 8, IgnoreEos = true, Seed = 3, LogProbs = 2 };

    public static TheoryData<string> Models => new(Golden.Models);

    private static void Drain(Engine engine)
    {
        while (engine.Step())
        {
        }
    }

    private static GenerationResult Answer(Engine engine, int[] prompt, GenerationOptions options)
    {
        Sequence sequence = engine.Submit(prompt, options);
        Drain(engine);
        return Result(sequence);
    }

    private static GenerationResult Result(Sequence sequence)
    {
        Assert.True(sequence.Completion.IsCompleted);
        return sequence.Completion.GetAwaiter().GetResult();
    }

    private static List<string> Tokens(Sequence sequence)
    {
        List<string> tokens = [];
        IAsyncEnumerator<GeneratedToken> stream = sequence.GetAsyncEnumerator();
        while (stream.MoveNextAsync().AsTask().Result)
            tokens.Add($"{stream.Current.Id} {stream.Current.LogProb:R} {string.Join(' ', stream.Current.TopLogProbs ?? [])}");
        return tokens;
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_prompt_that_begins_like_another_computes_its_own_end_only_and_gives_the_same_bits(string name)
    {
        using GemmaModel model = Golden.Load(name);
        int[] ids = Golden.Logits(name, 200).Ids;
        int[][] prompts = [ids, ids, [.. ids[..150], .. ids[..20]], ids[..33], ids[..32], ids[..1], [.. ids[1..], 5]];
        int[] cached = [0, 192, 128, 32, 0, 0, 0];
        using Engine with = new(model, ByHand), without = new(model, ByHand with { PrefixCache = false });
        for (int i = 0; i < prompts.Length; i++)
        {
            Sequence sequence = with.Submit(prompts[i], Few), reference = without.Submit(prompts[i], Few);
            Drain(with);
            Drain(without);
            Assert.Equal(Tokens(reference), Tokens(sequence));
            Assert.Equal(cached[i], Result(sequence).CachedPromptTokens);
            Assert.Equal(0, Result(reference).CachedPromptTokens);
        }
        EnginePages.AssertNoneInUse(with);
        Assert.Equal(without.Cache.Capacity / KvCache.PageTokens, without.Cache.FreePages);
        EngineStatistics statistics = with.Statistics;
        Assert.Equal((7, 3, prompts.Sum(prompt => prompt.Length), cached.Sum()),
            (statistics.Prompts, statistics.PrefixHits, statistics.PromptTokens, statistics.CachedPromptTokens));
        Assert.Equal((with.Prefixes!.Pages, 0, 0, 0), (statistics.CachedPages, statistics.UsedPages, statistics.Running, statistics.Waiting));
    }

    [Fact]
    public void An_answer_is_kept_like_a_prompt()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        int[] prompt = Golden.Logits("gemma1-mqa", 48).Ids;
        GenerationResult first = Answer(engine, prompt, Few with { MaxTokens = 100 });
        Assert.Equal(128, Answer(engine, [.. prompt, .. first.Ids, 5], Few).CachedPromptTokens); // 48 + 99 computed: four pages
    }

    [Fact]
    public void Prompts_that_come_together_are_computed_once()
    {
        using GemmaModel model = Golden.Load("gemma2-gqa");
        int[] ids = Golden.Logits("gemma2-gqa", 200).Ids;
        int[][] prompts = [ids, ids, [.. ids[..170], 9, 8], [.. ids[..100], 7], [.. Enumerable.Repeat(3, 150)]];
        using Engine together = new(model, ByHand with { MaxBatchTokens = 70 }), alone = new(model, ByHand with { PrefixCache = false });
        Sequence[] sequences = [.. prompts.Select(prompt => together.Submit(prompt, Few))];
        Drain(together);
        Assert.Equal([0, 192, 160, 0, 0], sequences.Select(sequence => Result(sequence).CachedPromptTokens)); // for three pages nobody waits
        for (int i = 0; i < prompts.Length; i++)
        {
            Sequence reference = alone.Submit(prompts[i], Few);
            Drain(alone);
            Assert.Equal(Tokens(reference), Tokens(sequences[i]));
        }
    }

    [Fact]
    public void Who_waits_for_another_goes_on_when_that_is_cancelled()
    {
        using GemmaModel model = Golden.Load("gemma2-gqa");
        int[] ids = Golden.Logits("gemma2-gqa", 200).Ids;
        using var engine = new Engine(model, ByHand with { MaxBatchTokens = 64 });
        Sequence first = engine.Submit(ids, Few), second = engine.Submit(ids, Few);
        engine.Step();
        first.Cancel();
        Drain(engine);
        Assert.Equal((8, 64), (Result(second).GeneratedTokens, Result(second).CachedPromptTokens)); // what the first had done
        Assert.Empty(Result(first).Ids);
        EnginePages.AssertNoneInUse(engine);
    }

    [Fact]
    public void Requests_share_with_those_of_their_salt_only()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        int[] ids = Golden.Logits("gemma1-mqa", 200).Ids;
        string?[] salts = [null, "a", "b", "a", null, "", "b"], running = ["c", "d", "c"];
        int[] cached = [.. salts.Select(salt => Answer(engine, ids, Few with { CacheSalt = salt }).CachedPromptTokens)];
        Assert.Equal([0, 0, 0, 192, 192, 0, 192], cached);

        // Nor while they run: side by side, both compute.
        Sequence[] sequences = [.. running.Select(salt => engine.Submit(ids, Few with { CacheSalt = salt }))];
        Drain(engine);
        Assert.Equal([0, 0, 192], sequences.Select(sequence => Result(sequence).CachedPromptTokens));
        Assert.All(sequences, sequence => Assert.Equal(Result(sequences[0]).Ids, Result(sequence).Ids));
    }

    [Fact]
    public void What_is_kept_goes_the_oldest_first_and_before_anything_that_runs()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand with { CachePositions = 320 });
        int[][] prompts = [.. Enumerable.Range(0, 3).Select(i => (int[])[2, .. Enumerable.Range(0, 99).Select(k => (k * 7 + i * 31) % 500)])];
        GenerationOptions one = Few with { MaxTokens = 1 };
        foreach (int[] prompt in prompts) Answer(engine, prompt, one); // three pages each
        Assert.Equal(96, Answer(engine, prompts[0], one).CachedPromptTokens);
        Assert.Equal((9, 1), (engine.Prefixes!.Pages, engine.Cache.FreePages));

        // Seven pages of its own while it runs: one is free, and all of the second and the third prompt go, of the latter what is behind first.
        Sequence long1 = engine.Submit([2, 3], Few with { MaxTokens = 200 });
        Drain(engine);
        Assert.Equal((0, 200), (engine.Scheduler.Preemptions, Result(long1).GeneratedTokens));
        Assert.Equal(96, Answer(engine, prompts[0], one).CachedPromptTokens);
        EnginePages.AssertNoneInUse(engine);
    }

    [Fact]
    public async Task Texts_that_are_measured_neither_use_nor_leave_anything()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        int[] ids = Golden.Logits("gemma1-mqa", 200).Ids;
        Task<TextScore> first = engine.ScoreAsync(ids);
        Task<float[]> embedding = engine.EmbedAsync(ids);
        Drain(engine);
        Assert.Equal(0, engine.Prefixes!.Pages);
        Answer(engine, ids, Few);
        Task<TextScore> second = engine.ScoreAsync(ids);
        Task<float[]> again = engine.EmbedAsync(ids);
        Drain(engine);
        Assert.Equal((await first).LogProbs, (await second).LogProbs);
        Assert.Equal(await embedding, await again);
    }

    [Fact]
    public async Task What_a_failed_pass_left_behind_is_used_by_nobody()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using Engine engine = new(model, ByHand), reference = new(model, ByHand with { PrefixCache = false });
        int[] ids = Golden.Logits("gemma1-mqa", 200).Ids[..90];
        Sequence failing = engine.Submit(ids, Few);
        engine.Step();
        // 64 positions are in the tree; a number that is none gets among the others.
        unsafe
        {
            new Span<float>(engine.Cache.Page(failing.Cache.Pages[2]), (int)engine.Cache.PageBytes / 4).Fill(float.NaN);
        }
        Drain(engine);
        await Assert.ThrowsAsync<GemmaException>(() => failing.Completion);
        EnginePages.AssertNoneInUse(engine);
        Assert.Equal(2, engine.Prefixes!.Pages);
        GenerationResult second = Answer(engine, ids, Few);
        Assert.Equal(64, second.CachedPromptTokens);
        Assert.Equal(Answer(reference, ids, Few).Ids, second.Ids);
    }

    private sealed record Wish(int Text, int Length, GenerationOptions Options, int ArrivesAt, int? CancelledAfter);

    private static readonly Gen<Wish> Wishes = Gen.Select(Gen.Int[0, 5], Gen.Int[1, 120], Gen.OneOf(Gen.Int[1, 20], Gen.Int[60, 100], Gen.Int[60, 100]), Gen.ULong, Gen.Int[0, 60],
        Gen.OneOf(-1, -1, -1, -1, -1, 0, 7, 30), Gen.OneOf<string?>(null, null, null, "tenant"), Gen.Int[0, 12],
        (text, length, max, seed, arrives, cancelled, salt, kind) => new Wish(text, length, new GenerationOptions
        {
            MaxTokens = max,
            Temperature = kind % 3 == 0 ? 0 : 1,
            FrequencyPenalty = kind % 2 == 0 ? 0.3f : 0,
            Seed = seed,
            LogProbs = 1,
            IgnoreEos = kind != 0,
            CacheSalt = salt,
            LogitBias = kind == 12 ? Enumerable.Range(0, 512).ToDictionary(id => id, _ => float.NegativeInfinity) : null, // fails with its first token
        }, arrives, cancelled < 0 ? null : cancelled));

    private static readonly Gen<EngineOptions> Limits = Gen.Select(Gen.Int[224, 300], Gen.Int[1, 200], Gen.Int[1, 64], Gen.Int[1, 12],
        (positions, batch, chunk, sequences) =>
            ByHand with { CachePositions = positions, MaxBatchTokens = batch, PrefillChunk = chunk, MaxSequences = sequences });

    /// <summary>A tree of texts that branch after 0, 40 and 80 ids.</summary>
    private static int[] Prompt(Wish wish) => [.. Enumerable.Range(0, wish.Length).Select(i => i == 0 ? 2 : (i * 37 + (wish.Text >> (3 - i / 40)) * 101) % 500 + 3)];

    [Fact]
    public void With_and_without_the_cache_the_answers_are_the_same_whatever_is_evicted_preempted_cancelled_or_fails()
    {
        long preemptions = 0, cached = 0, prompts = 0;
        using GemmaModel model = Golden.Load("gemma3-text");
        using var alone = new Engine(model, ByHand with { PrefixCache = false });
        Gen.Select(Wishes.Array[5, 25], Limits).Sample((wishes, limits) =>
        {
            using var engine = new Engine(model, limits);
            var sequences = new Sequence[wishes.Length];
            for (int step = 0; step <= 60 || engine.Scheduler.Count > 0; step++)
            {
                for (int i = 0; i < wishes.Length; i++)
                {
                    if (wishes[i].ArrivesAt == step) sequences[i] = engine.Submit(Prompt(wishes[i]), wishes[i].Options);
                    if (wishes[i].CancelledAfter is int after && wishes[i].ArrivesAt + after == step) sequences[i].Cancel();
                }
                engine.Step();
            }
            EnginePages.AssertNoneInUse(engine);
            preemptions += engine.Statistics.Preemptions;
            cached += engine.Statistics.CachedPromptTokens;
            prompts += engine.Statistics.PromptTokens;

            for (int i = 0; i < wishes.Length; i++)
            {
                Sequence reference = alone.Submit(Prompt(wishes[i]), wishes[i].Options);
                Drain(alone);
                if (wishes[i].Options.LogitBias is not null)
                {
                    Assert.True(sequences[i].Completion.IsFaulted || wishes[i].CancelledAfter is not null);
                    continue;
                }
                List<string> expected = Tokens(reference), actual = Tokens(sequences[i]);
                if (Result(sequences[i]).FinishReason == FinishReason.Cancelled) expected = expected[..actual.Count];
                Assert.Equal(expected, actual);
            }
        }, seed: "0000000000003", iter: 40, threads: 1);
        Assert.True(preemptions > 20, $"{preemptions} preemptions: the cache was never short");
        Assert.True(cached > prompts / 20, $"{cached} of {prompts} tokens cached: hardly anything was shared");
    }
}
