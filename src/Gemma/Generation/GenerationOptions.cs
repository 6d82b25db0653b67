using System.Globalization;
using Gemma.Formats;

namespace Gemma.Generation;

/// <summary>
/// What a caller wants of an answer. The sampler applies it in this order: repetition penalty, presence and frequency penalty, bias, temperature, top-k,
/// top-p, min-p, draw. The defaults draw from the model's own distribution.
/// </summary>
public sealed record GenerationOptions
{
    /// <summary>Most alternatives <see cref="LogProbs"/> may ask for.</summary>
    public const int MaxLogProbs = 1000;

    /// <summary>Most tokens <see cref="DraftTokens"/> may ask for.</summary>
    public const int MaxDraftTokens = 63;

    /// <summary>Always the most probable token.</summary>
    public static GenerationOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>Most tokens generated; null is as many as the context has room for. More than there is room for is cut to it, and the answer then ends with
    /// <see cref="FinishReason.Length"/>.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Logits are divided by this; 0 takes the most probable token (the lowest id of equals).</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Only the k most probable tokens are drawn from; 0 is off.</summary>
    public int TopK { get; init; }

    /// <summary>Only the fewest most probable tokens that together hold this probability are drawn from; 1 is off, 0 leaves one token.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Only tokens at least this fraction as probable as the most probable one are drawn from; 0 is off.</summary>
    public float MinP { get; init; }

    /// <summary>Logits of tokens that stand in the prompt or the answer are divided by this where positive, multiplied where negative; 1 is off
    /// (arXiv 1909.05858, as Hugging Face counts).</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Taken off the logits of tokens that stand in the answer, not counting the prompt (as OpenAI counts); 0 is off.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Taken off the logit of a token once for each time it stands in the answer, not counting the prompt (as OpenAI counts); 0 is off.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>The same seed gives the same answer, whatever else the engine runs; null draws a fresh one, which <see cref="GenerationResult.Seed"/> tells.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Texts that end the answer. The answer holds no part of the one that ended it.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Ids that end the answer besides the model's own end ids.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];

    /// <summary>Goes on past the model's own end ids (for measurements); <see cref="StopIds"/> still end the answer.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Reports the log-probability of every generated token and of this many most probable alternatives; null reports none. They are of the model's
    /// own distribution: temperature 1, before penalties, bias and truncation.</summary>
    public int? LogProbs { get; init; }

    /// <summary>Added to the logits of these ids; negative infinity forbids a token.</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>
    /// The engine keeps what it has computed of prompts and answers for others that begin alike, but only for those of the same salt; null is the salt of all
    /// who give none. Whoever shares a salt can tell by the time an answer takes whether its beginning was asked for before: give tenants who must not know of
    /// each other salts of their own. Changes no answer.
    /// </summary>
    public string? CacheSalt { get; init; }

    /// <summary>What is added to the model for this answer; null for nothing. It must have been loaded for the engine's model.</summary>
    public GemmaAdapter? Adapter { get; init; }

    /// <summary>
    /// Most tokens guessed ahead, from what followed the same tokens earlier in the text, and verified in one pass (speculative decoding). Null guesses as far as
    /// it pays by what was measured and how often guesses were right, 0 not at all, any other number always so many, where there is anything to go by. Changes
    /// how fast an answer comes and not a bit of it.
    /// </summary>
    public int? DraftTokens { get; init; }

    internal bool HasPenalties => RepetitionPenalty != 1 || PresencePenalty != 0 || FrequencyPenalty != 0;

    internal bool ChangesLogits => HasPenalties || LogitBias is { Count: > 0 };

    /// <summary>As a model's makers would have it sampled; what they do not say is as by default here.</summary>
    public static GenerationOptions For(GenerationDefaults? makers)
    {
        if (makers is null) return new GenerationOptions();
        if (makers.Sample == false) return Greedy;
        var options = new GenerationOptions();
        return options with { Temperature = makers.Temperature ?? options.Temperature, TopK = makers.TopK ?? options.TopK, TopP = makers.TopP ?? options.TopP };
    }

    /// <summary>Throws <see cref="UsageException"/> naming the first option that is out of its range.</summary>
    public void Validate()
    {
        Check(MaxTokens is null or >= 0, "max tokens", "0 or more", MaxTokens);
        Check(Temperature >= 0 && float.IsFinite(Temperature), "temperature", "0 or a positive number", Temperature);
        Check(TopK >= 0, "top-k", "0 (off) or more", TopK);
        Check(TopP is >= 0 and <= 1, "top-p", "between 0 and 1", TopP);
        Check(MinP is >= 0 and <= 1, "min-p", "between 0 and 1", MinP);
        Check(RepetitionPenalty > 0 && float.IsFinite(RepetitionPenalty), "repetition penalty", "a positive number (1 is off)", RepetitionPenalty);
        Check(float.IsFinite(PresencePenalty), "presence penalty", "a finite number", PresencePenalty);
        Check(float.IsFinite(FrequencyPenalty), "frequency penalty", "a finite number", FrequencyPenalty);
        Check(DraftTokens is null or (>= 0 and <= MaxDraftTokens), "draft tokens", $"between 0 (off) and {MaxDraftTokens}", DraftTokens);
        Check(LogProbs is null or (>= 0 and <= MaxLogProbs), "log-probabilities", $"between 0 and {MaxLogProbs} alternatives", LogProbs);
        if (Stop is null || StopIds is null) throw new UsageException("the lists of stop strings and stop ids must not be null; leave them empty");
        foreach (string stop in Stop)
            if (string.IsNullOrEmpty(stop)) throw new UsageException("a stop string is empty: it would end every answer before it begins; leave it out");
        foreach (float bias in LogitBias?.Values ?? [])
            Check(float.IsFinite(bias) || float.IsNegativeInfinity(bias), "logit bias", "a finite number, or negative infinity to forbid a token", bias);
    }

    /// <summary>Throws <see cref="UsageException"/> where an id is not in the vocabulary.</summary>
    internal void ValidateIds(int vocabularySize)
    {
        foreach (int id in StopIds) CheckId(id, "stop id");
        foreach (int id in LogitBias?.Keys ?? []) CheckId(id, "logit bias for id");

        void CheckId(int id, string what)
        {
            if ((uint)id >= (uint)vocabularySize)
                throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"{what} {id} is not in the vocabulary: ids are 0 to {vocabularySize - 1}"));
        }
    }

    private static void Check(bool holds, string option, string expected, object? actual)
    {
        if (!holds) throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"{option} is {actual}; it must be {expected}"));
    }
}
