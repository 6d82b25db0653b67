using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Generation;

/// <summary>However a request ends, its caller hears of it, its pages are free, and the others go on.</summary>
public class EngineEndingTests
{
    private static readonly EngineOptions ByHand = new() { RunInBackground = false };
    private static readonly GenerationOptions Endless = GenerationOptions.Greedy with { IgnoreEos = true, DraftTokens = 0 };
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private static void AllPagesAreFree(Engine engine) => EnginePages.AssertNoneInUse(engine);

    [Fact]
    public async Task Cancellation_frees_the_pages_within_one_step_and_keeps_what_there_is()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        using var source = new CancellationTokenSource();
        Sequence running = engine.Submit([2, 3], Endless, source.Token), prompt = engine.Submit(Golden.Logits("gemma1-mqa", 200).Ids, Endless);
        engine.Step();
        engine.Step();
        await source.CancelAsync();
        prompt.Cancel();
        Sequence waiting = engine.Submit([2], Endless);
        waiting.Cancel();
        Assert.False(engine.Step());
        AllPagesAreFree(engine);
        GenerationResult result = await running.Completion;
        Assert.Equal((FinishReason.Cancelled, 2), (result.FinishReason, result.GeneratedTokens));
        Assert.Equal(FinishReason.Cancelled, (await prompt.Completion).FinishReason);
        Assert.Empty((await waiting.Completion).Ids);
        int streamed = 0;
        await foreach (GeneratedToken token in running) streamed++;
        Assert.Equal(2, streamed);
    }

    [Fact]
    public async Task A_token_cancelled_before_the_request_ends_it_before_it_begins()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model);
        var cancelled = new CancellationToken(canceled: true);
        Assert.Equal(FinishReason.Cancelled, (await engine.Submit([2], Endless, cancelled).Completion.WaitAsync(Soon)).FinishReason);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => engine.ScoreAsync([2, 3], 0, null, cancelled).WaitAsync(Soon));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => engine.EmbedAsync([2, 3], null, cancelled).WaitAsync(Soon));
    }

    [Fact]
    public async Task Leaving_the_stream_cancels_and_a_stream_is_read_once()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model);
        Sequence sequence = engine.Submit([2, 3], Endless);
        await foreach (GeneratedToken token in sequence) break;
        GenerationResult result = await sequence.Completion.WaitAsync(Soon);
        Assert.True(result.FinishReason == FinishReason.Cancelled || result.GeneratedTokens == result.MaxTokens);
        AllPagesAreFree(engine);
        await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            await foreach (GeneratedToken token in sequence) { }
        });
    }

    [Fact]
    public async Task The_readers_own_token_throws_and_cancels()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        Sequence sequence = engine.Submit([2, 3], Endless);
        engine.Step();
        using var source = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (GeneratedToken token in sequence.WithCancellation(source.Token)) await source.CancelAsync();
        });
        Assert.False(engine.Step());
        Assert.Equal(FinishReason.Cancelled, (await sequence.Completion).FinishReason);
    }

    [Fact]
    public async Task A_pass_that_fails_reaches_stream_and_completion_and_the_engine_goes_on()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        model.Dispose();
        using var engine = new Engine(model, new EngineOptions { CachePositions = 128 });
        for (int round = 0; round < 2; round++)
        {
            Sequence[] sequences = [.. Enumerable.Range(0, 5).Select(_ => engine.Submit([2, 3], Endless))];
            foreach (Sequence sequence in sequences)
            {
                await Assert.ThrowsAsync<ObjectDisposedException>(() => sequence.Completion.WaitAsync(Soon));
                await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
                {
                    await foreach (GeneratedToken token in sequence) { }
                });
            }
            await Assert.ThrowsAsync<ObjectDisposedException>(() => engine.EmbedAsync([2]).WaitAsync(Soon));
            AllPagesAreFree(engine);
        }
    }

    [Fact]
    public async Task What_fails_for_one_request_leaves_the_others_alone()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, ByHand);
        (int[] prompt, int[] continuation) = Golden.Greedy("gemma1-mqa");
        Sequence good = engine.Submit(prompt, Endless with { MaxTokens = 10 });
        Sequence bad = engine.Submit(prompt, Endless with { LogitBias = Enumerable.Range(0, 512).ToDictionary(id => id, _ => float.NegativeInfinity) });
        Task thrower = engine.LogitsAsync(prompt, (position, _) =>
        {
            if (position == 2) throw new FormatException("position 2");
        });
        while (engine.Step())
        {
        }
        Assert.Equal(continuation[..10], (await good.Completion).Ids);
        await Assert.ThrowsAsync<UsageException>(() => bad.Completion);
        await Assert.ThrowsAsync<FormatException>(() => thrower);
        AllPagesAreFree(engine);
    }

    [Fact]
    public async Task Disposal_in_mid_answer_ends_everything_and_returns()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        for (int round = 0; round < 20; round++)
        {
            var engine = new Engine(model, new EngineOptions { CachePositions = 512, MaxSequences = 5 });
            Sequence[] sequences = [.. Enumerable.Range(0, 12).Select(_ => engine.Submit([2, 3, 4], Endless))];
            Task<float[]> embedding = engine.EmbedAsync(Golden.Logits("gemma1-mqa", 200).Ids);
            await using IAsyncEnumerator<GeneratedToken> stream = sequences[0].GetAsyncEnumerator();
            if (round % 2 == 0) await stream.MoveNextAsync();
            await Task.Run(engine.Dispose).WaitAsync(Soon);
            engine.Dispose();
            foreach (Sequence sequence in sequences)
                Assert.True((await sequence.Completion.WaitAsync(Soon)).FinishReason is FinishReason.Cancelled or FinishReason.Length);
            while (await stream.MoveNextAsync().AsTask().WaitAsync(Soon))
            {
            }
            try
            {
                await embedding.WaitAsync(Soon);
            }
            catch (OperationCanceledException)
            {
            }
            Assert.Throws<ObjectDisposedException>(() => engine.Submit([2]));
        }
    }

    [Fact]
    public async Task Whoever_submits_while_the_engine_is_disposed_of_gets_an_end_or_an_exception()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        for (int round = 0; round < 30; round++)
        {
            var engine = new Engine(model, new EngineOptions { CachePositions = 256 });
            Task<int>[] callers = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
            {
                for (int asked = 0; ; asked++)
                {
                    try
                    {
                        await engine.Submit([2], Endless with { MaxTokens = 3 }).Completion.WaitAsync(Soon);
                    }
                    catch (ObjectDisposedException)
                    {
                        return asked;
                    }
                }
            }))];
            await Task.Delay(round % 10);
            engine.Dispose();
            await Task.WhenAll(callers).WaitAsync(Soon);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Disposal_from_a_callback_does_not_wait_for_itself(bool background)
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        var engine = new Engine(model, ByHand with { RunInBackground = background });
        Task logits = engine.LogitsAsync(Golden.Logits("gemma1-mqa", 200).Ids, (_, _) => engine.Dispose());
        Sequence other = engine.Submit([2], Endless);
        if (!background) await Task.Run(engine.Step).WaitAsync(Soon);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => logits.WaitAsync(Soon));
        Assert.Equal(FinishReason.Cancelled, (await other.Completion.WaitAsync(Soon)).FinishReason);
    }

    [Fact]
    public async Task Callers_that_come_and_go_at_random_never_hang_the_engine()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, new EngineOptions { CachePositions = 256, MaxBatchTokens = 64, MaxSequences = 6 });
        await Parallel.ForAsync(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) =>
        {
            var random = new Random(i);
            using var source = new CancellationTokenSource();
            Sequence sequence = engine.Submit([2, .. Enumerable.Repeat(7, random.Next(100))], Endless with { MaxTokens = random.Next(60) }, source.Token);
            if (i % 3 == 0) source.CancelAfter(random.Next(5));
            int read = 0, leave = i % 5 == 0 ? random.Next(20) : int.MaxValue;
            await foreach (GeneratedToken token in sequence)
                if (++read >= leave) break;
            await sequence.Completion;
        }).WaitAsync(Soon);
        AllPagesAreFree(engine);
    }

    [Fact]
    public void An_engine_with_a_thread_is_not_stepped_by_hand()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model);
        Assert.Throws<InvalidOperationException>(() => engine.Step());
    }

    [Fact]
    public async Task Engines_that_share_a_model_take_turns()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var one = new Engine(model, new EngineOptions { KvType = KvType.Float32 });
        using var two = new Engine(model, new EngineOptions { KvType = KvType.Float32 });
        (int[] prompt, int[] continuation) = Golden.Greedy("gemma1-mqa");
        Sequence[] sequences = [.. Enumerable.Range(0, 10).Select(i => (i % 2 == 0 ? one : two).Submit(prompt, Endless with { MaxTokens = 40 }))];
        foreach (Sequence sequence in sequences) Assert.Equal(continuation, (await sequence.Completion.WaitAsync(Soon)).Ids);
    }
}
