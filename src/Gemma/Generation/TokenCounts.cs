namespace Gemma.Generation;

/// <summary>Which tokens a sequence holds, for the penalties: those of the prompt, and how often each stands in the answer.</summary>
public sealed class TokenCounts
{
    // Times in the answer; 0 for tokens of the prompt only.
    private readonly Dictionary<int, int> _counts = [];

    public TokenCounts(ReadOnlySpan<int> prompt)
    {
        foreach (int id in prompt) _counts.TryAdd(id, 0);
    }

    /// <summary>Counts one more generated token.</summary>
    public void Add(int id) => _counts[id] = _counts.GetValueOrDefault(id) + 1;

    /// <summary>Applies the penalties to the logits of the tokens counted.</summary>
    internal void Penalize(Span<float> logits, GenerationOptions options)
    {
        foreach ((int id, int generated) in _counts)
        {
            float logit = logits[id];
            logit = logit < 0 ? logit * options.RepetitionPenalty : logit / options.RepetitionPenalty;
            if (generated > 0) logit -= options.PresencePenalty + generated * options.FrequencyPenalty;
            logits[id] = logit;
        }
    }
}
