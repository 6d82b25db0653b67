namespace Gemma.Training.Tuning;

/// <summary>A line of a file that is no sample.</summary>
internal sealed class BadSampleException(string expected, string found) : GemmaException($"expected {expected}, found {found}");
