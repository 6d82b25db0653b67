using Gemma.Hub;

namespace Gemma.Tests.Hub;

public sealed class HubOptionsTests : IDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("gemma-home-").FullName;

    public void Dispose() => Directory.Delete(_home, recursive: true);

    [Theory]
    [InlineData("~/.cache/huggingface/hub")]
    [InlineData("/xdg/huggingface/hub", "XDG_CACHE_HOME=/xdg")]
    [InlineData("/hf/hub", "HF_HOME=/hf", "XDG_CACHE_HOME=/xdg")]
    [InlineData("/old", "HUGGINGFACE_HUB_CACHE=/old", "HF_HOME=/hf")]
    [InlineData("/new", "HF_HUB_CACHE=/new", "HUGGINGFACE_HUB_CACHE=/old", "HF_HOME=/hf")]
    [InlineData("~/.cache/huggingface/hub", "HF_HUB_CACHE=", "HF_HOME= ")]
    [InlineData("~/models", "HF_HUB_CACHE=~/models")]
    [InlineData("/data/me/hub", "HF_HOME=$DATA/${WHO}", "DATA=/data", "WHO=me")]
    [InlineData("/data/$NOBODY/hub", "HF_HOME=/data/$NOBODY")]
    public void The_cache_lies_where_huggingface_hub_has_it(string expected, params string[] variables) =>
        Assert.Equal(Path.GetFullPath(expected.Replace("~", _home, StringComparison.Ordinal)), Read(variables).CacheFolder);

    [Theory]
    [InlineData("hf_a", "HF_TOKEN", "HF_TOKEN=hf_a", "HUGGING_FACE_HUB_TOKEN=hf_b")]
    [InlineData("hf_a", "HF_TOKEN", "HF_TOKEN= hf_a\n")]
    [InlineData("hf_b", "HUGGING_FACE_HUB_TOKEN", "HUGGING_FACE_HUB_TOKEN=hf_b")]
    [InlineData("hf_file", "~/.cache/huggingface/token")]
    [InlineData("hf_file", "~/hf/token", "HF_HOME=~/hf")]
    [InlineData("hf_file", "~/secret", "HF_TOKEN_PATH=~/secret")]
    [InlineData(null, null, "HF_HOME=~/nothing")]
    [InlineData(null, null, "HF_TOKEN_PATH=~/empty")]
    [InlineData(null, null, "HF_TOKEN=hf_a", "HF_HUB_DISABLE_IMPLICIT_TOKEN=1")]
    public void The_token_is_found_where_huggingface_hub_finds_it(string? token, string? source, params string[] variables)
    {
        foreach (string file in (string[])[".cache/huggingface/token", "hf/token", "secret"]) Write(file, "hf_file\n");
        Write("empty", " \n");
        HubOptions options = Read(variables);
        Assert.Equal((token, source?.Replace("~", _home, StringComparison.Ordinal)), (options.Token, options.TokenSource?.Replace('\\', '/')));
        if (token is not null) Assert.DoesNotContain(token, options.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, "HF_HUB_OFFLINE=1")]
    [InlineData(true, "HF_HUB_OFFLINE=True")]
    [InlineData(true, "TRANSFORMERS_OFFLINE=yes")]
    [InlineData(false, "HF_HUB_OFFLINE=0")]
    [InlineData(false)]
    public void Offline_is_what_huggingface_hub_takes_for_true(bool offline, params string[] variables) => Assert.Equal(offline, Read(variables).Offline);

    [Fact]
    public void Other_variables_count_too()
    {
        HubOptions options = Read("HF_ENDPOINT=https://mirror.example/hf/", "HF_HUB_DISABLE_SYMLINKS=1", "HF_HUB_DOWNLOAD_TIMEOUT=7");
        Assert.Equal(("https://mirror.example/hf", false, TimeSpan.FromSeconds(7)), (options.Endpoint, options.UseSymlinks, options.StallTimeout));
        Assert.Equal(("https://huggingface.co", true), (Read().Endpoint, Read().UseSymlinks));
    }

    [Theory]
    [InlineData("HF_ENDPOINT=huggingface.co")]
    [InlineData("HF_ENDPOINT=file:///etc")]
    [InlineData("HF_ENDPOINT=https://user:secret@example.org")]
    [InlineData("HF_HUB_DOWNLOAD_TIMEOUT=soon")]
    [InlineData("HF_TOKEN=hf_a\r\nHost: elsewhere")]
    public void Nonsense_names_the_variable(string variable)
    {
        var failure = Assert.Throws<UsageException>(() => Read(variable));
        FakeFiles.AssertSays(failure, 2, variable.Split('=')[0]);
    }

    private HubOptions Read(params string[] variables)
    {
        Dictionary<string, string> values = variables.Select(text => text.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        values.TryAdd("HOME", _home);
        values.TryAdd("USERPROFILE", _home);
        return HubOptions.FromEnvironment(values.GetValueOrDefault);
    }

    private void Write(string name, string text)
    {
        string path = Path.Combine(_home, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
