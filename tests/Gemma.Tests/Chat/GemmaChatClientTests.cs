using System.Text.Json;
using Gemma.Chat;
using Gemma.Generation;
using Gemma.Tests.Generation;
using Gemma.Tests.Model;
using Microsoft.Extensions.AI;

namespace Gemma.Tests.Chat;

/// <summary>The model behind IChatClient, as programs use it that know nothing of Gemma.</summary>
public sealed class GemmaChatClientTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private readonly GemmaModel _model = GemmaModel.Load(Repository.TinyModel);
    private readonly Engine _engine;
    private readonly GemmaChatClient _client;

    public GemmaChatClientTests()
    {
        _engine = new Engine(_model);
        _client = new GemmaChatClient(_engine, "tiny");
    }

    public void Dispose()
    {
        _client.Dispose();
        _engine.Dispose();
        _model.Dispose();
    }

    [Fact]
    public async Task The_program_of_the_readme_runs()
    {
        string folder = Repository.TinyModel;
        var Console = new StringWriter();
#pragma warning disable CA1859 // the interface is the point
        // README: begin
        using GemmaModel model = GemmaModel.Load(folder);
        using IChatClient chat = new GemmaChatClient(model);
        List<ChatMessage> conversation = [new(ChatRole.System, "You tell stories."), new(ChatRole.User, "Tell me about a fox.")];
        await foreach (ChatResponseUpdate update in chat.GetStreamingResponseAsync(conversation, new() { MaxOutputTokens = 40, Temperature = 0.8f }))
            Console.Write(update.Text);
        // README: end
#pragma warning restore CA1859
        Assert.NotEmpty(Console.ToString());
    }

    [Fact]
    public async Task Streamed_and_whole_answers_are_the_same_and_say_what_they_took()
    {
        ChatOptions options = new() { MaxOutputTokens = 30, Temperature = 0.9f, TopP = 0.95f, TopK = 50, Seed = 7 };
        ChatMessage[] messages = [new(ChatRole.User, "Hello"), new(ChatRole.Assistant, "Hi!"), new(ChatRole.User, "A story, please.")];
        ChatResponse whole = await _client.GetResponseAsync(messages, options).WaitAsync(Soon);
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in _client.GetStreamingResponseAsync(messages, options)) updates.Add(update);
        ChatResponse streamed = updates.ToChatResponse();

        int prompt = ChatTemplate.For(_model).Encode([ChatTurn.User("Hello"), ChatTurn.Model("Hi!"), ChatTurn.User("A story, please.")]).Length;
        foreach (ChatResponse response in (ChatResponse[])[whole, streamed])
        {
            Assert.Equal(whole.Text, response.Text);
            Assert.Equal("tiny", response.ModelId);
            Assert.Equal(ChatRole.Assistant, Assert.Single(response.Messages).Role);
            Assert.Equal(ChatFinishReason.Length, response.FinishReason);
            Assert.Equal((prompt, 30, prompt + 30), (response.Usage!.InputTokenCount, response.Usage.OutputTokenCount, response.Usage.TotalTokenCount));
            Assert.NotNull(response.ResponseId);
        }
        Assert.True(updates.Count > 5);
        Assert.All(updates[..^1], update => Assert.Null(update.FinishReason));
    }

    [Fact]
    public async Task A_conversation_that_goes_on_is_computed_from_where_it_was()
    {
        ChatOptions options = new() { MaxOutputTokens = 20, Seed = 7 };
        List<ChatMessage> messages = [new(ChatRole.User, "A long story about a fox, a crow and a piece of cheese that fell from the sky one fine day, please.")];
        ChatResponse first = await _client.GetResponseAsync(messages, options).WaitAsync(Soon);
        Assert.Equal(0, first.Usage!.CachedInputTokenCount);
        messages.AddRange([.. first.Messages, new(ChatRole.User, "And then?")]);
        ChatResponse second = await _client.GetResponseAsync(messages, options).WaitAsync(Soon);
        // All full pages of the first prompt, and of its answer where the text of it reads as the same ids again.
        long before = first.Usage.InputTokenCount!.Value, whole = before - before % KvCache.PageTokens;
        Assert.InRange(second.Usage!.CachedInputTokenCount!.Value, whole, before + 20);
        Assert.True(whole > 0);
    }

    [Fact]
    public async Task Answers_are_those_of_the_engine_with_the_same_options()
    {
        int[] prompt = ChatTemplate.For(_model).Encode([ChatTurn.System("Be kind.\n\nBe brief."), ChatTurn.User("Go on")]);
        GenerationOptions makers = GenerationOptions.For(_model.Defaults);
        GenerationOptions expected = makers with
        {
            MaxTokens = 25,
            Seed = 3,
            MinP = 0.02f,
            RepetitionPenalty = 1.2f,
            PresencePenalty = 0.1f,
            FrequencyPenalty = 0.2f,
            Stop = ["q"],
            StopIds = [_model.Tokenizer!.EndOfTurnId!.Value],
        };
        Assert.Equal((0.8f, 40, 0.95f), (makers.Temperature, makers.TopK, makers.TopP));
        GenerationResult direct = await _engine.Submit(prompt, expected).Completion.WaitAsync(Soon);
        ChatOptions options = new()
        {
            Instructions = "Be kind.",
            MaxOutputTokens = 25,
            Seed = 3,
            PresencePenalty = 0.1f,
            FrequencyPenalty = 0.2f,
            StopSequences = ["q"],
            AdditionalProperties = new() { ["min_p"] = 0.02, ["repetition_penalty"] = JsonDocument.Parse("1.2").RootElement },
        };
        ChatMessage[] messages = [new(ChatRole.System, "Be brief."), new(ChatRole.User, "Go on")];
        Assert.Equal(direct.Text, (await _client.GetResponseAsync(messages, options)).Text);

        // The library's own options are the base where a caller gives them; what ChatOptions say stands above.
        ChatOptions raw = new() { RawRepresentationFactory = _ => GenerationOptions.Greedy with { MaxTokens = 3 }, MaxOutputTokens = 5 };
        ChatResponse greedy = await _client.GetResponseAsync("Go on", raw);
        Assert.Equal(5, greedy.Usage!.OutputTokenCount);
        Assert.Equal(greedy.Text, (await _client.GetResponseAsync("Go on", raw)).Text);
    }

    [Fact]
    public async Task A_stop_sequence_ends_the_answer_as_a_stop()
    {
        ChatOptions options = new() { Temperature = 0, MaxOutputTokens = 40 };
        string text = (await _client.GetResponseAsync("Once upon a time", options)).Text;
        options.StopSequences = [text[10..14]];
        ChatResponse response = await _client.GetResponseAsync("Once upon a time", options);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.Equal(text[..text.IndexOf(text[10..14], StringComparison.Ordinal)], response.Text);
    }

    public static TheoryData<string, ChatOptions> Unsupported => new()
    {
        { "Tools", new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")] } },
        { "ToolMode", new ChatOptions { ToolMode = ChatToolMode.RequireAny } },
        { "ResponseFormat", new ChatOptions { ResponseFormat = ChatResponseFormat.Json } },
        { "ConversationId", new ChatOptions { ConversationId = "7" } },
        { "Reasoning", new ChatOptions { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High } } },
    };

    [Theory]
    [MemberData(nameof(Unsupported))]
    public async Task What_cannot_be_served_is_refused_by_name(string name, ChatOptions options)
    {
        NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => _client.GetResponseAsync("Hi", options));
        Assert.Contains(name, error.Message);
        await Assert.ThrowsAsync<NotSupportedException>(async () =>
        {
            await foreach (ChatResponseUpdate update in _client.GetStreamingResponseAsync("Hi", options)) { }
        });
    }

    [Fact]
    public async Task Wrong_options_and_messages_are_refused_in_one_line()
    {
        async Task Refused(string word, ChatOptions? options, params ChatMessage[] messages)
        {
            string message = (await Assert.ThrowsAsync<UsageException>(() => _client.GetResponseAsync(messages, options))).Message;
            Assert.Contains(word, message);
            Assert.DoesNotContain('\n', message);
        }
        ChatMessage hi = new(ChatRole.User, "Hi");
        await Refused("min_q", new() { AdditionalProperties = new() { ["min_q"] = 1 } }, hi);
        await Refused("must be a number", new() { AdditionalProperties = new() { ["min_p"] = "much" } }, hi);
        await Refused("temperature", new() { Temperature = -1 }, hi);
        await Refused("gpt-9", new() { ModelId = "gpt-9" }, hi);
        await Refused("take turns", null, hi, hi);
        await Refused("no turn", null);
        await Refused("256", null, new ChatMessage(ChatRole.User, string.Concat(Enumerable.Repeat("word after word ", 200))));
        await Assert.ThrowsAsync<NotSupportedException>(() => _client.GetResponseAsync([new(ChatRole.Tool, "x")]));
        await Assert.ThrowsAsync<NotSupportedException>(() => _client.GetResponseAsync([new(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")])]));
    }

    [Fact]
    public async Task Cancellation_throws_and_frees_the_engine()
    {
        using var source = new CancellationTokenSource();
        ChatOptions endless = new() { RawRepresentationFactory = _ => new GenerationOptions { IgnoreEos = true } };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate update in _client.GetStreamingResponseAsync("Hi", endless, source.Token)) await source.CancelAsync();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _client.GetResponseAsync("Hi", endless, source.Token));
        using var timer = new CancellationTokenSource(5);
        try
        {
            await _client.GetResponseAsync("Hi", endless, timer.Token).WaitAsync(Soon);
        }
        catch (OperationCanceledException)
        {
        }
        await _client.GetResponseAsync("Hi", new() { MaxOutputTokens = 1 }).WaitAsync(Soon);
        EnginePages.AssertNoneInUse(_engine);
    }

    [Fact]
    public async Task Calls_at_the_same_time_are_answered_as_if_alone()
    {
        ChatOptions Options(int i) => new() { MaxOutputTokens = 20, Seed = i };
        async Task<string> Ask(int i) => (await _client.GetResponseAsync($"Story {i}", Options(i))).Text;
        string[] together = await Task.WhenAll(Enumerable.Range(0, 12).Select(Ask)).WaitAsync(Soon);
        for (int i = 0; i < together.Length; i++) Assert.Equal(await Ask(i), together[i]);
    }

    [Fact]
    public void Services_are_found_and_a_client_leaves_what_is_not_its_own()
    {
        var metadata = (ChatClientMetadata)_client.GetService(typeof(ChatClientMetadata))!;
        Assert.Equal(("gemma", "tiny"), (metadata.ProviderName, metadata.DefaultModelId));
        Assert.Same(_engine, _client.GetService(typeof(Engine)));
        Assert.Same(_model, _client.GetService(typeof(GemmaModel)));
        Assert.Same(_client, _client.GetService(typeof(IChatClient)));
        Assert.Null(_client.GetService(typeof(IChatClient), "key"));
        Assert.Null(_client.GetService(typeof(string)));
        _client.Dispose();
        _engine.Submit([2]).Cancel();
        using GemmaModel bare = Golden.Load("gemma1-mqa");
        Assert.Throws<UsageException>(() => new GemmaChatClient(bare));
    }
}
