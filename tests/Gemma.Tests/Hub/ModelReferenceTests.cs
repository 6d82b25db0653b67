using CsCheck;
using Gemma.Hub;

namespace Gemma.Tests.Hub;

public class ModelReferenceTests
{
    [Theory]
    [InlineData("google/gemma-2b-it", "google/gemma-2b-it", "main", null, null)]
    [InlineData("gemma-1.1-2b-it", "google/gemma-1.1-2b-it", "main", null, null)]
    [InlineData("Gemma-3-270M-it@v1", "google/gemma-3-270m-it", "v1", null, null)]
    [InlineData("a/b@refs/pr/1", "a/b", "refs/pr/1", null, null)]
    [InlineData("a/b:Q8_0", "a/b", "main", null, "Q8_0")]
    [InlineData("a/b:Q8_0@v1", "a/b", "v1", null, "Q8_0")]
    [InlineData("a/b@v1:Q8_0", "a/b", "v1", null, "Q8_0")]
    [InlineData("a/b/c/d.gguf@v1", "a/b", "v1", "c/d.gguf", null)]
    public void Ids_and_aliases_are_read(string text, string repository, string revision, string? file, string? variant)
    {
        var reference = ModelReference.Parse(text);
        Assert.Equal((repository, revision, file, variant), (reference.Repository, reference.Revision, reference.File, reference.Variant));
        Assert.Equal(reference, ModelReference.Parse(reference.ToString()));
    }

    [Theory]
    [InlineData("gemma")]
    [InlineData("/a/b")]
    [InlineData("a/b/")]
    [InlineData("../b")]
    [InlineData("a/..")]
    [InlineData("a--b/c")]
    [InlineData("-a/b")]
    [InlineData("a/b.")]
    [InlineData("a/b/../c.gguf")]
    [InlineData("a/b/c.bin")]
    [InlineData("a/b@")]
    [InlineData("a/b@../../x")]
    [InlineData("a/b@/x")]
    [InlineData("a/b@x@y")]
    [InlineData("a/b:")]
    [InlineData("a/b:x:y")]
    [InlineData("a/b:x@v:y")]
    [InlineData("a/b\n")]
    [InlineData("C:\\models\\x")]
    public void What_is_neither_is_refused(string text)
    {
        Assert.Null(ModelReference.TryParse(text));
        FakeFiles.AssertSays(Assert.Throws<UsageException>(() => ModelReference.Parse(text)), 2, "google/gemma-1.1-2b-it");
    }

    [Fact]
    public void No_text_makes_a_path_that_leaves_the_cache()
    {
        var cache = new ModelCache(new HubOptions { CacheFolder = Path.Combine(Path.GetTempPath(), "none") });
        Gen.Char["ab./\\:@-~%\0\n é"].Array[0, 12].Select(letters => new string(letters)).Sample(text =>
        {
            if (ModelReference.TryParse(text) is not ModelReference reference) return;
            string folder = Path.GetFullPath(cache.RepositoryFolder(reference.Repository)), refs = Path.Combine(folder, "refs");
            Assert.Equal(cache.Folder, Path.GetDirectoryName(folder));
            Assert.StartsWith(refs + Path.DirectorySeparatorChar, Path.GetFullPath(Path.Combine(refs, reference.Revision)), StringComparison.Ordinal);
            Assert.Equal(reference, ModelReference.TryParse(reference.ToString()));
        }, seed: "0000000000001", iter: 200_000);
    }

    [Theory]
    [InlineData("gemma-2b-itt", "did you mean gemma-2b-it")]
    [InlineData("gema-7b", "gemma-7b")]
    [InlineData("google/gemma-1.2-2b-it", "gemma-1.1-2b-it")]
    [InlineData("llama", "")]
    public void A_slip_is_answered_with_the_nearest_names(string typed, string expected) =>
        Assert.Contains(expected, ModelAliases.Suggestion(typed), StringComparison.Ordinal);
}
