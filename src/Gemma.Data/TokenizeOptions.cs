using Gemma.Formats;

namespace Gemma.Data;

/// <summary>How documents become shards.</summary>
public sealed record TokenizeOptions
{
    /// <summary>What stands around each document.</summary>
    public TokenShardMarks Marks { get; init; } = TokenShardMarks.Begin | TokenShardMarks.End;

    /// <summary>Whether markers such as <c>&lt;start_of_turn&gt;</c> in a text are markers; otherwise they are text like any other.</summary>
    public bool ReadMarkers { get; init; }

    /// <summary>A shard that has reached so many bytes is followed by another.</summary>
    public long ShardBytes { get; init; } = 500_000_000;

    /// <summary>Threads that tokenize; 0 is one for each processor. They change nothing in what is written.</summary>
    public int Threads { get; init; }

    /// <summary>Whether a folder of shards that is there may be replaced.</summary>
    public bool Replace { get; init; }

    /// <summary>Hears the bytes of the sources read so far.</summary>
    public IProgress<long>? Progress { get; init; }
}
