namespace Gemma.Tokenization;

/// <summary>What a piece is; the numbers are those of the SentencePiece format and of GGUF.</summary>
public enum PieceType
{
    /// <summary>Text that merges make.</summary>
    Normal = 1,

    /// <summary>Stands for text that no piece covers.</summary>
    Unknown = 2,

    /// <summary>Steers the model and is no text: begin, end, padding. Never produced from text.</summary>
    Control = 3,

    /// <summary>Text that is always one piece, whatever surrounds it.</summary>
    UserDefined = 4,

    /// <summary>Takes up an id and is never produced.</summary>
    Unused = 5,

    /// <summary>One byte, <c>&lt;0x00&gt;</c> … <c>&lt;0xFF&gt;</c>, of a character that has no piece.</summary>
    Byte = 6,
}

/// <summary>An entry of the vocabulary. Its index is its id.</summary>
/// <param name="Text">The text, in which ▁ (U+2581) stands for a space.</param>
/// <param name="Score">Merges with a higher score come first.</param>
public readonly record struct SentencePiece(string Text, float Score, PieceType Type)
{
    /// <summary>Stands for a space in the text of a piece.</summary>
    internal const char Space = '\u2581';

    private static readonly HashSet<string> HtmlElements = new(StringComparer.Ordinal)
    {
        "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote",
        "strong", "em", "b", "i", "u", "s", "sub", "sup", "code", "p", "br", "hr", "a", "ul", "ol", "li", "pre", "div", "span", "img",
    };

    /// <summary>
    /// A user-defined piece that means something to the model or the chat format, such as <c>&lt;start_of_turn&gt;</c>, <c>&lt;mask&gt;</c> or
    /// <c>[toxicity=0]</c>: any in angle or square brackets that is no HTML tag. Runs of newlines, spaces and tabs, and HTML tags, are plain text.
    /// </summary>
    public bool IsMarker => Type == PieceType.UserDefined && IsBracketed(Text) && !IsHtmlTag(Text);

    internal static bool IsBracketed(string text) => text.Length > 2 && (text[0], text[^1]) is ('<', '>') or ('[', ']');

    private static bool IsHtmlTag(string text) => text[0] == '<' && HtmlElements.Contains(text[1..^1].TrimStart('/'));
}
