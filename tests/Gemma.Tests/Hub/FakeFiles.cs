using System.Text;
using Gemma.Hub;

namespace Gemma.Tests.Hub;

/// <summary>Small models as the hub would hold them, and what is asked of the cache in most tests.</summary>
internal static class FakeFiles
{
    public const string Id = "google/gemma-2b-it";

    public static byte[] Bytes(int count, int seed)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Contents do not matter here: nothing loads them.</summary>
    public static Dictionary<string, byte[]> Model(int weights = 100_000, int seed = 1) => new()
    {
        [".gitattributes"] = Encoding.UTF8.GetBytes("*.safetensors filter=lfs"),
        ["README.md"] = Encoding.UTF8.GetBytes("# Gemma"),
        ["config.json"] = Encoding.UTF8.GetBytes("""{"model_type":"gemma"}"""),
        ["generation_config.json"] = Encoding.UTF8.GetBytes("{}"),
        ["gemma-2b-it.gguf"] = Bytes(10, 9),
        ["model.safetensors"] = Bytes(weights, seed),
        ["original/model.safetensors"] = Bytes(10, 7),
        ["pytorch_model.bin"] = Bytes(10, 8),
        ["tokenizer.model"] = Bytes(5_000, 3),
        ["tokenizer_config.json"] = Encoding.UTF8.GetBytes("""{"tokenizer_class":"GemmaTokenizer"}"""),
    };

    public static async Task<string> PullAsync(HubOptions options, string model = Id, List<string>? notices = null,
        IProgress<DownloadProgress>? progress = null, CancellationToken cancellation = default)
    {
        using var hub = new HuggingFaceHub(options) { Notice = notice => notices?.Add(notice) };
        RemoteModel found = await hub.FindAsync(ModelReference.Parse(model), cancellation);
        return await hub.PullAsync(found, progress, cancellation);
    }

    /// <summary>Every file below a folder with its length, or with where it links to.</summary>
    public static string[] Tree(string folder) => [.. CachedModel.Files(new DirectoryInfo(folder))
        .Select(file => (name: Path.GetRelativePath(folder, file.FullName).Replace('\\', '/'), file))
        .Select(pair => pair.file.LinkTarget is string target
            ? $"{pair.name} -> {target.Replace('\\', '/')}"
            : FormattableString.Invariant($"{pair.name} {pair.file.Length}"))
        .Order(StringComparer.Ordinal)];

    /// <summary>The message is one line and says all this.</summary>
    public static void AssertSays(GemmaException failure, int exitCode, params string[] parts)
    {
        Assert.Equal(exitCode, failure.ExitCode);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.All(parts, part => Assert.Contains(part, failure.Message, StringComparison.Ordinal));
    }
}

/// <summary>Calls at once, on the thread that reports: <see cref="Progress{T}"/> would call later, in any order.</summary>
internal sealed class OnProgress(Action<DownloadProgress> action) : IProgress<DownloadProgress>
{
    public void Report(DownloadProgress value) => action(value);
}
