using CsCheck;
using Gemma.Cpu;
using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Generation;

/// <summary>The loop: whatever else an engine does, a request gets what it would get alone.</summary>
public class EngineTests
{
    private static readonly EngineOptions ByHand = new() { RunInBackground = false, KvType = KvType.Float32 };
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    public static TheoryData<string> Models => new(Golden.Models);

    private static void Drain(Engine engine)
    {
        while (engine.Step())
        {
        }
    }

    private static GenerationResult Result(Sequence sequence)
    {
        Assert.True(sequence.Completion.IsCompleted);
        return sequence.Completion.GetAwaiter().GetResult();
    }

    private static async Task<List<GeneratedToken>> Tokens(Sequence sequence)
    {
        List<GeneratedToken> tokens = [];
        await foreach (GeneratedToken token in sequence) tokens.Add(token);
        return tokens;
    }

    private static void AllPagesAreFree(Engine engine) => EnginePages.AssertNoneInUse(engine);

    [Theory]
    [MemberData(nameof(Models))]
    public void Greedy_continuation_is_that_of_the_official_code(string name)
    {
        using GemmaModel model = Golden.Load(name);
        using var engine = new Engine(model, ByHand);
        (int[] prompt, int[] continuation) = Golden.Greedy(name);
        Sequence sequence = engine.Submit(prompt, GenerationOptions.Greedy with { MaxTokens = continuation.Length, IgnoreEos = true });
        Drain(engine);
        GenerationResult result = Result(sequence);
        Assert.Equal(continuation, result.Ids);
        Assert.Equal((FinishReason.Length, prompt.Length, ""), (result.FinishReason, result.PromptTokens, result.Text));
        AllPagesAreFree(engine);
    }

    [Fact]
    public void An_end_id_of_the_model_or_of_the_caller_ends_the_answer_and_is_reported()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        (int[] prompt, int[] continuation) = Golden.Greedy("gemma1-mqa");
        int end = Array.IndexOf(continuation, 1);
        Assert.True(end > 0);
        Sequence own = engine.Submit(prompt, GenerationOptions.Greedy);
        Sequence callers = engine.Submit(prompt, GenerationOptions.Greedy with { IgnoreEos = true, StopIds = [continuation[end + 2]] });
        Sequence atOnce = engine.Submit(prompt, GenerationOptions.Greedy with { MaxTokens = 1, StopIds = [continuation[0]] });
        Drain(engine);
        Assert.Equal(continuation[..(end + 1)], Result(own).Ids);
        Assert.Equal(continuation[..(end + 3)], Result(callers).Ids);
        Assert.Equal(continuation[..1], Result(atOnce).Ids);
        Assert.All([own, callers, atOnce], sequence => Assert.Equal(FinishReason.Stop, Result(sequence).FinishReason));
    }

    [Fact]
    public void No_tokens_asked_for_is_an_answer_without_tokens()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        Sequence sequence = engine.Submit([2], GenerationOptions.Greedy with { MaxTokens = 0 });
        Drain(engine);
        Assert.Empty(Result(sequence).Ids);
        Assert.Equal(FinishReason.Length, Result(sequence).FinishReason);
    }

    [Fact]
    public void The_end_of_the_context_ends_the_answer()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand with { ContextLength = 50 });
        int[] prompt = Golden.Logits("gemma1-mqa", 48).Ids;
        Sequence sequence = engine.Submit(prompt, GenerationOptions.Greedy with { IgnoreEos = true, MaxTokens = 1000 });
        Drain(engine);
        Assert.Equal((FinishReason.Length, 2, 2), (Result(sequence).FinishReason, Result(sequence).GeneratedTokens, Result(sequence).MaxTokens));
    }

    private sealed record Wish(int PromptLength, int Salt, GenerationOptions Options, int ArrivesAt, int? CancelledAfter);

    private static readonly Gen<Wish> Wishes = Gen.Select(
        Gen.Int[1, 40], Gen.Int[0, 1000],
        Gen.OneOf(Gen.Int[0, 10], Gen.Int[50, 85], Gen.Int[50, 85]),
        Gen.OneOf(0f, 0.7f, 2f), Gen.ULong, Gen.Int[0, 40], Gen.OneOf(-1, -1, -1, -1, -1, 0, 7, 30),
        (length, salt, max, temperature, seed, arrives, cancelled) => new Wish(length, salt, new GenerationOptions
        {
            MaxTokens = max,
            Temperature = temperature,
            TopP = salt % 3 == 0 ? 0.9f : 1,
            FrequencyPenalty = salt % 2 == 0 ? 0.3f : 0,
            RepetitionPenalty = salt % 5 == 0 ? 1.3f : 1,
            Seed = seed,
            LogProbs = salt % 4,
            IgnoreEos = salt % 7 != 0,
        }, arrives, cancelled < 0 ? null : cancelled));

    private static readonly Gen<EngineOptions> Limits = Gen.Select(Gen.Int[128, 256], Gen.Int[1, 200], Gen.Int[1, 64], Gen.Int[1, 12],
        (positions, batch, chunk, sequences) =>
            ByHand with { CachePositions = positions, MaxBatchTokens = batch, PrefillChunk = chunk, MaxSequences = sequences });

    private static int[] Prompt(Wish wish) => [2, .. Enumerable.Range(1, wish.PromptLength - 1).Select(i => (i * 37 + wish.Salt) % 500 + 3)];

    [Fact]
    public void Every_sequence_gets_the_tokens_it_would_get_alone_whatever_comes_goes_and_is_preempted()
    {
        int preemptions = 0;
        using GemmaModel model = Golden.Load("gemma2-gqa");
        using var alone = new Engine(model, ByHand);
        Gen.Select(Wishes.Array[1, 20], Limits).Sample((wishes, limits) =>
        {
            using var engine = new Engine(model, limits);
            var sequences = new Sequence[wishes.Length];
            for (int step = 0; step <= 40 || engine.Scheduler.Count > 0; step++)
            {
                for (int i = 0; i < wishes.Length; i++)
                {
                    if (wishes[i].ArrivesAt == step) sequences[i] = engine.Submit(Prompt(wishes[i]), wishes[i].Options);
                    if (wishes[i].CancelledAfter is int after && wishes[i].ArrivesAt + after == step) sequences[i].Cancel();
                }
                engine.Step();
            }
            preemptions += engine.Scheduler.Preemptions;
            AllPagesAreFree(engine);

            for (int i = 0; i < wishes.Length; i++)
            {
                Sequence reference = alone.Submit(Prompt(wishes[i]), wishes[i].Options);
                Drain(alone);
                List<GeneratedToken> expected = Tokens(reference).Result, actual = Tokens(sequences[i]).Result;
                if (Result(sequences[i]).FinishReason == FinishReason.Cancelled)
                {
                    Assert.NotNull(wishes[i].CancelledAfter);
                    expected = expected[..actual.Count];
                }
                else
                {
                    Assert.Equal(Result(reference).FinishReason, Result(sequences[i]).FinishReason);
                }
                Assert.Equal(expected.Select(token => (token.Id, token.LogProb)), actual.Select(token => (token.Id, token.LogProb)));
                Assert.Equal(expected.SelectMany(token => token.TopLogProbs ?? []), actual.SelectMany(token => token.TopLogProbs ?? []));
                Assert.Equal(actual.Select(token => token.Id), Result(sequences[i]).Ids);
            }
        }, seed: "0000000000001", iter: 40, threads: 1);
        Assert.True(preemptions > 20, $"{preemptions} preemptions: the cache was never short, which this test is about");
    }

    [Theory]
    [InlineData(WeightType.Q8)]
    [InlineData(WeightType.Q4)]
    public void Quantised_models_give_the_same_alone_and_together(WeightType type)
    {
        using GemmaModel model = Golden.Load("gemma1-mha", type: type);
        GenerationOptions options = new() { MaxTokens = 30, Seed = 11, IgnoreEos = true };
        int[][] prompts = [.. Enumerable.Range(1, 9).Select(i => Prompt(new Wish(i * 7, i, options, 0, null)))];
        using var alone = new Engine(model, ByHand);
        using var together = new Engine(model, ByHand with { CachePositions = 320, MaxBatchTokens = 50 });
        Sequence[] sequences = [.. prompts.Select(prompt => together.Submit(prompt, options))];
        Drain(together);
        for (int i = 0; i < prompts.Length; i++)
        {
            Sequence reference = alone.Submit(prompts[i], options);
            Drain(alone);
            Assert.Equal(Result(reference).Ids, Result(sequences[i]).Ids);
        }
    }

    [Fact]
    public async Task Sixty_four_consumers_at_once_get_what_they_would_get_alone()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, new EngineOptions { CachePositions = 1500, MaxSequences = 40 });
        async Task<int[]> Ask(int i)
        {
            await Task.Yield();
            GenerationOptions options = new() { Seed = (ulong)i, MaxTokens = 40, IgnoreEos = true };
            Sequence sequence = engine.Submit(Prompt(new Wish(1 + i, i, options, 0, null)), options);
            return [.. (await Tokens(sequence)).Select(token => token.Id)];
        }
        int[][] together = await Task.WhenAll(Enumerable.Range(0, 64).Select(Ask)).WaitAsync(Soon);
        AllPagesAreFree(engine);
        for (int i = 0; i < 64; i += 9) Assert.Equal(await Ask(i).WaitAsync(Soon), together[i]);
        Assert.All(together, ids => Assert.Equal(40, ids.Length));
    }

    [Fact]
    public void The_same_seed_gives_the_same_answer_and_a_drawn_seed_is_told()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        GenerationOptions options = new() { MaxTokens = 20, IgnoreEos = true };
        Sequence drawn = engine.Submit([2, 5], options), other = engine.Submit([2, 5], options);
        Drain(engine);
        Sequence again = engine.Submit([2, 5], options with { Seed = Result(drawn).Seed });
        Drain(engine);
        Assert.Equal(Result(drawn).Ids, Result(again).Ids);
        Assert.NotEqual(Result(drawn).Ids, Result(other).Ids);
    }

    [Fact]
    public void A_long_prompt_does_not_hold_up_answers_nor_short_prompts()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand with { MaxBatchTokens = 128, PrefillChunk = 64 });
        GenerationOptions options = GenerationOptions.Greedy with { MaxTokens = 10, IgnoreEos = true, DraftTokens = 0 };
        Sequence answering = engine.Submit([2], options);
        engine.Step();
        Sequence longer = engine.Submit(Golden.Logits("gemma1-mqa", 200).Ids, options), shorter = engine.Submit([2, 3, 4, 5], options);
        int[] steps = new int[3];
        Sequence[] sequences = [answering, shorter, longer];
        for (int step = 2; engine.Scheduler.Count > 0; step++)
        {
            engine.Step();
            for (int i = 0; i < 3; i++)
                if (steps[i] == 0 && sequences[i].Completion.IsCompleted) steps[i] = step;
        }
        Assert.Equal(10, steps[0]); // a token in every step
        Assert.Equal(11, steps[1]); // in the first pass after it came
        Assert.Equal(14, steps[2]); // 200 tokens: 60 beside the short prompt, 64, 64, 12; then 9 more
    }

    [Fact]
    public void Prompts_that_cannot_be_served_are_refused_in_one_line_with_the_numbers()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        int[] tooLong = [.. Enumerable.Repeat(2, 300)];
        string[] Numbers(Action action)
        {
            string message = Assert.Throws<UsageException>(action).Message;
            Assert.DoesNotContain('\n', message);
            return message.Split(' ', ',', ';', ':');
        }
        string[] words = Numbers(() => engine.Submit(tooLong));
        Assert.Contains("300", words);
        Assert.Contains("256", words);
        words = Numbers(() => engine.Submit(tooLong.AsSpan(0, 256)));
        Assert.Contains("room", words);
        Assert.Contains("<bos>", Numbers(() => engine.Submit([])));
        words = Numbers(() => engine.Submit([2, 512]));
        Assert.Contains("512", words);
        Assert.Contains("511", words);
        Assert.Contains("-1", Numbers(() => engine.Submit([-1])));
        Assert.Contains("tokenizer", Numbers(() => engine.Submit([2], new GenerationOptions { Stop = ["x"] })));
        Numbers(() => engine.Submit([2], new GenerationOptions { TopP = 2 }));
        Numbers(() => engine.Submit([2], new GenerationOptions { StopIds = [512] }));
        using var small = new Engine(model, ByHand with { CachePositions = 64 });
        words = Numbers(() => small.Submit(tooLong.AsSpan(0, 100)));
        Assert.Contains("64", words);
        Assert.Contains("256)", words);
        Drain(engine);
        AllPagesAreFree(engine);
    }

    [Fact]
    public void Options_of_the_engine_out_of_their_range_are_refused()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        EngineOptions[] bad =
        [
            new() { ContextLength = 257 }, new() { ContextLength = 0 }, new() { CachePositions = 0 }, new() { CacheBytes = 10 },
            new() { CacheBytes = 1 << 20, CachePositions = 32 }, new() { MaxBatchTokens = 0 }, new() { PrefillChunk = 0 }, new() { MaxSequences = 0 },
        ];
        Assert.All(bad, options => Assert.Throws<UsageException>(() => new Engine(model, options)));
        using var engine = new Engine(model, new EngineOptions { CacheBytes = 1 << 20, RunInBackground = false });
        Assert.InRange(engine.Cache.Capacity * engine.Cache.PageBytes / KvCache.PageTokens, (1 << 20) - engine.Cache.PageBytes, 1 << 20);
    }
}
