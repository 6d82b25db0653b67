using System.Text.Json;
using Gemma.Formats;

namespace Gemma.Tests.Cli;

/// <summary><c>gemma data tokenize</c>, as people call it.</summary>
public sealed class DataTokenizeVerbTests : IDisposable
{
    private readonly GemmaProgram _gemma = new();

    [Fact]
    public void Files_become_shards_and_what_was_skipped_is_said_whoever_wants_quiet()
    {
        File.WriteAllText(_gemma.PathOf("a.txt"), "Once upon a time.\n\nThe king.");
        File.WriteAllText(_gemma.PathOf("b.jsonl"), "{\"story\": \"The queen.\"}\n" + string.Concat(Enumerable.Repeat("{}\n", 9)));
        ProgramResult result = _gemma.Run("data", "tokenize", "a.txt", "b.jsonl", "--field", "story", "--split", "blank", "-o", "out", "--json", "--quiet").AssertWorks();
        Assert.Equal(3, result.Json.GetProperty("documents").GetInt32());
        Assert.Equal(6, result.ErrorLines.Length);
        Assert.Equal("warning: b.jsonl, line 2: skipped: expected an object such as {\"story\": \"…\"}, found no such field", result.ErrorLines[0]);
        Assert.Equal("warning: 4 more were skipped; see receipt.json", result.ErrorLines[^1]);
        Assert.True(JsonElement.DeepEquals(result.Json, JsonDocument.Parse(File.ReadAllText(_gemma.PathOf("out/receipt.json"))).RootElement));
        using TokenShard shard = TokenShard.Open(_gemma.PathOf("out/00000.tokens"));
        Assert.Equal(3, shard.DocumentCount);
    }

    [Fact]
    public void Standard_input_and_a_note_of_what_was_made()
    {
        ProgramResult result = _gemma.RunWith("{\"text\": \"The queen.\"}\n", "data", "tokenize", "-", "--format", "jsonl", "-o", "out", "--no-bos", "--no-eos").AssertWorks();
        Assert.Equal("", result.Output);
        Assert.StartsWith("out: 1 documents, 4 tokens (2.50 bytes each) in 1 shards, 0 skipped; ", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    public void Dispose() => _gemma.Dispose();
}
