using System.Globalization;
using Gemma.Formats;
using Gemma.Generation;
using Spectre.Console;

namespace Gemma.Cli;

/// <summary>One setting as it counts: the value and who said it.</summary>
internal sealed record EffectiveSetting(string Name, string Value, string Source)
{
    /// <summary>Every setting, with the makers' and the program's own defaults where nobody said anything.</summary>
    /// <param name="call">The call, with its flags.</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="makers">How its makers would have it sampled.</param>
    /// <param name="type">How its weights are kept where nobody says.</param>
    public static IReadOnlyList<EffectiveSetting> All(Invocation call, GemmaConfig config, GenerationDefaults? makers, string type) => [.. Setting.All.Select(setting =>
    {
        if (call.Locate(setting) is (string text, string source))
        {
            setting.Check(text, source);
            return new EffectiveSetting(setting.Name, text, source);
        }
        (string value, bool ofModel) = Default(setting, config, makers, type);
        return new EffectiveSetting(setting.Name, value, ofModel ? "the model" : "default");
    })];

    /// <summary>One row each.</summary>
    public static Table Table(IReadOnlyList<EffectiveSetting> settings)
    {
        Table table = Screen.CreateTable("setting", "value", "who says so");
        foreach (EffectiveSetting setting in settings) table.AddRow(new Text(setting.Name), new Text(setting.Value), new Text(setting.Source));
        return table;
    }

    private static (string Value, bool OfModel) Default(Setting setting, GemmaConfig config, GenerationDefaults? makers, string type)
    {
        GenerationOptions options = GenerationOptions.For(makers);
        return setting switch
        {
            _ when setting == Setting.Model => (EmbeddedModel.Name, false),
            _ when setting == Setting.Quant => (type, true),
            _ when setting == Setting.Head => ("goes with quant", false),
            _ when setting == Setting.WeightCache => ("on", false),
            _ when setting == Setting.Threads => (Number(Environment.ProcessorCount), false),
            _ when setting == Setting.Context => (Number(config.ContextLength), true),
            _ when setting == Setting.MaxTokens => ("what the context has room for", false),
            _ when setting == Setting.Temperature => (Number(options.Temperature), makers?.Temperature is not null || makers?.Sample == false),
            _ when setting == Setting.TopK => (Number(options.TopK), makers?.TopK is not null),
            _ when setting == Setting.TopP => (Number(options.TopP), makers?.TopP is not null),
            _ when setting == Setting.MinP => (Number(options.MinP), false),
            _ when setting == Setting.RepetitionPenalty => (Number(options.RepetitionPenalty), false),
            _ when setting == Setting.PresencePenalty => (Number(options.PresencePenalty), false),
            _ when setting == Setting.FrequencyPenalty => (Number(options.FrequencyPenalty), false),
            _ when setting == Setting.Seed => ("another for each answer", false),
            _ when setting == Setting.Speculate => ("auto", false),
            _ => ("none", false),
        };
    }

    private static string Number(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
