using System.Runtime.CompilerServices;
using Gemma.Generation;
using Microsoft.Extensions.AI;

namespace Gemma.Chat;

/// <summary>
/// A Gemma model behind the .NET interface for chat. Options it cannot serve are refused by name. No conversation is kept: each call brings all its messages.
/// </summary>
/// <remarks>Thread-safe; calls at the same time are answered at the same time. A base model is not refused, see <see cref="ChatTemplate.IsTuned"/>.</remarks>
public sealed class GemmaChatClient : IChatClient
{
    private readonly Engine _engine;
    private readonly bool _ownsEngine;
    private readonly ChatTemplate _template;
    private readonly GenerationOptions _defaults;
    private readonly ChatClientMetadata _metadata;

    /// <summary>With an engine of its own, which it disposes; the model stays the caller's.</summary>
    /// <param name="model">The model.</param>
    /// <param name="modelId">The name it goes by in responses.</param>
    /// <exception cref="UsageException">The model has no turn tokens.</exception>
    public GemmaChatClient(GemmaModel model, string modelId = "gemma") : this(ChatTemplate.For(model), new Engine(model), modelId) => _ownsEngine = true;

    /// <summary>On an engine that others use as well and that stays the caller's.</summary>
    /// <exception cref="UsageException">The model has no turn tokens.</exception>
    public GemmaChatClient(Engine engine, string modelId = "gemma")
        : this(ChatTemplate.For((engine ?? throw new ArgumentNullException(nameof(engine))).Model), engine, modelId) { }

    private GemmaChatClient(ChatTemplate template, Engine engine, string modelId)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelId);
        _template = template;
        _engine = engine;
        _defaults = GenerationOptions.For(engine.Model.Defaults);
        _metadata = new ChatClientMetadata("gemma", defaultModelId: modelId);
    }

    private string ModelId => _metadata.DefaultModelId!;

    /// <exception cref="NotSupportedException">A message or an option asks for what Gemma or this library cannot do.</exception>
    /// <exception cref="UsageException">The messages do not take turns or do not fit the context, or an option is out of its range.</exception>
    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        Sequence answer = Submit(messages, options, cancellationToken);
        GenerationResult result = await answer.Completion.ConfigureAwait(false);
        ThrowIfCancelled(result, cancellationToken);
        string id = NewId();
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, result.Text) { MessageId = id })
        {
            ResponseId = id,
            ModelId = ModelId,
            CreatedAt = DateTimeOffset.UtcNow,
            FinishReason = Reason(result),
            Usage = Usage(result),
        };
    }

    /// <summary>The answer as it is made. The last update brings the finish reason and the usage.</summary>
    /// <inheritdoc cref="GetResponseAsync"/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Sequence answer = Submit(messages, options, cancellationToken);
        string id = NewId();
        ChatResponseUpdate Update(params IList<AIContent> contents) =>
            new(ChatRole.Assistant, contents) { MessageId = id, ResponseId = id, ModelId = ModelId, CreatedAt = DateTimeOffset.UtcNow };

        await foreach (GeneratedToken token in answer.WithCancellation(cancellationToken).ConfigureAwait(false))
            if (token.Text.Length > 0) yield return Update(new TextContent(token.Text));
        GenerationResult result = await answer.Completion.ConfigureAwait(false);
        ThrowIfCancelled(result, cancellationToken);
        ChatResponseUpdate last = Update(new UsageContent(Usage(result)));
        last.FinishReason = Reason(result);
        yield return last;
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(Engine) ? _engine
            : serviceType == typeof(GemmaModel) ? _engine.Model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    public void Dispose()
    {
        if (_ownsEngine) _engine.Dispose();
    }

    private Sequence Submit(IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(messages);
        cancellationToken.ThrowIfCancellationRequested();
        GenerationOptions generation = ChatOptionsMapping.Map(options, _defaults, this, ModelId);
        generation = generation with { StopIds = [.. generation.StopIds, _template.EndOfTurnId] };
        return _engine.Submit(_template.Encode(Turns(messages, options?.Instructions)), generation, cancellationToken);
    }

    /// <summary>Instructions and the system messages at the beginning are one system text.</summary>
    private static List<ChatTurn> Turns(IEnumerable<ChatMessage> messages, string? instructions)
    {
        List<string> system = string.IsNullOrEmpty(instructions) ? [] : [instructions];
        List<ChatTurn> turns = [];
        foreach (ChatMessage message in messages)
        {
            string text = Text(message);
            if (message.Role == ChatRole.System && turns.Count == 0) system.Add(text);
            else turns.Add(new ChatTurn(Role(message.Role), text));
        }
        if (system.Count > 0) turns.Insert(0, ChatTurn.System(string.Join("\n\n", system)));
        return turns;
    }

    private static ChatTurnRole Role(ChatRole role) =>
        role == ChatRole.User ? ChatTurnRole.User
        : role == ChatRole.Assistant ? ChatTurnRole.Model
        : role == ChatRole.System ? ChatTurnRole.System
        : throw new NotSupportedException($"a message has the role {role}, expected system, user or assistant: Gemma knows no other");

    private static string Text(ChatMessage message)
    {
        foreach (AIContent content in message.Contents)
        {
            if (content is not (TextContent or UsageContent))
                throw new NotSupportedException($"a message holds {content.GetType().Name}, expected text: this model reads nothing else");
        }
        return message.Text;
    }

    private static ChatFinishReason Reason(GenerationResult result) =>
        result.FinishReason == FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;

    private static UsageDetails Usage(GenerationResult result) => new()
    {
        InputTokenCount = result.PromptTokens,
        CachedInputTokenCount = result.CachedPromptTokens,
        OutputTokenCount = result.GeneratedTokens,
        TotalTokenCount = result.PromptTokens + result.GeneratedTokens,
    };

    private static void ThrowIfCancelled(GenerationResult result, CancellationToken cancellationToken)
    {
        if (result.FinishReason != FinishReason.Cancelled) return;
        cancellationToken.ThrowIfCancellationRequested();
        throw new OperationCanceledException("the engine was disposed before the answer was complete");
    }

    private static string NewId() => Guid.NewGuid().ToString("N");
}
