using System.Text.Json;
using Gemma.Tests.Model;

namespace Gemma.Tests.Cli;

/// <summary><c>gemma tokenize</c>, as scripts call it.</summary>
public sealed class TokenizeVerbTests : IDisposable
{
    private static readonly string Tokenizer = Path.Combine(Repository.Tokenizer, "tokenizer.model");

    private readonly GemmaProgram _gemma = new();

    [Fact]
    public void Lines_of_text_become_the_library_s_ids()
    {
        string[] cases = File.ReadAllLines(Path.Combine(Repository.Tokenizer, "tokenizer-cases.jsonl"));
        string[] actual = Lines(_gemma.RunWith(string.Join('\n', cases), "tokenize", "-m", Tokenizer, "--jsonl").AssertWorks());
        Assert.Equal(cases.Length, actual.Length);
        for (int i = 0; i < cases.Length; i++) Assert.Equal(Ids(cases[i]), Ids(actual[i]));
    }

    [Fact]
    public void Lines_of_ids_become_the_library_s_text()
    {
        string[] cases = File.ReadAllLines(Path.Combine(Repository.Tokenizer, "decode-cases.jsonl"));
        string[] actual = Lines(_gemma.RunWith(string.Join('\n', cases) + "\n", "tokenize", "-m", Tokenizer, "--jsonl", "--decode").AssertWorks());
        Assert.Equal(cases.Length, actual.Length);
        for (int i = 0; i < cases.Length; i++) Assert.Equal(Field(cases[i]), Field(actual[i]));
    }

    [Fact]
    public void Half_a_surrogate_pair_counts_as_a_replacement_character()
    {
        string[] lines = Lines(_gemma.RunWith("{\"text\": \"a\\ud83d \\\"b\"}\n{\"text\": \"a\uFFFD \\\"b\"}\n{\"text\": \"\\ud83d\\ude00\"}\n{\"text\": \"😀\"}", "tokenize", "--jsonl").AssertWorks());
        Assert.Equal(lines[1], lines[0]);
        Assert.Equal(lines[3], lines[2]);
    }

    [Theory]
    [InlineData("{\"text\": 1}", "no string")]
    [InlineData("{\"txt\": \"a\"}", "no such field")]
    [InlineData("{\"text\": \"a\"", "a mistake")]
    [InlineData("[]", "another JSON value")]
    [InlineData("", "an empty line")]
    [InlineData("{\"text\": \"a\"} x", "a mistake")]
    public void A_bad_line_is_named_by_its_number_after_the_good_ones(string bad, string found)
    {
        ProgramResult result = _gemma.RunWith($"{{\"text\": \"a\"}}\n{bad}\n{{\"text\": \"b\"}}\n", "tokenize", "--jsonl");
        result.AssertFails(1, "line 2", found);
        Assert.Single(Lines(result));
    }

    [Fact]
    public void Ids_outside_the_vocabulary_are_named() => _gemma.RunWith("{\"ids\": [4096]}", "tokenize", "--jsonl", "--decode").AssertFails(1, "line 1", "4096", "4095");

    [Fact]
    public void A_text_is_shown_as_ids_and_pieces_and_comes_back()
    {
        ProgramResult table = _gemma.Run("tokenize", "Why is the sky blue?").AssertWorks();
        Assert.Equal("  id  piece\n1426  Why\n 357  ▁is\n 270  ▁the\n1430  ▁sky\n1427  ▁blue\n4046  ?\n", table.Output);
        Assert.Equal([1426, 357, 270, 1430, 1427, 4046], Golden.Ints(_gemma.Run("tokenize", "--json", "Why is the sky blue?").Json.GetProperty("ids")));
        Assert.Equal("Why is the sky blue?\n", _gemma.Run("tokenize", "--decode", "1426", "357", "270", "1430", "1427", "4046").Output);
    }

    public void Dispose() => _gemma.Dispose();

    private static string[] Lines(ProgramResult result) => result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static int[] Ids(string line) => Golden.Ints(JsonDocument.Parse(line).RootElement.GetProperty("ids"));

    private static string? Field(string line) => JsonDocument.Parse(line).RootElement.GetProperty("text").GetString();
}
