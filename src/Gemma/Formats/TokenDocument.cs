namespace Gemma.Formats;

/// <summary>Where the ids of one document lie.</summary>
/// <param name="Set">Index of its set in the mixture.</param>
/// <param name="Shard">The file.</param>
/// <param name="Start">Place of its first id in the file, in tokens.</param>
/// <param name="Length">Tokens, at least one.</param>
public readonly record struct TokenDocument(int Set, TokenShard Shard, long Start, long Length)
{
    /// <summary>Copies ids of the document.</summary>
    /// <param name="from">Tokens to leave out at its begin; with those copied at most <see cref="Length"/>.</param>
    /// <param name="ids">All of it is filled.</param>
    /// <exception cref="BadFileException">An id is not in the vocabulary.</exception>
    public void Read(long from, Span<int> ids)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(from, Length - ids.Length);
        Shard.Read(Start + from, ids);
    }
}
