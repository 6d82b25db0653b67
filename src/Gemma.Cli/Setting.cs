using System.CommandLine;
using System.Globalization;
using Gemma.Cpu;
using Gemma.Generation;

namespace Gemma.Cli;

/// <summary>
/// One thing that may be set by a flag, by an environment variable and in the settings file. The value is text in all three, so that it is read, checked and
/// complained about in one place.
/// </summary>
internal abstract class Setting
{
    private protected Setting(string name, string valueName, string description, bool isNumber, string[] aliases)
    {
        Name = name;
        IsNumber = isNumber;
        Flag = new Option<string?>("--" + name.Replace('_', '-'), aliases) { Description = description, HelpName = valueName };
    }

    public static Setting<string> Model { get; } = Text("model", "MODEL", "Folder, .gguf file, hub id or alias such as gemma-1.1-2b-it; without it the embedded model.", "-m");

    public static Setting<WeightType> Quant { get; } = new("quant", "TYPE", "Weights in memory: f32, bf16, q8, q6_k, q4_k_m or q4; without it as in the file, or nearest to it.",
        "f32, bf16, q8, q6_k, q4_k_m or q4", isNumber: false, TryQuant);

    public static Setting<WeightType> Head { get; } = new("head", "TYPE", "The tied embedding, which is also the head, if not as --quant says.",
        "f32, bf16, q8, q6_k, q4_k or q4", isNumber: false, TryQuant);

    public static Setting<int> Threads { get; } = Int("threads", "N", "Threads that compute; 0 is one for each processor.", 0, 1024);

    public static Setting<bool> WeightCache { get; } = new("weight_cache", "ON|OFF", "Keep packed weights on the disk, beside the model, so that the next start maps them (on).", "on or off", isNumber: false, TryOnOff);

    public static Setting<int> Context { get; } = Int("context", "N", "Longest text, prompt and answer together; without it what the model was made for.", 1, int.MaxValue);

    public static Setting<string> System { get; } = Text("system", "TEXT", "What the model should keep in mind; stands before the first turn of a chat.");

    public static Setting<int> MaxTokens { get; } = Int("max_tokens", "N", "Most tokens of the answer; without it as many as the context has room for.", 0, int.MaxValue);

    public static Setting<float> Temperature { get; } = Number("temperature", "T", "0 takes the most probable token, 1 draws from the model's own distribution.", 0, float.MaxValue);

    public static Setting<int> TopK { get; } = Int("top_k", "K", "Draw from the K most probable tokens only; 0 is off.", 0, int.MaxValue);

    public static Setting<float> TopP { get; } = Number("top_p", "P", "Draw from the fewest tokens that together have this probability; 1 is off.", 0, 1);

    public static Setting<float> MinP { get; } = Number("min_p", "P", "Draw from tokens at least this fraction as probable as the best; 0 is off.", 0, 1);

    public static Setting<float> RepetitionPenalty { get; } = Number("repetition_penalty", "X", "Logits of tokens seen before are divided by this; 1 is off.", float.Epsilon, float.MaxValue);

    public static Setting<float> PresencePenalty { get; } = Number("presence_penalty", "X", "Taken off the logits of tokens of the answer; 0 is off.", -float.MaxValue, float.MaxValue);

    public static Setting<float> FrequencyPenalty { get; } = Number("frequency_penalty", "X", "The same, once for each time a token stands in the answer.", -float.MaxValue, float.MaxValue);

    public static Setting<ulong> Seed { get; } = new("seed", "S", "The same seed gives the same answer; without it each answer has its own.", "a whole number from 0",
        isNumber: true, (string text, out ulong value) => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value));

    public static Setting<Speculation> Speculate { get; } = new("speculate", "auto|off|N", "Tokens guessed ahead from the text so far: makes an answer faster, not another one.",
        $"auto, off or a whole number from 1 to {GenerationOptions.MaxDraftTokens}", isNumber: false, Speculation.TryParse);

    /// <summary>How the next token is drawn, when that ends, and how fast it goes.</summary>
    public static IReadOnlyList<Setting> Sampling { get; } = [MaxTokens, Temperature, TopK, TopP, MinP, RepetitionPenalty, PresencePenalty, FrequencyPenalty, Seed, Speculate];

    /// <summary>All, in the order of <c>gemma show --effective</c>.</summary>
    public static IReadOnlyList<Setting> All { get; } = [Model, Quant, Head, Threads, WeightCache, Context, System, .. Sampling];

    /// <summary>The field in the settings file, such as <c>max_tokens</c>.</summary>
    public string Name { get; }

    /// <summary>The environment variable, such as <c>GEMMA_MAX_TOKENS</c>.</summary>
    public string Variable => "GEMMA_" + Name.ToUpperInvariant();

    /// <summary>The flag, such as <c>--max-tokens</c>.</summary>
    public Option<string?> Flag { get; }

    /// <summary>Whether the settings file has a number rather than a string.</summary>
    public bool IsNumber { get; }

    /// <summary>Throws <see cref="UsageException"/> where the text is no value of this setting.</summary>
    public abstract void Check(string text, string source);

    private static Setting<int> Int(string name, string valueName, string description, int low, int high) => new(name, valueName, description,
        high == int.MaxValue ? $"a whole number from {low}" : $"a whole number from {low} to {high}", isNumber: true,
        (string text, out int value) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value) && value >= low && value <= high);

    private static Setting<float> Number(string name, string valueName, string description, float low, float high) => new(name, valueName, description,
        (low, high) switch
        {
            (0, float.MaxValue) => "a number from 0",
            (float.Epsilon, _) => "a number above 0",
            (_, float.MaxValue) => "a number",
            _ => string.Create(CultureInfo.InvariantCulture, $"a number from {low} to {high}"),
        }, isNumber: true,
        (string text, out float value) => float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && value >= low && value <= high);

    private static Setting<string> Text(string name, string valueName, string description, params string[] aliases) =>
        new(name, valueName, description, "a text that is not empty", isNumber: false, (string text, out string value) => (value = text).Length > 0, aliases);

    private static bool TryOnOff(string text, out bool value) => (value = text.Equals("on", StringComparison.OrdinalIgnoreCase)) || text.Equals("off", StringComparison.OrdinalIgnoreCase);

    private static bool TryQuant(string text, out WeightType value)
    {
        // The usual name of what it is: Q4_K and, where it matters most, Q6_K.
        if (text.Equals("q4_k_m", StringComparison.OrdinalIgnoreCase)) text = nameof(WeightType.Q4_K);
        return Enum.TryParse(text, ignoreCase: true, out value) && Enum.IsDefined(value) && !char.IsAsciiDigit(text[0]);
    }
}

/// <summary>Reads a value; false where the text is none.</summary>
internal delegate bool TryRead<T>(string text, out T value);

/// <inheritdoc cref="Setting"/>
internal sealed class Setting<T> : Setting
{
    private readonly TryRead<T> _read;
    private readonly string _expected;

    public Setting(string name, string valueName, string description, string expected, bool isNumber, TryRead<T> read, params string[] aliases)
        : base(name, valueName, description, isNumber, aliases)
    {
        _expected = expected;
        _read = read;
    }

    /// <param name="text">The value as it was written.</param>
    /// <param name="source">Where it was written, for the message.</param>
    /// <exception cref="UsageException">The text is no value of this setting.</exception>
    public T Read(string text, string source) => _read(text, out T value) ? value : throw new UsageException($"{source}: expected {_expected}, found '{text}'");

    public override void Check(string text, string source) => Read(text, source);
}
