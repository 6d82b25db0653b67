using System.CommandLine;

namespace Gemma.Cli;

/// <summary>One call of the program: what was asked, and where the answer goes.</summary>
internal sealed class Invocation(ParseResult flags, Screen screen, Interrupt interrupt)
{
    private readonly Dictionary<Setting, (string Text, string Source)> _overrides = [];
    private Settings? _settings;

    public ParseResult Flags => flags;

    public Screen Screen => screen;

    public Interrupt Interrupt => interrupt;

    /// <summary>Ends with Ctrl+C.</summary>
    public CancellationToken Cancellation => interrupt.Token;

    /// <summary>The settings file and the environment, read when first asked for.</summary>
    public Settings Settings => _settings ??= Settings.Load();

    public T? Get<T>(Option<T> option) => flags.GetValue(option);

    public T? Get<T>(Argument<T> argument) => flags.GetValue(argument);

    /// <summary>What was said last in a chat, else the flag, the environment, the settings file; null where none says anything.</summary>
    public T? Value<T>(Setting<T> setting) where T : struct => Locate(setting) is (string text, string source) ? setting.Read(text, source) : null;

    /// <inheritdoc cref="Value"/>
    public string? Text(Setting<string> setting) => Locate(setting) is (string text, string source) ? setting.Read(text, source) : null;

    /// <summary>The value as it was written, and where.</summary>
    public (string Text, string Source)? Locate(Setting setting) => _overrides.TryGetValue(setting, out (string, string) said) ? said : Settings.Locate(setting, flags.GetValue(setting.Flag));

    /// <summary>From now on this value counts.</summary>
    /// <exception cref="UsageException">It is none.</exception>
    public void Override(Setting setting, string text, string source)
    {
        setting.Check(text, $"{source} {setting.Name}");
        _overrides[setting] = (text, source);
    }
}
