namespace Gemma.Data;

/// <summary>A text, and where it comes from.</summary>
/// <param name="Text">At least one character.</param>
/// <param name="Number">Of its line or row, or of the document in a file of text, from 1.</param>
public readonly record struct Document(string Text, long Number);
