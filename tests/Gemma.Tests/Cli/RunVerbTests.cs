using System.Text.Json;
using Gemma.Tests.Model;

namespace Gemma.Tests.Cli;

/// <summary><c>gemma run</c>: what it prints, and whose settings count.</summary>
public sealed class RunVerbTests : IDisposable
{
    private readonly GemmaProgram _gemma = new();

    [Fact]
    public void The_embedded_model_continues_a_text_as_the_official_code_does()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.TinyModel, "golden.json")));
        JsonElement expected = golden.RootElement.GetProperty("greedy")[0];
        string prompt = expected.GetProperty("prompt").GetString()!, text = expected.GetProperty("greedy_text").GetString()!;

        ProgramResult shown = _gemma.Run("run", "--temperature", "0", "--max-tokens", "40", "--quant", "f32", prompt).AssertWorks();
        Assert.Equal(prompt + text + "\n", shown.Output);
        Assert.Matches(@"\A\d+(\.\d+)? tok/s · prefill \d+(\.\d+)? tok/s · 40 tokens( · \d+ of \d+ guesses right)?\z", Assert.Single(shown.ErrorLines));

        JsonElement json = _gemma.Run("run", "--temperature", "0", "--max-tokens", "40", "--quant", "f32", "--json", "--quiet", prompt).AssertWorks().Json;
        Assert.Equal(text, json.GetProperty("text").GetString());
        Assert.Equal(Golden.Ints(expected.GetProperty("greedy_ids")), Golden.Ints(json.GetProperty("ids")));
        Assert.Equal("length", json.GetProperty("finish_reason").GetString());
        Assert.Equal("<bos>" + prompt, json.GetProperty("prompt").GetString());
        Assert.Equal(5, json.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(40, json.GetProperty("generated_tokens").GetInt32());
        Assert.True(json.GetProperty("timings").GetProperty("decode_tokens_per_second").GetDouble() > 0);
    }

    [Fact]
    public void Guessing_ahead_gives_the_same_text_and_is_counted()
    {
        string[] args = ["run", "--temperature", "0", "--max-tokens", "100", "--ignore-eos", "--json", "One day the cat said, \"I see.\" One day the dog said, \"I see.\" One day the"];
        JsonElement off = _gemma.Run([.. args, "--speculate", "off"]).AssertWorks().Json;
        _gemma.Environment["GEMMA_SPECULATE"] = "7";
        JsonElement seven = _gemma.Run(args).AssertWorks().Json, auto = _gemma.Run([.. args, "--speculate", "auto"]).AssertWorks().Json;
        Assert.Equal(off.GetProperty("ids").GetRawText(), seven.GetProperty("ids").GetRawText());
        Assert.Equal(off.GetProperty("ids").GetRawText(), auto.GetProperty("ids").GetRawText());
        Assert.Equal(0, off.GetProperty("timings").GetProperty("drafted_tokens").GetInt32());
        int drafted = seven.GetProperty("timings").GetProperty("drafted_tokens").GetInt32();
        Assert.InRange(seven.GetProperty("timings").GetProperty("accepted_tokens").GetInt32(), 1, drafted);
        _gemma.Run([.. args, "--speculate", "64"]).AssertFails(2, "--speculate", "auto, off or a whole number from 1 to 63", "'64'");
    }

    [Fact]
    public void Verbose_says_when_the_first_token_came()
    {
        ProgramResult result = _gemma.Run("run", "--verbose", "--quiet", "--max-tokens", "2", "Once").AssertWorks();
        Assert.Matches(@"\Afirst token \d+(\.\d+)? m?s after the program's start\z", Assert.Single(result.ErrorLines));
    }

    [Fact]
    public void Same_seed_same_text_and_quiet_means_quiet()
    {
        string[] args = ["run", "--quiet", "--seed", "7", "--max-tokens", "30", "Once"];
        ProgramResult first = _gemma.Run(args).AssertWorks();
        Assert.Empty(first.Errors);
        Assert.Equal(first.Output, _gemma.Run(args).Output);
        Assert.NotEqual(first.Output, _gemma.Run("run", "--quiet", "--seed", "8", "--max-tokens", "30", "Once").Output);
    }

    [Fact]
    public void A_prompt_comes_from_words_from_a_file_or_from_a_pipe()
    {
        File.WriteAllText(_gemma.PathOf("prompt.txt"), "Once upon a time\n");
        string[] rest = ["--temperature", "0", "--max-tokens", "5", "--quiet"];
        string expected = _gemma.Run(["run", "Once", "upon", "a", "time", .. rest]).AssertWorks().Output;
        Assert.StartsWith("Once upon a time there", expected, StringComparison.Ordinal);
        Assert.Equal(expected, _gemma.Run(["run", "--file", "prompt.txt", .. rest]).Output);
        Assert.Equal(expected, _gemma.RunWith("\uFEFFOnce upon a time\r\n", ["run", .. rest]).Output);
        _gemma.RunWith([0x4F, 0xFF], ["run", .. rest]).AssertFails(1, "standard input", "UTF-8", "0xFF");
    }

    [Theory]
    [MemberData(nameof(GoldenTests.Files), MemberType = typeof(GoldenTests))]
    public void Every_golden_model_in_every_format_continues_as_the_official_code_does(string name, string format)
    {
        (int[] prompt, int[] expected) = Golden.Greedy(name);
        JsonElement json = _gemma.Run("run", "-m", Path.Combine(Repository.Golden, name, format), "--ids", string.Join(',', prompt), "--temperature", "0",
            "--max-tokens", FormattableString.Invariant($"{expected.Length}"), "--ignore-eos", "--json").AssertWorks().Json;
        Assert.Equal(expected, Golden.Ints(json.GetProperty("ids")));
    }

    [Fact]
    public void Ids_need_no_tokenizer_and_give_the_official_continuation()
    {
        (int[] prompt, int[] expected) = Golden.Greedy("gemma1-mqa");
        JsonElement json = _gemma.Run("run", "-m", Path.Combine(Repository.Golden, "gemma1-mqa", "fp32"), "--ids", string.Join(',', prompt), "--temperature", "0",
            "--max-tokens", FormattableString.Invariant($"{expected.Length}"), "--ignore-eos", "--logprobs", "2", "--json").AssertWorks().Json;
        Assert.Equal(expected, Golden.Ints(json.GetProperty("ids")));
        JsonElement first = json.GetProperty("logprobs")[0];
        Assert.Equal(expected[0], first.GetProperty("top")[0].GetProperty("id").GetInt32());
        Assert.Equal(first.GetProperty("top")[0].GetProperty("logprob").GetSingle(), first.GetProperty("logprob").GetSingle());
        _gemma.Run("run", "-m", Path.Combine(Repository.Golden, "gemma1-mqa", "fp32"), "hello").AssertFails(2, "no tokenizer");
    }

    [Fact]
    public void A_stop_text_ends_the_answer_and_is_not_part_of_it()
    {
        JsonElement json = _gemma.Run("run", "--temperature", "0", "--stop", "girl", "--json", "Once upon a time").AssertWorks().Json;
        Assert.Equal(" there was a little ", json.GetProperty("text").GetString());
        Assert.Equal("stop", json.GetProperty("finish_reason").GetString());
        Assert.Equal("girl", json.GetProperty("stop_string").GetString());
    }

    [Fact]
    public void Flags_go_over_the_environment_and_that_over_the_settings_file()
    {
        Directory.CreateDirectory(_gemma.PathOf("config/gemma"));
        File.WriteAllText(_gemma.PathOf("config/gemma/settings.json"), """{"temperature": 0.1, "top_k": 3, "seed": 5 /* mine */, }""");
        _gemma.Environment["GEMMA_TOP_K"] = "4";
        JsonElement settings = _gemma.Run("show", "--effective", "--json", "--seed", "6").AssertWorks().Json.GetProperty("settings");
        AssertSetting("temperature", "0.1", "settings.json");
        AssertSetting("top_k", "4", "GEMMA_TOP_K");
        AssertSetting("seed", "6", "--seed");
        AssertSetting("top_p", "0.95", "the model");
        AssertSetting("min_p", "0", "default");

        File.WriteAllText(_gemma.PathOf("config/gemma/settings.json"), """{"temprature": 0.1}""");
        _gemma.Run("run", "hello").AssertFails(2, "settings.json", "\"temprature\"", "did you mean temperature?");
        File.WriteAllText(_gemma.PathOf("config/gemma/settings.json"), """{"temperature": "warm"}""");
        _gemma.Run("run", "hello").AssertFails(2, "settings.json", "expected a number");
        File.WriteAllText(_gemma.PathOf("config/gemma/settings.json"), "{");
        _gemma.Run("run", "hello").AssertFails(2, "settings.json", "expected JSON");

        void AssertSetting(string name, string value, string source)
        {
            Assert.Equal(value, settings.GetProperty(name).GetProperty("value").GetString());
            Assert.EndsWith(source, settings.GetProperty(name).GetProperty("source").GetString()!.Split(": \"")[0], StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("LC_ALL", "tr_TR.UTF-8")]
    [InlineData("NO_COLOR", "1")]
    public void Numbers_and_text_do_not_depend_on_culture_or_colour(string variable, string value)
    {
        string[] args = ["show", "--effective", "--temperature", "0.25"];
        string expected = _gemma.Run(args).AssertWorks().Output;
        _gemma.Environment[variable] = value;
        ProgramResult result = _gemma.Run(args).AssertWorks();
        Assert.Equal(expected, result.Output);
        Assert.DoesNotContain('\e', result.Output + result.Errors);
        Assert.Equal("Once upon a time there was a\n", _gemma.Run("run", "--temperature", "0.0", "--top-p", "0.9", "--max-tokens", "3", "Once upon a time").AssertWorks().Output);
    }

    public void Dispose() => _gemma.Dispose();
}
