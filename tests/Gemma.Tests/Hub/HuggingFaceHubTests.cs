using System.Text;
using Gemma.Hub;

namespace Gemma.Tests.Hub;

public sealed class HuggingFaceHubTests : IDisposable
{
    private readonly FakeHub _hub = new();

    public void Dispose() => _hub.Dispose();

    [Fact]
    public async Task A_pull_makes_the_tree_that_huggingface_hub_makes()
    {
        Dictionary<string, byte[]> files = FakeFiles.Model();
        string commit = _hub.Commit(FakeFiles.Id, files);
        string folder = await FakeFiles.PullAsync(_hub.Options);

        Assert.Equal(Path.Combine(_hub.Cache, "models--google--gemma-2b-it", "snapshots", commit), folder);
        string[] pulled = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"];
        string[] etags = [.. pulled.Select(name => FakeHub.Etag(name, files[name]))];
        IEnumerable<string> expected =
        [
            "CACHEDIR.TAG 191",
            .. etags.Select(etag => $".locks/models--google--gemma-2b-it/{etag}.lock 0"),
            .. pulled.Zip(etags, (name, etag) => FormattableString.Invariant($"models--google--gemma-2b-it/blobs/{etag} {files[name].Length}")),
            "models--google--gemma-2b-it/refs/main 40",
            .. pulled.Zip(etags, (name, etag) => $"models--google--gemma-2b-it/snapshots/{commit}/{name} -> ../../blobs/{etag}"),
        ];
        Assert.Equal(expected.Order(StringComparer.Ordinal), FakeFiles.Tree(_hub.Cache));
        Assert.Equal(commit, File.ReadAllText(Path.Combine(_hub.Cache, "models--google--gemma-2b-it", "refs", "main")));
        Assert.All(pulled, name => Assert.Equal(files[name], File.ReadAllBytes(Path.Combine(folder, name))));
    }

    [Fact]
    public async Task A_second_pull_fetches_nothing_and_a_new_commit_only_what_changed()
    {
        Dictionary<string, byte[]> files = FakeFiles.Model();
        _hub.Commit(FakeFiles.Id, files);
        await FakeFiles.PullAsync(_hub.Options);
        int before = _hub.Requests.Count;
        List<DownloadProgress> reports = [];
        await FakeFiles.PullAsync(_hub.Options, progress: new OnProgress(reports.Add));
        Assert.DoesNotContain(_hub.Requests.Skip(before), request => request.Host == "cdn");
        Assert.All(reports, report => Assert.Equal((report.Total, report.Total), (report.Done, report.Resumed)));

        files["config.json"] = Encoding.UTF8.GetBytes("""{"model_type":"gemma","new":true}""");
        string commit = _hub.Commit(FakeFiles.Id, files);
        before = _hub.Requests.Count;
        Assert.EndsWith(commit, await FakeFiles.PullAsync(_hub.Options), StringComparison.Ordinal);
        FakeRequest fetched = Assert.Single(_hub.Requests.Skip(before), request => request.IsFetch);
        Assert.EndsWith("/config.json", fetched.Path, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_branch_with_a_slash_a_tag_and_a_commit_can_be_pulled()
    {
        string old = _hub.Commit(FakeFiles.Id, FakeFiles.Model(seed: 5), "refs/pr/1");
        string tagged = _hub.Commit(FakeFiles.Id, FakeFiles.Model(seed: 6), "v1.0");
        var cache = new ModelCache(_hub.Options);
        Assert.EndsWith(old, await FakeFiles.PullAsync(_hub.Options, $"{FakeFiles.Id}@refs/pr/1"), StringComparison.Ordinal);
        Assert.EndsWith(tagged, await FakeFiles.PullAsync(_hub.Options, $"{FakeFiles.Id}@v1.0"), StringComparison.Ordinal);
        Assert.EndsWith(old, await FakeFiles.PullAsync(_hub.Options, $"{FakeFiles.Id}@{old}"), StringComparison.Ordinal);
        Assert.Equal(["refs/pr/1", "v1.0"], cache.List().Single().Revisions.SelectMany(revision => revision.Refs).Order());
        Assert.EndsWith(old, cache.ResolveModel($"{FakeFiles.Id}@{old[..8]}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_token_goes_to_the_hub_and_nowhere_else()
    {
        _hub.Commit(FakeFiles.Id, FakeFiles.Model());
        await FakeFiles.PullAsync(_hub.Options with { Token = "hf_good", TokenSource = "HF_TOKEN" });
        ILookup<string, string?> tokens = _hub.Requests.ToLookup(request => request.Host, request => request.Token);
        Assert.Equal(2, tokens["cdn"].Count());
        Assert.All(tokens["cdn"], Assert.Null);
        Assert.All(tokens["hub"], token => Assert.Equal("Bearer hf_good", token));
    }

    [Fact]
    public async Task A_model_that_was_renamed_is_followed_with_the_token()
    {
        string commit = _hub.Commit(FakeFiles.Id, FakeFiles.Model(), gatedFor: "hf_good");
        string folder = await FakeFiles.PullAsync(_hub.Options with { Token = "hf_good", TokenSource = "HF_TOKEN" }, "google/renamed");
        Assert.EndsWith(Path.Combine("models--google--renamed", "snapshots", commit), folder, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "given only to those who accept its licence", "HF_TOKEN=hf_… gemma pull google/gemma-2b-it")]
    [InlineData("hf_other", "not open to the token from HF_TOKEN", "run: gemma pull google/gemma-2b-it")]
    public async Task A_gated_model_names_the_licence_page_and_the_next_command(string? token, params string[] parts)
    {
        _hub.Commit(FakeFiles.Id, FakeFiles.Model(), gatedFor: "hf_good");
        HubOptions options = _hub.Options with { Token = token, TokenSource = "HF_TOKEN" };
        var failure = await Assert.ThrowsAsync<AccessException>(() => FakeFiles.PullAsync(options));
        FakeFiles.AssertSays(failure, 3, [.. parts, $"{_hub.Endpoint}/google/gemma-2b-it", $"{_hub.Endpoint}/settings/tokens"]);
        Assert.DoesNotContain("hf_other", failure.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_hub.Cache));
    }

    [Theory]
    [InlineData("google/gemma-2b-it", "hf_wrong", 3, "the token from HF_TOKEN is not valid", "/settings/tokens", "gemma pull google/gemma-2b-it")]
    [InlineData("google/gemma-2b-its", null, 3, "shows no such model", "did you mean gemma-2b-it", "HF_TOKEN=hf_… gemma pull google/gemma-2b-its")]
    [InlineData("google/gemma-2b-its", "hf_good", 1, "shows no such model", "did you mean gemma-2b-it")]
    [InlineData("google/gemma-2b-it@v9", null, 1, "has no revision v9", "/google/gemma-2b-it/tree/main", "gemma pull google/gemma-2b-it")]
    public async Task What_the_hub_refuses_is_one_line_with_the_way_out(string model, string? token, int exitCode, params string[] parts)
    {
        _hub.Commit(FakeFiles.Id, FakeFiles.Model());
        HubOptions options = _hub.Options with { Token = token, TokenSource = "HF_TOKEN" };
        var failure = await Assert.ThrowsAnyAsync<GemmaException>(() => FakeFiles.PullAsync(options, model));
        FakeFiles.AssertSays(failure, exitCode, parts);
        Assert.DoesNotContain("hf_wrong", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(403, "", "", 3, "403 Forbidden", "make a token")]
    [InlineData(400, "", "Bad \u0001thing", 1, "400 BadRequest (Bad  thing)")]
    [InlineData(404, "EntryNotFound", "", 1, "has no file config.json")]
    public async Task Other_answers_are_told_as_they_are(int status, string code, string message, int exitCode, params string[] parts)
    {
        _hub.Commit(FakeFiles.Id, FakeFiles.Model());
        var fault = new Fault { Status = status, Headers = [("X-Error-Code", code), ("X-Error-Message", message)] };
        _hub.Faults = request => request.Method == "HEAD" ? fault : null;
        FakeFiles.AssertSays(await Assert.ThrowsAnyAsync<GemmaException>(() => FakeFiles.PullAsync(_hub.Options)), exitCode, parts);
    }

    [Theory]
    [InlineData("../model.safetensors")]
    [InlineData("/etc/model.safetensors")]
    [InlineData("sub/../../model.gguf")]
    [InlineData("..\\model.safetensors")]
    [InlineData("C:\\model.safetensors")]
    [InlineData("C:model.gguf")]
    [InlineData("a\u0000b/config.json")]
    [InlineData("./config.json")]
    [InlineData("a//config.json")]
    [InlineData("nul/model.safetensors")]
    [InlineData("stream:ads.gguf")]
    public async Task A_name_that_leaves_its_folder_is_refused_before_anything_is_fetched(string name)
    {
        Dictionary<string, byte[]> files = FakeFiles.Model();
        files[name] = [1, 2, 3];
        _hub.Commit(FakeFiles.Id, files);
        var failure = await Assert.ThrowsAsync<BadFileException>(() => FakeFiles.PullAsync(_hub.Options));
        FakeFiles.AssertSays(failure, 4, "names of files below one folder", "not to be trusted");
        Assert.Single(_hub.Requests);
    }

    [Theory]
    [InlineData("ETag", "\"../../escape\"", "found ../../escape")]
    [InlineData("ETag", "\"abc\"", "by which the file can be checked")]
    [InlineData("X-Repo-Commit", "0000000000000000000000000000000000000000", "X-Repo-Commit")]
    public async Task An_answer_that_proves_nothing_is_refused(string header, string value, string part)
    {
        _hub.Commit(FakeFiles.Id, FakeFiles.Model());
        _hub.Faults = request => request.Method == "HEAD" ? new Fault { Headers = [(header, value)] } : null;
        FakeFiles.AssertSays(await Assert.ThrowsAsync<BadFileException>(() => FakeFiles.PullAsync(_hub.Options)), 4, part);
        Assert.False(Directory.Exists(_hub.Cache));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"sha":"../x","siblings":[{"rfilename":"config.json"},{"rfilename":"model.safetensors"}]}""")]
    [InlineData("""{"sha":"0123456789012345678901234567890123456789"}""")]
    [InlineData("""{"sha":"0123456789012345678901234567890123456789","siblings":[5]}""")]
    public async Task A_listing_that_is_none_is_one_line(string json)
    {
        _hub.Faults = _ => new Fault { Status = 200, Content = Encoding.UTF8.GetBytes(json) };
        FakeFiles.AssertSays(await Assert.ThrowsAsync<BadFileException>(() => FakeFiles.PullAsync(_hub.Options)), 4, _hub.Endpoint);
    }

    [Fact]
    public async Task A_busy_hub_is_asked_again()
    {
        _hub.Commit(FakeFiles.Id, FakeFiles.Model());
        HashSet<(string, string, string)> asked = [];
        int[] statuses = [429, 500, 502, 503, 504, 408];
        _hub.Faults = request =>
            asked.Add((request.Host, request.Method, request.Path)) ? new Fault { Status = statuses[asked.Count % statuses.Length] } : null;
        List<string> notices = [];
        await FakeFiles.PullAsync(_hub.Options, notices: notices);
        Assert.Equal(1 + 5 + 5 + 2, notices.Count); // the listing, what each file is, the file, and for two of them the store
        Assert.All(notices, notice => Assert.Matches(@"^127\.0\.0\.1 answers \d+ Reply; again in 0 s$", notice));
    }

    [Theory]
    [InlineData("Retry-After", "1")]
    [InlineData("RateLimit", "\"api\";r=0;t=1")]
    public async Task The_hub_says_how_long_to_wait(string header, string value)
    {
        _hub.Commit(FakeFiles.Id, FakeFiles.Model(10));
        bool asked = false;
        _hub.Faults = _ =>
        {
            Fault? fault = asked ? null : new Fault { Status = 429, Headers = [(header, value)] };
            asked = true;
            return fault;
        };
        List<string> notices = [];
        long start = Environment.TickCount64;
        await FakeFiles.PullAsync(_hub.Options, notices: notices);
        Assert.InRange(Environment.TickCount64 - start, 950, 15_000);
        Assert.Equal(["127.0.0.1 answers 429 Reply; again in 1 s"], notices);
    }

    [Fact]
    public async Task A_wait_that_is_too_long_is_left_to_the_user()
    {
        _hub.Faults = _ => new Fault { Status = 503, Headers = [("Retry-After", "86400")] };
        var failure = await Assert.ThrowsAsync<GemmaException>(() => FakeFiles.PullAsync(_hub.Options));
        FakeFiles.AssertSays(failure, 1, "503", "asks to wait 86400 s", "run the same command again");
        Assert.Single(_hub.Requests);
    }

    [Fact]
    public async Task A_hub_that_stays_down_is_given_up()
    {
        _hub.Faults = _ => new Fault { Status = 503 };
        var failure = await Assert.ThrowsAsync<GemmaException>(() => FakeFiles.PullAsync(_hub.Options));
        FakeFiles.AssertSays(failure, 1, "answers 503", "6 attempts", "run the same command again");
        Assert.Equal(6, _hub.Requests.Count);
        HubOptions nobody = _hub.Options with { Endpoint = "http://127.0.0.1:1", Attempts = 2 };
        FakeFiles.AssertSays(await Assert.ThrowsAsync<GemmaException>(() => FakeFiles.PullAsync(nobody)), 1, "127.0.0.1 cannot be reached", "2 attempts");
    }

    [Theory]
    [InlineData("ftp://example.org/x", "redirects to no address")]
    [InlineData("/api/models/google/gemma-2b-it/revision/main", "redirects more than 10 times")]
    public async Task Redirects_that_lead_nowhere_end(string location, string part)
    {
        _hub.Faults = _ => new Fault { Status = 302, Headers = [("Location", location)] };
        FakeFiles.AssertSays(await Assert.ThrowsAsync<GemmaException>(() => FakeFiles.PullAsync(_hub.Options)), 1, part, "HF_ENDPOINT");
    }

    [Fact]
    public async Task Offline_nothing_is_asked()
    {
        _hub.Commit(FakeFiles.Id, FakeFiles.Model());
        HubOptions offline = _hub.Options with { Offline = true };
        FakeFiles.AssertSays(await Assert.ThrowsAsync<GemmaException>(() => FakeFiles.PullAsync(offline)), 1, "offline", "HF_HUB_OFFLINE", "gemma list");
        Assert.Empty(_hub.Requests);
        string folder = await FakeFiles.PullAsync(_hub.Options);
        Assert.Equal(folder, new ModelCache(offline).ResolveModel("gemma-2b-it"));
    }

    [Theory]
    [InlineData("google/gemma-2b-it", new string[0], true)]
    [InlineData("someone/gemma-tuned", new[] { "gemma", "license:gemma" }, true)]
    [InlineData("someone/other", new[] { "license:apache-2.0" }, false)]
    public async Task Weights_under_the_Gemma_terms_say_so(string id, string[] tags, bool notice)
    {
        _hub.Commit(id, FakeFiles.Model(), tags: tags);
        using var hub = new HuggingFaceHub(_hub.Options);
        RemoteModel model = await hub.FindAsync(ModelReference.Parse(id));
        Assert.Equal(notice, model.LicenceNotice is not null);
        if (!notice) return;
        Assert.Contains("https://ai.google.dev/gemma/terms", model.LicenceNotice, StringComparison.Ordinal);
        Assert.Contains("https://ai.google.dev/gemma/prohibited_use_policy", model.LicenceNotice, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Shards_come_with_their_index()
    {
        Dictionary<string, byte[]> files = FakeFiles.Model();
        files["model.safetensors.index.json"] = Encoding.UTF8.GetBytes(
            """{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors","c":"model-00001-of-00002.safetensors"}}""");
        files["model-00001-of-00002.safetensors"] = FakeFiles.Bytes(1000, 11);
        files["model-00002-of-00002.safetensors"] = FakeFiles.Bytes(1000, 12);
        _hub.Commit(FakeFiles.Id, files);
        using var hub = new HuggingFaceHub(_hub.Options);
        RemoteModel model = await hub.FindAsync(ModelReference.Parse(FakeFiles.Id));
        Assert.Equal(["config.json", "generation_config.json", "tokenizer.model", "tokenizer_config.json", "model.safetensors.index.json",
            "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], model.Files.Select(file => file.Name));
        Assert.Equal(model.Files.Sum(file => files[file.Name].Length), model.Bytes);
        string folder = await hub.PullAsync(model);
        File.Delete(Path.Combine(folder, "model-00002-of-00002.safetensors"));
        var failure = Assert.Throws<GemmaException>(() => new ModelCache(_hub.Options).ResolveModel("gemma-2b-it"));
        FakeFiles.AssertSays(failure, 1, "only in part in the cache, without model-00002-of-00002.safetensors", "gemma pull google/gemma-2b-it");
    }

    [Theory]
    [InlineData("org/gguf:Q8_0", "gemma-Q8_0.gguf")]
    [InlineData("org/gguf:q4_k", "gemma-Q4_K.gguf")]
    [InlineData("org/gguf:Q4_K_M", "sub/gemma-Q4_K_M.gguf")]
    [InlineData("org/gguf/sub/gemma-Q4_K_M.gguf", "sub/gemma-Q4_K_M.gguf")]
    public async Task One_file_of_several_can_be_named(string model, string file)
    {
        CommitGguf();
        string path = await FakeFiles.PullAsync(_hub.Options, model);
        Assert.EndsWith(file, path.Replace('\\', '/'), StringComparison.Ordinal);
        Assert.Equal([1, 2, (byte)file.Length], File.ReadAllBytes(path));
        Assert.Equal(path, new ModelCache(_hub.Options).ResolveModel(model));
        Assert.Equal(path, new ModelCache(_hub.Options).ResolveModel("org/gguf")); // the only one that is here
    }

    [Theory]
    [InlineData("org/gguf", "which one?", "gemma-Q4_K.gguf, gemma-Q8_0.gguf", "org/gguf/gemma-Q4_K.gguf")]
    [InlineData("org/gguf:Q5_0", "no such GGUF file", "gemma-Q4_K.gguf, gemma-Q8_0.gguf")]
    [InlineData("org/gguf/other.gguf", "no such GGUF file")]
    [InlineData("org/gguf:F16", "one part of several")]
    [InlineData("org/none", "expected model.safetensors or a .gguf file, found README.md, pytorch_model.bin")]
    public async Task A_choice_that_is_none_lists_what_there_is(string model, params string[] parts)
    {
        CommitGguf();
        _hub.Commit("org/none", new Dictionary<string, byte[]> { ["README.md"] = [], ["pytorch_model.bin"] = [] });
        FakeFiles.AssertSays(await Assert.ThrowsAsync<UsageException>(() => FakeFiles.PullAsync(_hub.Options, model)), 2, parts);
    }

    private void CommitGguf()
    {
        string[] names = ["README.md", "gemma-Q8_0.gguf", "gemma-Q4_K.gguf", "sub/gemma-Q4_K_M.gguf", "mmproj-model-Q8_0.gguf",
            "gemma-F16-00001-of-00002.gguf", "gemma-F16-00002-of-00002.gguf"];
        _hub.Commit("org/gguf", names.ToDictionary(name => name, name => (byte[])[1, 2, (byte)name.Length]));
    }
}
