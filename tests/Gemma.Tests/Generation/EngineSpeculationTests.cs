using CsCheck;
using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Generation;

/// <summary>Guessing ahead changes when tokens come and nothing else.</summary>
public class EngineSpeculationTests
{
    private static readonly EngineOptions ByHand = new() { RunInBackground = false, KvType = KvType.Float32 };

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

    private static List<string> Tokens(Sequence sequence)
    {
        List<string> tokens = [];
        IAsyncEnumerator<GeneratedToken> stream = sequence.GetAsyncEnumerator();
        while (stream.MoveNextAsync().AsTask().Result)
            tokens.Add($"{stream.Current.Id} '{stream.Current.Text}' {stream.Current.LogProb:R} {string.Join(' ', stream.Current.TopLogProbs ?? [])}");
        return tokens;
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Greedy_continuation_is_that_of_the_official_code(string name)
    {
        using GemmaModel model = Golden.Load(name);
        using var engine = new Engine(model, ByHand);
        (int[] prompt, int[] continuation) = Golden.Greedy(name);
        Sequence[] sequences = [.. ((int?[])[null, 1, 5, 63]).Select(draft =>
            engine.Submit(prompt, GenerationOptions.Greedy with { MaxTokens = continuation.Length, IgnoreEos = true, DraftTokens = draft }))];
        Drain(engine);
        Assert.All(sequences, sequence => Assert.Equal(continuation, Result(sequence).Ids));
        EnginePages.AssertNoneInUse(engine);
    }

    [Fact]
    public void What_repeats_itself_takes_fewer_passes()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        // The bias leaves one token to choose from: every guess is right.
        GenerationOptions options = new() { MaxTokens = 101, IgnoreEos = true, LogitBias = new Dictionary<int, float> { [77] = 1000 }, DraftTokens = 9 };
        Sequence sequence = engine.Submit([2, 77, 77, 77], options);
        int passes = 1;
        while (engine.Step()) passes++;
        Assert.Equal((11, 90, 90), (passes, Result(sequence).DraftedTokens, Result(sequence).AcceptedTokens)); // 1 + 10 times 10
        Assert.Equal(Enumerable.Repeat(77, 101), Result(sequence).Ids);
        Assert.Equal((101, 90, 90), (engine.Statistics.GeneratedTokens, engine.Statistics.DraftedTokens, engine.Statistics.AcceptedTokens));

        // No draft goes past the last token wanted, and none is made where it is switched off.
        Sequence last = engine.Submit([2, 77, 77, 77], options with { MaxTokens = 7 }), off = engine.Submit([2, 77, 77, 77], options with { DraftTokens = 0 });
        Drain(engine);
        Assert.Equal((7, 5, 5), (Result(last).GeneratedTokens, Result(last).DraftedTokens, Result(last).AcceptedTokens));
        Assert.Equal((101, 0), (Result(off).GeneratedTokens, Result(off).DraftedTokens));
    }

    [Fact]
    public void A_guess_costs_no_other_request_its_page()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand with { CachePositions = 96 });
        GenerationOptions options = new() { MaxTokens = 60, IgnoreEos = true, LogitBias = new Dictionary<int, float> { [77] = 1000 }, DraftTokens = 8 };
        Sequence first = engine.Submit([2, 77, 77], options with { DraftTokens = 40 }), second = engine.Submit([2, 77, 77], options with { MaxTokens = 29 });
        Drain(engine);
        Assert.Equal(0, engine.Scheduler.Preemptions);
        Assert.Equal((60, 29), (Result(first).GeneratedTokens, Result(second).GeneratedTokens));
        EnginePages.AssertNoneInUse(engine);
    }

    [Fact]
    public void Stop_strings_and_ids_end_an_answer_in_the_middle_of_a_draft()
    {
        using GemmaModel model = GemmaModel.Load(Repository.TinyModel);
        using var engine = new Engine(model, ByHand);
        int[] prompt = [2, .. model.Tokenizer!.Encode("The cat sat on the mat. The dog sat on the mat. The cat sat on the mat. The dog sat on")];
        GenerationOptions free = GenerationOptions.Greedy with { MaxTokens = 60, IgnoreEos = true, DraftTokens = 0, LogProbs = 1 };
        Sequence whole = engine.Submit(prompt, free);
        Drain(engine);
        string text = Result(whole).Text;
        IReadOnlyList<int> ids = Result(whole).Ids;
        List<GenerationOptions> wishes = [];
        for (int i = 0; i < 55; i += 3)
        {
            if (i + 4 <= text.Length) wishes.Add(free with { Stop = [text[i..(i + 4)]] });
            wishes.Add(free with { StopIds = [ids[i]] });
            wishes.Add(free with { MaxTokens = i });
            wishes.Add(free with { RepetitionPenalty = 1 + i / 100f, FrequencyPenalty = i / 200f, PresencePenalty = -0.1f });
        }
        int accepted = 0;
        foreach (GenerationOptions wish in wishes)
        {
            Sequence plain = engine.Submit(prompt, wish), guessed = engine.Submit(prompt, wish with { DraftTokens = 6 });
            Drain(engine);
            Assert.Equal(Tokens(plain), Tokens(guessed));
            Assert.Equal((Result(plain).Text, Result(plain).FinishReason, Result(plain).StopString), (Result(guessed).Text, Result(guessed).FinishReason, Result(guessed).StopString));
            accepted += Result(guessed).AcceptedTokens;
        }
        Assert.True(accepted > 100, $"{accepted} guesses right: nothing ended in the middle of a draft");
    }

    private sealed record Wish(int Kind, int Length, GenerationOptions Options, int ArrivesAt, int? CancelledAfter);

    private static readonly Gen<Wish> Wishes = Gen.Select(Gen.Int[1, 60], Gen.OneOf(Gen.Int[1, 10], Gen.Int[50, 100], Gen.Int[50, 100]),
        Gen.ULong, Gen.Int[0, 40], Gen.OneOf(-1, -1, -1, -1, -1, 0, 7, 30), Gen.Int[0, 12], Gen.OneOf(0, 1, 2, 5, 12, 63, -1),
        (length, max, seed, arrives, cancelled, kind, draft) => new Wish(kind, length, new GenerationOptions
        {
            MaxTokens = max,
            Temperature = kind % 3 == 0 ? 0 : 0.8f,
            FrequencyPenalty = kind % 4 == 0 ? 0.01f : 0,
            RepetitionPenalty = kind % 5 == 0 ? 0.99f : 1,
            TopK = kind % 2 == 0 ? 3 : 0,
            Seed = seed,
            LogProbs = 1,
            IgnoreEos = kind != 0,
            DraftTokens = draft < 0 ? null : draft,
            LogitBias = kind < 4 ? null : Enumerable.Range(kind * 20, 2).ToDictionary(id => id, _ => 12f), // hardly more than two tokens to choose from
        }, arrives, cancelled < 0 ? null : cancelled));

    private static readonly Gen<EngineOptions> Limits = Gen.Select(Gen.Int[192, 288], Gen.Int[1, 200], Gen.Int[1, 64], Gen.Int[1, 12], Gen.Bool,
        (positions, batch, chunk, sequences, prefixes) =>
            ByHand with { CachePositions = positions, MaxBatchTokens = batch, PrefillChunk = chunk, MaxSequences = sequences, PrefixCache = prefixes });

    private static int[] Prompt(Wish wish) => [.. Enumerable.Range(0, wish.Length).Select(i => i == 0 ? 2 : (i % 12 * 37 + wish.Kind) % 500 + 3)];

    [Fact]
    public void With_and_without_guesses_the_answers_are_the_same_whatever_comes_goes_and_is_preempted()
    {
        long preemptions = 0, drafted = 0, accepted = 0;
        using GemmaModel model = Golden.Load("gemma2-gqa");
        using var alone = new Engine(model, ByHand with { PrefixCache = false });
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
            EnginePages.AssertNoneInUse(engine);
            preemptions += engine.Statistics.Preemptions;
            drafted += engine.Statistics.DraftedTokens;
            accepted += engine.Statistics.AcceptedTokens;

            for (int i = 0; i < wishes.Length; i++)
            {
                Sequence reference = alone.Submit(Prompt(wishes[i]), wishes[i].Options with { DraftTokens = 0 });
                Drain(alone);
                List<string> expected = Tokens(reference), actual = Tokens(sequences[i]);
                if (Result(sequences[i]).FinishReason == FinishReason.Cancelled) expected = expected[..actual.Count];
                else Assert.Equal(Result(reference).FinishReason, Result(sequences[i]).FinishReason);
                Assert.Equal(expected, actual);
            }
        }, seed: "0000000000005", iter: 40, threads: 1);
        Assert.True(preemptions > 5, $"{preemptions} preemptions: the cache was never short");
        Assert.True(accepted > 500 && drafted - accepted > 500, $"{accepted} of {drafted} guesses right: one kind hardly occurred");
    }

    [Fact]
    public async Task Texts_that_are_measured_get_on_beside_answers_that_guess()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        GenerationOptions options = new() { MaxTokens = 150, IgnoreEos = true, LogitBias = new Dictionary<int, float> { [77] = 1000 }, DraftTokens = 63 };
        Sequence[] answers = [.. Enumerable.Range(0, 6).Select(_ => engine.Submit([2, 77, 77, 77], options))];
        engine.Step();
        int[] ids = Golden.Logits("gemma1-mqa", 200).Ids;
        int rows = 0;
        Task logits = engine.LogitsAsync(ids, (_, _) => rows++);
        for (int i = 0; i < 4; i++) engine.Step();
        Assert.Equal(200, rows); // 64 rows in each pass, as without the others
        await logits;
        Drain(engine);
        Assert.All(answers, answer => Assert.Equal(150, Result(answer).GeneratedTokens));
    }

    [Fact]
    public void Draft_tokens_out_of_their_range_are_refused()
    {
        Assert.Contains("63", Assert.Throws<UsageException>(() => new GenerationOptions { DraftTokens = 64 }.Validate()).Message, StringComparison.Ordinal);
        Assert.Throws<UsageException>(() => new GenerationOptions { DraftTokens = -1 }.Validate());
    }
}
