namespace Gemma.Hub;

/// <summary>One file on the hub.</summary>
/// <param name="Name">Path in the repository, with slashes.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Etag">64 digits: the SHA-256 of the content; 40 digits: its id as a git blob. Both prove the content, and name the blob in the cache.</param>
public sealed record RemoteFile(string Name, long Bytes, string Etag);

/// <summary>A model as it is on the hub at one commit: what a pull brings.</summary>
public sealed record RemoteModel
{
    public required ModelReference Reference { get; init; }

    /// <summary>The commit that the revision stands for now.</summary>
    public required string Commit { get; init; }

    /// <summary>The files the model needs, in the order they are fetched.</summary>
    public required IReadOnlyList<RemoteFile> Files { get; init; }

    /// <summary>The notice to be shown with the weights, or null where the repository names no such licence. See <see cref="GemmaTerms"/>.</summary>
    public string? LicenceNotice { get; init; }

    /// <summary>Of all files together.</summary>
    public long Bytes => Files.Sum(file => file.Bytes);
}

/// <summary>How far the download of one file is.</summary>
/// <param name="File">Its name in the repository.</param>
/// <param name="Done">Bytes that are here.</param>
/// <param name="Total">Bytes of the whole file.</param>
/// <param name="Resumed">Those of <paramref name="Done"/> that were here before: the rate is (Done − Resumed) over the time since the first report.</param>
public readonly record struct DownloadProgress(string File, long Done, long Total, long Resumed);
