using System.Globalization;
using System.Text.Json;
using Gemma.Generation;
using Microsoft.Extensions.AI;

namespace Gemma.Chat;

/// <summary><see cref="ChatOptions"/> as <see cref="GenerationOptions"/>. What cannot be done is refused by name; nothing is dropped.</summary>
internal static class ChatOptionsMapping
{
    /// <param name="options">What the caller of the chat client wants.</param>
    /// <param name="defaults">What holds where the caller says nothing.</param>
    /// <param name="client">Handed to <see cref="ChatOptions.RawRepresentationFactory"/>.</param>
    /// <param name="modelId">The only model there is.</param>
    /// <exception cref="NotSupportedException">An option that Gemma or this library cannot serve.</exception>
    /// <exception cref="UsageException">An option out of its range, or one nobody knows.</exception>
    public static GenerationOptions Map(ChatOptions? options, GenerationOptions defaults, IChatClient client, string modelId)
    {
        if (options is null) return defaults;
        Refuse(options, modelId);
        GenerationOptions result = options.RawRepresentationFactory?.Invoke(client) as GenerationOptions ?? defaults;
        result = result with
        {
            MaxTokens = options.MaxOutputTokens ?? result.MaxTokens,
            Temperature = options.Temperature ?? result.Temperature,
            TopK = options.TopK ?? result.TopK,
            TopP = options.TopP ?? result.TopP,
            PresencePenalty = options.PresencePenalty ?? result.PresencePenalty,
            FrequencyPenalty = options.FrequencyPenalty ?? result.FrequencyPenalty,
            Seed = options.Seed is long seed ? unchecked((ulong)seed) : result.Seed,
            Stop = options.StopSequences is { } stop ? [.. stop] : result.Stop,
        };
        foreach ((string name, object? value) in options.AdditionalProperties ?? [])
        {
            result = name switch
            {
                "min_p" => result with { MinP = Number(name, value) },
                "repetition_penalty" => result with { RepetitionPenalty = Number(name, value) },
                _ => throw new UsageException($"the option {name} is unknown; known ones are min_p and repetition_penalty; all others that Gemma has can be "
                    + "given as GenerationOptions by RawRepresentationFactory"),
            };
        }
        return result;
    }

    private static void Refuse(ChatOptions options, string modelId)
    {
        if (options.Tools is { Count: > 0 }) throw Not("Tools", "Gemma was not trained to call tools; describe them in the prompt");
        if (options.ToolMode is RequiredChatToolMode) throw Not("ToolMode", "Gemma was not trained to call tools; leave it out");
        if (options.ResponseFormat is ChatResponseFormatJson) throw Not("ResponseFormat", "ask for JSON in the prompt and check the answer");
        if (options.ConversationId is not null) throw Not("ConversationId", "no conversation is kept here; send all its messages each time");
        if (options.Reasoning is { Effort: not (null or ReasoningEffort.None) }) throw Not("Reasoning", "Gemma has no reasoning mode; leave it out");
#pragma warning disable MEAI001 // experimental, but refusing them is not
        if (options.AllowBackgroundResponses == true) throw Not("AllowBackgroundResponses", "leave it out");
        if (options.ContinuationToken is not null) throw Not("ContinuationToken", "leave it out");
#pragma warning restore MEAI001
        CheckModel(options.ModelId, modelId);
    }

    public static void CheckModel(string? wanted, string modelId)
    {
        if (wanted is not null && wanted != modelId) throw new UsageException($"the model asked for is {wanted}, the only one here is {modelId}; leave it out");
    }

    private static NotSupportedException Not(string option, string remedy) => new($"the option {option} is not supported: {remedy}");

    private static float Number(string name, object? value) => value switch
    {
        float number => number,
        double number => (float)number,
        decimal number => (float)number,
        int number => number,
        long number => number,
        JsonElement { ValueKind: JsonValueKind.Number } json => (float)json.GetDouble(),
        _ => throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"the option {name} is {value ?? "null"}; it must be a number")),
    };
}
