using Gemma.Tokenization;

namespace Gemma.Tests.Cli;

/// <summary><c>gemma tokenizer train</c>, as people call it.</summary>
public sealed class TokenizerTrainVerbTests : IDisposable
{
    private readonly GemmaProgram _gemma = new();

    [Fact]
    public void Files_and_standard_input_become_a_vocabulary_that_the_other_verbs_take()
    {
        string line = string.Concat(Enumerable.Repeat("The king and the queen went to the river. ", 20));
        // Longer than the blocks that files are read in, with a mark before it that is no text.
        File.WriteAllText(_gemma.PathOf("a.txt"), '\uFEFF' + string.Concat(Enumerable.Repeat(line + "\n", 2000)));
        ProgramResult trained = _gemma.RunWith("The children sang in the evening.\n", "tokenizer", "train", "a.txt", "-", "--vocab-size", "310", "--runs", "4", "--piece", "<tag>", "--json", "--quiet");
        Assert.Equal(310, trained.AssertWorks().Json.GetProperty("pieces").GetInt32());
        Assert.Equal(new FileInfo(_gemma.PathOf("a.txt")).Length + 34, trained.Json.GetProperty("text_bytes").GetInt64());
        var model = SentencePieceModel.Load(_gemma.PathOf("tokenizer.model"));
        Assert.Contains(model.Pieces, piece => piece is { Text: "▁the", Type: PieceType.Normal });
        Assert.Contains(model.Pieces, piece => piece is { Text: "<tag>", Type: PieceType.UserDefined });
        Assert.DoesNotContain(model.Pieces, piece => piece.Text.Contains('\uFEFF', StringComparison.Ordinal));
        Assert.Equal(3, _gemma.Run("tokenize", "-m", "tokenizer.model", "--json", "The<tag>\n\n").AssertWorks().Json.GetProperty("ids").GetArrayLength());
    }

    [Fact]
    public void A_file_that_is_there_is_kept_unless_told_otherwise()
    {
        File.WriteAllText(_gemma.PathOf("a.txt"), "the the the then them");
        File.WriteAllText(_gemma.PathOf("b.model"), "mine");
        string[] args = ["tokenizer", "train", "a.txt", "--vocab-size", "272", "--runs", "0", "-o", "b.model"];
        _gemma.Run(args).AssertFails(2, "b.model: there is such a file already", "--force");
        Assert.Equal("mine", File.ReadAllText(_gemma.PathOf("b.model")));
        Assert.Contains("b.model: 272 pieces from 21 B of text", _gemma.Run([.. args, "--force"]).AssertWorks().Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_that_is_too_short_says_how_large_the_vocabulary_can_be()
    {
        File.WriteAllText(_gemma.PathOf("a.txt"), "");
        _gemma.Run("tokenizer", "train", "a.txt", "--vocab-size", "1000", "--runs", "0").AssertFails(2, "more than this text can fill; take at most 263");
        Assert.False(File.Exists(_gemma.PathOf("tokenizer.model")));
    }

    public void Dispose() => _gemma.Dispose();
}
