namespace Gemma.Tests;

/// <summary>Where tests find files: the repository, its assets, and the shared data beside it where a machine has that.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Golden => Path.Combine(Root, "tests", "assets", "golden");

    public static string Tokenizer => Path.Combine(Root, "tests", "assets", "tokenizer");

    public static string TinyModel => Path.Combine(Root, "models", "tiny");

    /// <summary>Third-party data beside the repository; tests that need it call <see cref="Assert.SkipWhen"/> where it is null.</summary>
    public static string? Shared { get; } = Directory.Exists(Path.Combine(Root, "..", "shared")) ? Path.GetFullPath(Path.Combine(Root, "..", "shared")) : null;

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Gemma.slnx"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("Gemma.slnx is in no folder above the test program");
    }
}
