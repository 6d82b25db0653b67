namespace Gemma.Formats;

/// <summary>What stands around each document of a <see cref="TokenShard"/>.</summary>
[Flags]
public enum TokenShardMarks
{
    /// <summary>Nothing: the ids are those of the text alone.</summary>
    None = 0,

    /// <summary>The tokenizer's begin id before it.</summary>
    Begin = 1,

    /// <summary>The tokenizer's end id after it.</summary>
    End = 2,
}
