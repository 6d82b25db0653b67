using System.Globalization;
using System.Text.RegularExpressions;

namespace Gemma.Hub;

/// <summary>Where the hub and the cache are, and who asks: what the environment variables of huggingface_hub say, read the way it reads them.</summary>
public sealed partial record HubOptions
{
    /// <summary>Address of the hub, without a slash at the end.</summary>
    public string Endpoint { get; init; } = "https://huggingface.co";

    /// <summary>The folder that holds a <c>models--org--name</c> folder for each model.</summary>
    public required string CacheFolder { get; init; }

    public string? Token { get; init; }

    /// <summary>Where the token was found, for messages: the name of a variable, or a file.</summary>
    public string? TokenSource { get; init; }

    /// <summary>Never ask the hub.</summary>
    public bool Offline { get; init; }

    /// <summary>False where snapshots hold the files themselves instead of links to blobs.</summary>
    public bool UseSymlinks { get; init; } = true;

    /// <summary>A connection that brings no byte for so long is given up and made anew.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Wait before the second attempt; each further one waits twice as long.</summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait that is worth its while, between attempts or because the hub asks for it.</summary>
    public TimeSpan LongestDelay { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Attempts in a row that bring nothing before the failure is reported.</summary>
    public int Attempts { get; init; } = 6;

    /// <summary>Reads <c>HF_ENDPOINT</c>, <c>HF_HUB_CACHE</c>, <c>HF_HOME</c>, <c>HF_TOKEN</c> and their like.</summary>
    /// <param name="variable">Looks up an environment variable; that of the process if null.</param>
    /// <exception cref="UsageException">A variable holds something that cannot be meant.</exception>
    public static HubOptions FromEnvironment(Func<string, string?>? variable = null)
    {
        var environment = new Variables(variable ?? Environment.GetEnvironmentVariable);
        string caches = environment.Path("XDG_CACHE_HOME") ?? environment.Expand(Path.Combine("~", ".cache"));
        string home = environment.Path("HF_HOME") ?? Path.Combine(caches, "huggingface");
        string cache = environment.Path("HF_HUB_CACHE") ?? environment.Path("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(home, "hub");
        (string? token, string? source) = FindToken(environment, home);
        var options = new HubOptions
        {
            CacheFolder = Path.GetFullPath(cache),
            Token = token,
            TokenSource = source,
            Offline = environment.IsTrue("HF_HUB_OFFLINE") || environment.IsTrue("TRANSFORMERS_OFFLINE"),
            UseSymlinks = !environment.IsTrue("HF_HUB_DISABLE_SYMLINKS"),
        };
        if (environment["HF_HUB_DOWNLOAD_TIMEOUT"] is string timeout)
        {
            if (!int.TryParse(timeout, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds) || seconds is < 1 or > 86400)
                throw new UsageException($"HF_HUB_DOWNLOAD_TIMEOUT: expected seconds from 1 to 86400, found {timeout}; correct or unset it");
            options = options with { StallTimeout = TimeSpan.FromSeconds(seconds) };
        }
        if (environment["HF_ENDPOINT"] is string endpoint)
        {
            if (!Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? uri) || (uri.Scheme != Uri.UriSchemeHttps && uri.Scheme != Uri.UriSchemeHttp)
                || uri.Query.Length > 0 || uri.Fragment.Length > 0 || uri.UserInfo.Length > 0)
            {
                throw new UsageException($"HF_ENDPOINT: expected an address such as https://huggingface.co, found {endpoint}; correct or unset it");
            }
            options = options with { Endpoint = endpoint.TrimEnd('/') };
        }
        return options;
    }

    /// <summary>Never shows the token.</summary>
    public override string ToString() =>
        $"hub {Endpoint}, cache {CacheFolder}, {(Token is null ? "no token" : $"token from {TokenSource}")}{(Offline ? ", offline" : "")}";

    private static (string? Token, string? Source) FindToken(Variables environment, string home)
    {
        if (environment.IsTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return (null, null);
        foreach (string name in (string[])["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
            if (environment[name] is string token) return (Check(token, name), name);
        string file = environment.Path("HF_TOKEN_PATH") ?? Path.Combine(home, "token");
        try
        {
            string text = File.ReadAllText(file).Trim();
            return text.Length == 0 ? (null, null) : (Check(text, file), file);
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            return (null, null);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException($"{file}: the token cannot be read ({failure.Message}); correct its permissions, or set HF_TOKEN", failure);
        }
    }

    /// <summary>A token goes into a header line: it must not be able to end one.</summary>
    private static string Check(string token, string source) => token.All(c => c is > ' ' and <= '~') ? token
        : throw new UsageException($"{source}: expected a token such as hf_…, found spaces or other signs that no token has; copy it again");

    private readonly partial struct Variables(Func<string, string?> variable)
    {
        /// <summary>A variable that is empty counts as not set.</summary>
        public string? this[string name] => variable(name)?.Trim() is { Length: > 0 } value ? value : null;

        public bool IsTrue(string name) => this[name]?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";

        public string? Path(string name) => this[name] is string value ? Expand(value) : null;

        /// <summary>The home folder for a ~ at the start, and the values of $NAME and ${NAME}, as Python's expanduser and expandvars have it.</summary>
        public string Expand(string path)
        {
            if (path == "~" || path.StartsWith("~/", StringComparison.Ordinal) || path.StartsWith(@"~\", StringComparison.Ordinal))
            {
                string? home = this[OperatingSystem.IsWindows() ? "USERPROFILE" : "HOME"];
                path = (home ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile)) + path[1..];
            }
            Func<string, string?> lookUp = variable;
            return Reference().Replace(path, match => lookUp(match.Groups[1].Success ? match.Groups[1].Value : match.Groups[2].Value) ?? match.Value);
        }

        [GeneratedRegex(@"\$(?:(\w+)|\{([^}]*)\})")]
        private static partial Regex Reference();
    }
}
