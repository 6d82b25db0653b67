using System.Collections.Immutable;

namespace Gemma.Formats;

/// <summary>How a model's makers would have it sampled: <c>generation_config.json</c>. What is null is not said.</summary>
public sealed record GenerationDefaults
{
    /// <summary>Ids that end an answer; the tuned models add the end of turn here rather than in config.json.</summary>
    public ImmutableArray<int> EosIds { get; init; } = [];

    /// <summary>False asks for the most likely token always.</summary>
    public bool? Sample { get; init; }

    public float? Temperature { get; init; }

    public int? TopK { get; init; }

    public float? TopP { get; init; }

    internal static GenerationDefaults Read(JsonFields fields) => new()
    {
        EosIds = fields.Ints("eos_token_id") ?? [],
        Sample = fields.Bool("do_sample"),
        Temperature = InRange(fields, "temperature", fields.Float("temperature"), 0, 100),
        TopK = (int?)InRange(fields, "top_k", fields.Int("top_k"), 0, int.MaxValue),
        TopP = InRange(fields, "top_p", fields.Float("top_p"), 0, 1),
    };

    private static float? InRange(JsonFields fields, string name, float? value, float low, float high) => value is null || (value >= low && value <= high)
        ? value
        : throw fields.Wrong(name, FormattableString.Invariant($"{low} … {high}"), FormattableString.Invariant($"{value}"));
}
