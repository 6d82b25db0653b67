namespace Gemma.Formats;

/// <summary>How files are written.</summary>
public record WriteOptions
{
    /// <summary>Replace what has the name already.</summary>
    public bool Force { get; init; }

    /// <summary>Threads that encode; 0 is one for each core.</summary>
    public int Threads { get; init; }

    /// <summary>Told the part of the bytes that is written, 0 … 1.</summary>
    public IProgress<double>? Progress { get; init; }
}
