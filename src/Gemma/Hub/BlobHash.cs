using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Gemma.Hub;

/// <summary>The hash that the hub names a file by, over bytes as they come: SHA-256 for large files, the id of the git blob for the others.</summary>
internal sealed class BlobHash : IDisposable
{
    private const int Sha256Digits = 64, GitDigits = 40;

    private readonly IncrementalHash _hash;
    private readonly RemoteFile _file;

    public BlobHash(RemoteFile file)
    {
        _file = file;
        // SHA-1 is what git names its blobs by; it guards against damage, and the hub names everything that is large by SHA-256.
        _hash = IncrementalHash.CreateHash(file.Etag.Length == Sha256Digits ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        Restart();
    }

    /// <summary>Whether an etag names content: 40 or 64 lowercase hexadecimal digits. Nothing else may become the name of a blob.</summary>
    public static bool IsHash(string etag) => etag.Length is GitDigits or Sha256Digits && etag.All(char.IsAsciiHexDigitLower);

    /// <summary>For messages: "SHA-256" or "git blob".</summary>
    public string Name => _file.Etag.Length == Sha256Digits ? "SHA-256" : "git blob";

    public void Append(ReadOnlySpan<byte> bytes) => _hash.AppendData(bytes);

    /// <summary>Forgets what came so far.</summary>
    public void Restart()
    {
        _hash.GetHashAndReset();
        if (_file.Etag.Length == GitDigits) _hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {_file.Bytes}\0")));
    }

    /// <summary>The hash of what came so far, as the hub writes it.</summary>
    public string Finish() => Convert.ToHexStringLower(_hash.GetHashAndReset());

    public void Dispose() => _hash.Dispose();
}
