using System.Runtime.CompilerServices;
using System.Text;

namespace Gemma.Recipes.Tiny;

/// <summary>
/// A sentence, or several, with open places: <c>[one|another|]</c> is one of these, <c>{role.form}</c> somebody or something of the story as <see cref="Teller"/> mentions
/// it, <c>{Role}</c> the same with a capital. Typographic quotes become plain ones.
/// </summary>
internal sealed class Template
{
    // Templates are literals, so that equal ones are the same object and looking one up costs nothing.
    private static readonly ConditionalWeakTable<string, Template> Parsed = new();

    private readonly List<Part> _parts = [];

    private Template() { }

    /// <param name="Others">What may stand for the text.</param>
    private readonly record struct Part(string? Text, string[]? Others, string? Role, string? Form, bool Capital, Template[]? Options);

    public static Template For(string text) => Parsed.GetValue(text, static text =>
    {
        int at = 0;
        Template template = Parse(text, ref at);
        return at == text.Length ? template : throw new FormatException($"template '{text}': expected the end, found '{text[at]}'");
    });

    public void Render(Teller teller, StringBuilder into)
    {
        foreach (Part part in _parts)
        {
            if (part.Text is not null) into.Append(part.Others is null || teller.Chance.Is(Synonyms.Kept) ? part.Text : teller.Chance.Of<string>(part.Others));
            else if (part.Options is not null) part.Options[teller.Chance.Below(part.Options.Length)].Render(teller, into);
            else
            {
                int start = into.Length;
                teller.Mention(part.Role!, part.Form!, into);
                if (part.Capital && into.Length > start) into[start] = char.ToUpperInvariant(into[start]);
            }
        }
    }

    private static Template Parse(string text, ref int at)
    {
        var template = new Template();
        int start = at;
        while (at < text.Length && text[at] is not ('|' or ']'))
        {
            if (text[at] is not ('[' or '{'))
            {
                at++;
                continue;
            }
            AddText(template, text[start..at]);
            if (text[at++] == '[') template._parts.Add(new Part(null, null, null, null, false, ParseOptions(text, ref at)));
            else
            {
                int end = text.IndexOf('}', at);
                if (end < 0) throw new FormatException($"template '{text}': expected }}, found the end");
                template._parts.Add(ParseSlot(text[at..end]));
                at = end + 1;
            }
            start = at;
        }
        AddText(template, text[start..at]);
        return template;
    }

    private static Template[] ParseOptions(string text, ref int at)
    {
        List<Template> options = [Parse(text, ref at)];
        while (at < text.Length && text[at] == '|')
        {
            at++;
            options.Add(Parse(text, ref at));
        }
        if (at == text.Length) throw new FormatException($"template '{text}': expected ], found the end");
        at++;
        return [.. options];
    }

    private static Part ParseSlot(string slot)
    {
        int dot = slot.IndexOfAny(['.', '!', '\'']);
        string role = dot < 0 ? slot : slot[..dot], form = dot < 0 ? "" : slot[dot] == '.' ? slot[(dot + 1)..] : slot[dot..];
        bool capital = char.IsUpper(role[0]) || (form.Length > 0 && char.IsUpper(form[0]));
        return new Part(null, null, char.ToLowerInvariant(role[0]) + role[1..], form.ToLowerInvariant(), capital, null);
    }

    private static void AddText(Template template, string text)
    {
        text = text.Replace('“', '"').Replace('”', '"').Replace('’', '\'');
        foreach ((string piece, string[]? others) in Synonyms.Split(text)) template._parts.Add(new Part(piece, others, null, null, false, null));
    }
}
