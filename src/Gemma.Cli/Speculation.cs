using System.Globalization;
using Gemma.Generation;

namespace Gemma.Cli;

/// <summary>How far ahead to guess, as <see cref="GenerationOptions.DraftTokens"/> has it: auto, off, or a number.</summary>
internal readonly record struct Speculation(int? DraftTokens)
{
    public static bool TryParse(string text, out Speculation value)
    {
        value = text == "off" ? new Speculation(0) : default;
        if (text is "auto" or "off") return true;
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) || count is < 1 or > GenerationOptions.MaxDraftTokens) return false;
        value = new Speculation(count);
        return true;
    }
}
