using System.Diagnostics;

namespace Gemma.Tests.Cli;

/// <summary>What goes wrong ends in one line and the right exit code.</summary>
public sealed class MistakesTests : IDisposable
{
    private readonly GemmaProgram _gemma = new();

    [Theory]
    [InlineData("run --temprature 1 hello", "--temprature", "did you mean --temperature?")]
    [InlineData("run --temperature warm hello", "--temperature", "expected a number", "warm")]
    [InlineData("run --temperature", "--temperature", "gemma run --help")]
    [InlineData("run --quant q5 hello", "--quant", "f32, bf16, q8, q6_k, q4_k_m or q4")]
    [InlineData("run --top-p 1.5 hello", "--top-p", "from 0 to 1")]
    [InlineData("run --seed -1 hello", "--seed", "a whole number from 0")]
    [InlineData("run -m nowhere hello", "nowhere", "no such file or folder")]
    [InlineData("run --logprobs 2 hello", "--json")]
    [InlineData("run --system x hello", "--system", "base model")]
    [InlineData("run --context 100000 hello", "100000", "256")]
    [InlineData("run --ids 1,x --json", "--ids", "'x'")]
    [InlineData("run --ids 1,99999 --json", "99999", "4095")]
    [InlineData("run --file nowhere.txt", "nowhere.txt", "no such file")]
    [InlineData("runn hello", "runn", "did you mean run?")]
    [InlineData("--josn", "--josn", "did you mean --json?")]
    [InlineData("chat", "base model")]
    [InlineData("logits --ids 2", "--out")]
    [InlineData("logits --ids 2 --out nowhere/file", "nowhere")]
    [InlineData("bench --synthetic gemma-3b", "gemma-3b", "gemma-2b")]
    [InlineData("bench --prompt 300", "256")]
    [InlineData("bench --save x.gguf", "--synthetic")]
    [InlineData("quantize . out.gguf --type q5", "q8_0, q6_k, q4_k, q4_0")]
    [InlineData("quantize . out --type q8", ".gguf")]
    [InlineData("pull nowhere", "nowhere", "google/gemma-1.1-2b-it")]
    [InlineData("tokenizer", "expected train after it", "gemma tokenizer --help")]
    [InlineData("tokenizer tran x", "tran: there is no such verb", "did you mean train", "gemma tokenizer --help")]
    [InlineData("tokenizer train", "gemma tokenizer train --help")]
    [InlineData("tokenizer train x --vocab-size many", "many", "gemma tokenizer train --help")]
    [InlineData("tokenizer train nowhere.txt --vocab-size 500", "nowhere.txt: no such file")]
    [InlineData("data", "expected tokenize after it", "gemma data --help")]
    [InlineData("data tokenize . --split word -o out", "file, blank or line", "'word'")]
    [InlineData("data tokenize . -o out", "expected files that end in .txt")]
    [InlineData("data tokenize x --format yaml -o out", "yaml", "gemma data tokenize --help")]
    public void A_wrong_request_is_exit_code_2(string line, params string[] parts) => _gemma.Run(line.Split(' ')).AssertFails(2, parts);

    [Theory]
    [InlineData("run", "chat", "pull", "list", "show", "rm", "convert", "quantize", "tokenize", "tokenizer", "tokenizer train", "data", "data tokenize", "train", "tune", "embed", "score", "logits", "bench", "doctor")]
    public void Every_verb_helps_with_its_flags_and_an_example_as_the_documentation_shows(params string[] verbs)
    {
        string all = _gemma.Run().AssertWorks().Output, page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "cli.md"));
        Parallel.ForEach(verbs, verb =>
        {
            string[] words = verb.Split(' ');
            string help = _gemma.Run([.. words, "--help"]).AssertWorks().Output;
            Assert.Contains($"\n  {words[^1]} ", words.Length == 1 ? all : _gemma.Run([.. words[..^1], "--help"]).Output, StringComparison.Ordinal);
            Assert.Contains($"Usage:\n  gemma {verb}", help, StringComparison.Ordinal);
            Assert.Contains("--json ", help, StringComparison.Ordinal);
            Assert.Contains("--quiet ", help, StringComparison.Ordinal);
            Assert.Contains($"```\n{string.Join('\n', help.TrimEnd().Split('\n').Select(line => line.TrimEnd()))}\n```", page, StringComparison.Ordinal);
            Assert.Matches($@"Examples:\n  (.* )?gemma {verb}", help);
        });
    }

    [Fact]
    public void A_prompt_that_is_too_long_names_both_numbers()
    {
        string prompt = string.Concat(Enumerable.Repeat("king ", 20_000));
        _gemma.RunWith(prompt, "run").AssertFails(2, "256", "20");
    }

    [Fact]
    public void A_truncated_file_is_exit_code_4_and_names_it()
    {
        byte[] whole = File.ReadAllBytes(Path.Combine(Repository.Golden, "gemma1-mqa", "model-f32.gguf"));
        File.WriteAllBytes(_gemma.PathOf("cut.gguf"), whole[..(whole.Length / 2)]);
        _gemma.Run("run", "-m", "cut.gguf", "hello").AssertFails(4, "cut.gguf", "expected", "found");
    }

    [Fact]
    public void A_model_that_is_not_in_the_cache_names_the_command_that_fetches_it() =>
        _gemma.Run("run", "--offline", "-m", "google/gemma-2b-it", "hello").AssertFails(1, "gemma pull google/gemma-2b-it");

    [Fact]
    public void Verbose_adds_where_it_came_from()
    {
        ProgramResult result = _gemma.Run("run", "--verbose", "-m", "nowhere", "hello");
        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("error: nowhere", result.ErrorLines[0], StringComparison.Ordinal);
        Assert.Contains(result.ErrorLines, line => line.Contains("at Gemma.Cli", StringComparison.Ordinal));
    }

    [Fact]
    public void An_interrupt_in_mid_answer_keeps_the_text_and_tells_the_figures()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there are no signals to send");
        _gemma.Environment["GEMMA_ISA"] = "scalar"; // slow enough to be interrupted
        using Process process = _gemma.Start("run", "--seed", "1", "--threads", "1", "Once upon a time");
        var start = new char[24];
        Assert.Equal(start.Length, process.StandardOutput.ReadBlock(start));
        GemmaProgram.Interrupt(process);
        ProgramResult result = GemmaProgram.Wait(process, process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        Assert.Equal(130, result.ExitCode);
        Assert.StartsWith("Once upon a time", new string(start), StringComparison.Ordinal);
        Assert.EndsWith("\n", result.Output, StringComparison.Ordinal);
        Assert.Contains(" tokens", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_that_closes_the_pipe_has_what_it_wanted()
    {
        _gemma.Environment["GEMMA_ISA"] = "scalar";
        using Process process = _gemma.Start("run", "--seed", "1", "--threads", "1", "Once upon a time");
        Assert.Equal('O', process.StandardOutput.Read());
        process.StandardOutput.Close();
        ProgramResult result = GemmaProgram.Wait(process, Task.FromResult(""), process.StandardError.ReadToEndAsync());
        Assert.Equal(0, result.ExitCode);
        Assert.Empty(result.Errors);
    }

    public void Dispose() => _gemma.Dispose();
}
