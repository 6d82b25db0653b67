using Gemma.Hub;

namespace Gemma.Tests.Hub;

public sealed class ModelCacheTests : IDisposable
{
    private const string First = "1111111111111111111111111111111111111111", Second = "2222222222222222222222222222222222222222";

    private readonly string _folder = Directory.CreateTempSubdirectory("gemma-cache-").FullName;

    private ModelCache Cache => new(new HubOptions { CacheFolder = _folder });

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void An_empty_or_missing_cache_lists_nothing()
    {
        Assert.Empty(Cache.List());
        Assert.Empty(new ModelCache(new HubOptions { CacheFolder = Path.Combine(_folder, "none") }).List());
    }

    [Fact]
    public void What_other_programs_left_is_listed()
    {
        Add("google/gemma-2b", First, ("config.json", "c1", 10), ("model.safetensors", "w", 1000));
        Add("google/gemma-2b", Second, ("config.json", "c2", 20), ("model.safetensors", "w", 1000), ("original/x.bin", "x", 5));
        Ref("google/gemma-2b", "main", Second);
        Ref("google/gemma-2b", "refs/pr/1", Second);
        Write("models--google--gemma-2b/.no_exist/" + First + "/x.json", 0);
        Write("models--google--gemma-2b/blobs/w2.12345678.incomplete", 300);
        Write("models--gpt2/refs/main", 0);
        Write("datasets--a--b/refs/main", 0);
        IReadOnlyList<CachedModel> models = Cache.List();
        Assert.Equal(["google/gemma-2b", "gpt2"], models.Select(model => model.Repository));
        CachedModel gemma = models[0];
        Assert.Equal((10 + 20 + 1000 + 5 + 300 + 80, 300), (gemma.Bytes, gemma.PartialBytes)); // shared weights once; two refs of 40 signs
        CachedRevision second = gemma.Revisions.Single(revision => revision.Commit == Second);
        CachedRevision first = gemma.Revisions.Single(revision => revision.Commit == First);
        Assert.Equal(["main", "refs/pr/1"], second.Refs);
        Assert.Empty(first.Refs);
        Assert.Equal((1010, 1025), (first.Bytes, second.Bytes));
        Assert.Equal(["config.json", "model.safetensors", "original/x.bin"], second.Files.Select(file => file.Name));
        Assert.Empty(second.Missing);
        Assert.Equal(second.Folder, Cache.ResolveModel("gemma-2b"));
        Assert.Equal(first.Folder, Cache.ResolveModel("google/gemma-2b@" + First));
        Assert.Equal(first.Folder, Cache.ResolveModel("google/gemma-2b@1111111"));
        Assert.InRange(gemma.LastModifiedUtc, DateTime.UtcNow.AddMinutes(-5), DateTime.UtcNow.AddMinutes(5));
    }

    [Fact]
    public void Files_and_folders_resolve_to_themselves()
    {
        Assert.Equal(_folder, Cache.ResolveModel(_folder));
        string file = Path.Combine(_folder, "x.gguf");
        File.WriteAllBytes(file, [1]);
        Assert.Equal(file, Cache.ResolveModel(file));
    }

    [Theory]
    [InlineData("gemma-1.1-2b-it", 1, "not in the cache", "gemma pull google/gemma-1.1-2b-it")]
    [InlineData("gemma-7b@v1", 1, "gemma pull google/gemma-7b@v1")]
    [InlineData("models/tiny", 1, "there is no folder models/tiny", "gemma pull models/tiny")]
    [InlineData("a/b:Q8_0", 1, "gemma pull a/b:Q8_0")]
    [InlineData("gemma-2b-itt", 2, "did you mean gemma-2b-it")]
    [InlineData("./models/tiny", 2, "no such file or folder")]
    [InlineData("models/tiny.gguf", 2, "no such file or folder")]
    [InlineData("x.safetensors", 2, "no such file or folder")]
    public void What_is_not_here_says_the_next_command(string model, int exitCode, params string[] parts) =>
        FakeFiles.AssertSays(Assert.ThrowsAny<GemmaException>(() => Cache.ResolveModel(model)), exitCode, parts);

    [Fact]
    public void Half_a_model_is_not_resolved()
    {
        Add("google/gemma-2b", First, ("config.json", "c", 10));
        Ref("google/gemma-2b", "main", First);
        var failure = Assert.Throws<GemmaException>(() => Cache.ResolveModel("gemma-2b"));
        FakeFiles.AssertSays(failure, 1, "only in part", "model.safetensors", "gemma pull google/gemma-2b");

        Add("google/gemma-2b", First, ("model.safetensors", "w", 1000));
        Assert.NotNull(Cache.Find(ModelReference.Parse("gemma-2b")));
        File.Delete(Path.Combine(_folder, "models--google--gemma-2b", "blobs", "w"));
        Assert.Null(Cache.Find(ModelReference.Parse("gemma-2b")));
        Assert.Equal(["model.safetensors"], Cache.List().Single().Revisions.Single().Missing);

        Ref("google/gemma-2b", "main", Second);
        FakeFiles.AssertSays(Assert.Throws<GemmaException>(() => Cache.ResolveModel("gemma-2b")), 1, "revision main is not in the cache");
        Ref("google/gemma-2b", "main", "../../../../etc");
        FakeFiles.AssertSays(Assert.Throws<GemmaException>(() => Cache.ResolveModel("gemma-2b")), 1, "revision main is not in the cache");
    }

    [Fact]
    public void Only_what_a_model_needs_is_missed()
    {
        Add("a/b", First, ("config.json", "c", 10), ("model.safetensors", "w", 90), ("README.md", "r", 1), ("b.gguf", "g", 2), ("tokenizer.model", "t", 3));
        Ref("a/b", "main", First);
        foreach (string blob in (string[])["r", "g"]) File.Delete(Path.Combine(_folder, "models--a--b", "blobs", blob));
        Assert.EndsWith(First, Cache.ResolveModel("a/b"), StringComparison.Ordinal);
        File.Delete(Path.Combine(_folder, "models--a--b", "blobs", "t"));
        FakeFiles.AssertSays(Assert.Throws<GemmaException>(() => Cache.ResolveModel("a/b")), 1, "only in part in the cache, without tokenizer.model (");
    }

    [Fact]
    public void A_configuration_beside_a_GGUF_file_makes_no_folder_of_it()
    {
        Add("a/b", First, ("config.json", "c", 10), ("b.gguf", "g", 2));
        Ref("a/b", "main", First);
        Assert.EndsWith("b.gguf", Cache.ResolveModel("a/b"), StringComparison.Ordinal);
        File.Delete(Path.Combine(_folder, "models--a--b", "blobs", "g"));
        FakeFiles.AssertSays(Assert.Throws<GemmaException>(() => Cache.ResolveModel("a/b")), 1, "only in part in the cache, without b.gguf (");
    }

    [Fact]
    public void Several_GGUF_files_ask_which()
    {
        Add("a/b", First, ("m-Q8_0.gguf", "q8", 8), ("m-Q4_0.gguf", "q4", 4));
        Ref("a/b", "main", First);
        FakeFiles.AssertSays(Assert.Throws<UsageException>(() => Cache.ResolveModel("a/b")), 2, "m-Q4_0.gguf, m-Q8_0.gguf", "a/b/m-Q4_0.gguf");
        Assert.EndsWith("m-Q8_0.gguf", Cache.ResolveModel("a/b:q8_0"), StringComparison.Ordinal);
        Assert.EndsWith("m-Q4_0.gguf", Cache.ResolveModel("a/b/m-Q4_0.gguf"), StringComparison.Ordinal);
        var failure = Assert.Throws<GemmaException>(() => Cache.ResolveModel("a/b:F16"));
        FakeFiles.AssertSays(failure, 1, "this file of it is not in the cache", "gemma pull a/b:F16");
    }

    [Fact]
    public void Removing_a_revision_keeps_what_another_needs()
    {
        Add("google/gemma-2b", First, ("config.json", "c1", 10), ("model.safetensors", "w", 1000));
        Add("google/gemma-2b", Second, ("config.json", "c2", 20), ("model.safetensors", "w", 1000));
        Ref("google/gemma-2b", "main", Second);
        Ref("google/gemma-2b", "v1", First);
        Assert.Equal(10, Cache.Remove("google/gemma-2b@v1"));
        Assert.Equal(
        [
            "models--google--gemma-2b/blobs/c2 20",
            "models--google--gemma-2b/blobs/w 1000",
            "models--google--gemma-2b/refs/main 40",
            $"models--google--gemma-2b/snapshots/{Second}/config.json -> ../../blobs/c2",
            $"models--google--gemma-2b/snapshots/{Second}/model.safetensors -> ../../blobs/w",
        ], Tree());
        FakeFiles.AssertSays(Assert.Throws<GemmaException>(() => Cache.Remove("gemma-2b@v1")), 1, "not in the cache", $"{Second} (main)");
        Assert.Equal(1060, Cache.Remove("gemma-2b@main"));
        Assert.Empty(Tree());
    }

    [Fact]
    public void Removing_a_model_follows_no_link()
    {
        string outside = Path.Combine(_folder, "outside");
        Directory.CreateDirectory(outside);
        File.WriteAllText(Path.Combine(outside, "precious"), "text");
        Add("a/b", First, ("config.json", "c", 10), ("model.safetensors", "w", 90));
        Add("a/other", First, ("config.json", "c", 10));
        Directory.CreateSymbolicLink(Path.Combine(_folder, "models--a--b", "snapshots", First, "elsewhere"), outside);
        File.CreateSymbolicLink(Path.Combine(_folder, "models--a--b", "snapshots", First, "file"), Path.Combine(outside, "precious"));
        Assert.Equal(100, Cache.Remove("a/b"));
        Assert.Equal(["models--a--other/blobs/c 10", $"models--a--other/snapshots/{First}/config.json -> ../../blobs/c", "outside/precious 4"], Tree());
        FakeFiles.AssertSays(Assert.Throws<GemmaException>(() => Cache.Remove("a/b")), 1, "not in the cache", "gemma list");
    }

    [Theory]
    [InlineData("nothing", 2)]
    [InlineData("../outside", 2)]
    [InlineData("a/b:Q8_0", 2)]
    public void What_cannot_be_removed_is_refused(string model, int exitCode)
    {
        Add("a/b", First, ("config.json", "c", 10));
        Assert.Equal(exitCode, Assert.ThrowsAny<GemmaException>(() => Cache.Remove(model)).ExitCode);
        Assert.Equal(2, Tree().Length);
    }

    [Fact]
    public async Task Where_links_are_refused_snapshots_hold_the_files()
    {
        using var hub = new FakeHub();
        Dictionary<string, byte[]> files = FakeFiles.Model(1000);
        files["generation_config.json"] = files["config.json"]; // one content, two names
        string commit = hub.Commit(FakeFiles.Id, files);
        HubOptions options = hub.Options with { UseSymlinks = false };
        string folder = await FakeFiles.PullAsync(options);
        string[] pulled = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"];
        Assert.Equal(pulled.Select(name => FormattableString.Invariant($"{name} {files[name].Length}")), FakeFiles.Tree(folder));
        Assert.All(pulled, name => Assert.Equal(files[name], File.ReadAllBytes(Path.Combine(folder, name))));
        Assert.Empty(Directory.GetFiles(Path.Combine(hub.Cache, "models--google--gemma-2b-it", "blobs")));
        int before = hub.Requests.Count;
        await FakeFiles.PullAsync(options);
        Assert.DoesNotContain(hub.Requests.Skip(before), request => request.IsFetch);
        var cache = new ModelCache(options);
        Assert.Equal(pulled.Sum(name => files[name].Length) + 40, cache.List().Single().Bytes);
        Assert.Equal(pulled.Sum(name => files[name].Length) + 40, cache.Remove($"gemma-2b-it@{commit}"));
    }

    private string[] Tree() => [.. FakeFiles.Tree(_folder).Where(line => !line.StartsWith(".locks", StringComparison.Ordinal))];

    private void Add(string repository, string commit, params (string Name, string Blob, int Bytes)[] files)
    {
        string folder = "models--" + repository.Replace("/", "--", StringComparison.Ordinal);
        foreach ((string name, string blob, int bytes) in files)
        {
            string target = Write($"{folder}/blobs/{blob}", bytes), pointer = Path.Combine(_folder, folder, "snapshots", commit, name);
            Directory.CreateDirectory(Path.GetDirectoryName(pointer)!);
            File.CreateSymbolicLink(pointer, Path.GetRelativePath(Path.GetDirectoryName(pointer)!, target));
        }
    }

    private void Ref(string repository, string name, string commit)
    {
        string path = Write($"models--{repository.Replace("/", "--", StringComparison.Ordinal)}/refs/{name}", 0);
        File.WriteAllText(path, commit);
    }

    private string Write(string name, int bytes)
    {
        string path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, new byte[bytes]);
        return path;
    }
}
