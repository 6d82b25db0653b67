using System.CommandLine;
using Gemma.Generation;

namespace Gemma.Cli;

/// <summary>What the flags and settings make of the way a model's makers would have it sampled.</summary>
internal static class Sampling
{
    public static Option<string[]> Stop { get; } = new("--stop") { Description = "A text that ends the answer; may be given several times.", HelpName = "TEXT" };

    /// <summary>Flags of every verb that generates.</summary>
    public static IEnumerable<Option> Flags => [.. Setting.Sampling.Select(setting => setting.Flag), Stop, Setting.Context.Flag];

    /// <summary>Flags over environment over settings file over <c>generation_config.json</c> over the library's own defaults.</summary>
    /// <exception cref="UsageException">A value is none, or out of its range.</exception>
    public static GenerationOptions Options(Invocation call, GemmaModel model)
    {
        GenerationOptions makers = GenerationOptions.For(model.Defaults);
        GenerationOptions options = makers with
        {
            MaxTokens = call.Value(Setting.MaxTokens) ?? makers.MaxTokens,
            Temperature = call.Value(Setting.Temperature) ?? makers.Temperature,
            TopK = call.Value(Setting.TopK) ?? makers.TopK,
            TopP = call.Value(Setting.TopP) ?? makers.TopP,
            MinP = call.Value(Setting.MinP) ?? makers.MinP,
            RepetitionPenalty = call.Value(Setting.RepetitionPenalty) ?? makers.RepetitionPenalty,
            PresencePenalty = call.Value(Setting.PresencePenalty) ?? makers.PresencePenalty,
            FrequencyPenalty = call.Value(Setting.FrequencyPenalty) ?? makers.FrequencyPenalty,
            Seed = call.Value(Setting.Seed) ?? makers.Seed,
            Stop = call.Get(Stop) ?? [],
            DraftTokens = call.Value(Setting.Speculate) is Speculation speculation ? speculation.DraftTokens : makers.DraftTokens,
        };
        options.Validate();
        return options;
    }
}
