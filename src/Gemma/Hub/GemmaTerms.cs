namespace Gemma.Hub;

/// <summary>The terms that the weights come under. The program's own licence does not cover them.</summary>
public static class GemmaTerms
{
    public const string TermsOfUse = "https://ai.google.dev/gemma/terms";

    public const string ProhibitedUsePolicy = "https://ai.google.dev/gemma/prohibited_use_policy";

    /// <summary>What whoever fetches weights must be shown, with the addresses of both documents.</summary>
    public const string Notice =
        $"Gemma is provided under and subject to the Gemma Terms of Use found at {TermsOfUse}, and the Prohibited Use Policy at {ProhibitedUsePolicy}";

    /// <summary>Whether a repository holds weights under these terms: Google's own Gemma models, and all that say <c>license: gemma</c>.</summary>
    public static bool Cover(string repository, IEnumerable<string> tags)
    {
        ArgumentNullException.ThrowIfNull(repository);
        return repository.StartsWith("google/gemma", StringComparison.OrdinalIgnoreCase) || tags.Contains("license:gemma", StringComparer.OrdinalIgnoreCase);
    }
}
