using System.Diagnostics;
using System.Text;
using CsCheck;
using Gemma.Tests.Formats;
using Gemma.Tokenization;

namespace Gemma.Tests.Tokenization;

public class TokenizerTrainerTests
{
    private static readonly string[] Alphabet = ["a", "b", "ab", "aa", "c", "ca", " ", "  ", "▁", ".", "..", "1", "2", "é", "ж", "жж", "の", "日本", "\u0301", "😀", "\t", "<x>", "_", "\uE000", "İ"];

    private static readonly Gen<string> Line = Gen.Int[0, Alphabet.Length - 1].Array[0, 40].Select(parts => string.Concat(parts.Select(part => Alphabet[part])));

    private static readonly TokenizerTrainerOptions Small = new() { VocabularySize = 0, CharacterCoverage = 1, UserDefined = ["<x>", "\n", "▁▁▁"] };

    [Fact]
    public void Pieces_are_learnt_in_the_order_that_the_rules_say() => Gen.Select(Line.Array[1, 12], Gen.Int[1, 5], Gen.Bool).Sample((lines, longest, digits) =>
    {
        TokenizerTrainerOptions options = Small with { MaxPieceLength = longest, SplitDigits = digits };
        List<string> expected = PlainTrainer.Learn(lines, options, merges: 40);
        SentencePieceModel? model = TrainWithMerges(string.Join('\n', lines), options, expected.Count);
        Assert.Equal(expected, Learnt(model!, expected.Count));
        if (expected.Count < 40) Assert.Null(TrainWithMerges(string.Join('\n', lines), options, expected.Count + 1));
    }, iter: 150);

    [Fact]
    public void Text_comes_back_from_its_ids() => Gen.Select(Line.Array[1, 12], Line).Sample((lines, text) =>
    {
        lines = [.. lines, " "]; // where a text has none, the library itself writes a space as the bytes of ▁, and reads them as that
        var tokenizer = new SentencePieceTokenizer(TrainWithMerges(string.Join('\n', lines), Small, PlainTrainer.Learn(lines, Small, 25).Count)!);
        Assert.Equal(text.Replace('▁', ' '), tokenizer.Decode(tokenizer.Encode(text)));
        Assert.DoesNotContain(tokenizer.UnknownId, tokenizer.Encode(text));
    }, iter: 100);

    [Fact]
    public void A_user_defined_piece_is_never_split_and_no_merge_crosses_it()
    {
        TokenizerTrainerOptions options = new() { VocabularySize = 520, UserDefined = [.. TokenizerTrainerOptions.GemmaPieces(unused: 3), "king", "<p q>"] };
        SentencePieceModel model = Train(Story(), options);
        var tokenizer = new SentencePieceTokenizer(model);
        int king = model.Pieces.IndexOf(new SentencePiece("king", 0, PieceType.UserDefined));
        Assert.Equal(2, tokenizer.Encode("akingking b").Count(id => id == king));
        Assert.DoesNotContain(model.Pieces, piece => piece.Type == PieceType.Normal && piece.Text.Contains("king", StringComparison.Ordinal));
        Assert.Equal([model.StartOfTurnId!.Value, .. tokenizer.Encode("user"), .. tokenizer.Encode("\n\n\n"), .. tokenizer.Encode("<p q>"), .. tokenizer.Encode("x")],
            tokenizer.Encode("<start_of_turn>user\n\n\n<p q>x"));
        Assert.Single(tokenizer.Encode("\n\n\n"));
        Assert.Single(tokenizer.Encode("<p q>"));
        Assert.Single(tokenizer.Encode("    "));
    }

    [Fact]
    public void The_vocabulary_is_laid_out_as_Gemma_s()
    {
        SentencePieceModel model = Train(Story(), new TokenizerTrainerOptions { VocabularySize = 520 }), gemma = Vocabularies.Gemma.Model;
        Assert.Equal(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>", "\n", "\n\n"], model.Pieces.Take(9).Select(piece => piece.Text));
        Assert.Equal((gemma.PadId, gemma.EosId, gemma.BosId, gemma.UnknownId), (model.PadId, model.EosId, model.BosId, model.UnknownId));
        // All of them are in Gemma's own vocabulary, as the same kind.
        HashSet<(string, PieceType)> all = [.. gemma.Pieces.Select(piece => (piece.Text, piece.Type))];
        Assert.All(TokenizerTrainerOptions.GemmaPieces(unused: 99), piece => Assert.Contains((piece, PieceType.UserDefined), all));
        SentencePiece[] normal = [.. model.Pieces.Where(piece => piece.Type == PieceType.Normal)];
        Assert.Equal(Enumerable.Range(0, normal.Length).Select(rank => (float)-rank), normal.Select(piece => piece.Score));
        Assert.Equal(model.Pieces, SentencePieceModel.Parse("again", model.ToBytes()).Pieces);
    }

    [Fact]
    public void The_rules_allow_every_piece_of_Gemma_s_vocabulary()
    {
        foreach (SentencePiece piece in Vocabularies.Gemma.Model.Pieces.Where(piece => piece.Type == PieceType.Normal))
        {
            PieceEdges edges = default;
            bool first = true;
            foreach (Rune rune in piece.Text.EnumerateRunes())
            {
                var next = PieceEdges.Of(rune, splitDigits: true);
                Assert.True(first || edges.Joins(next), $"'{piece.Text}'");
                edges = first ? next : edges.With(next);
                first = false;
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void The_order_of_texts_and_the_number_of_threads_change_nothing(int threads)
    {
        TokenizerTrainerOptions options = new() { VocabularySize = 560, CharacterCoverage = 0.99f };
        string[] texts = [.. Enumerable.Range(0, 60).Select(seed => Story(seed, 40))];
        byte[] expected = Train(string.Join('\n', texts), options).ToBytes();
        new Random(threads).Shuffle(texts);
        var trainer = new TokenizerTrainer(options);
        Parallel.ForEach(texts, new ParallelOptions { MaxDegreeOfParallelism = threads }, text =>
        {
            if (text.Length % 2 == 0) trainer.Add(text);
            else trainer.Add(Encoding.UTF8.GetBytes(text));
        });
        Assert.Equal(expected, trainer.Train().ToBytes());
    }

    [Fact]
    public void Bytes_that_are_no_text_and_long_words_do_no_harm()
    {
        var trainer = new TokenizerTrainer(new TokenizerTrainerOptions { VocabularySize = 264, UserDefined = [] });
        trainer.Add([(byte)'a', 0x80, (byte)'\n', 0x80, 0xFF, 0, (byte)'a', 0xE2, 0x96, (byte)'b', 0xF0, 0x9F]);
        trainer.Add(new string('a', 300_000));
        trainer.Add("");
        SentencePieceModel model = trainer.Train();
        Assert.Equal(["aa", "aaaa", "aaaaaaaa"], Learnt(model, 3));
    }

    [Theory]
    [InlineData(300, 0.9995f, 16, "x", "has no room for 261 special ones and")]
    [InlineData(90_000, 0.9995f, 16, "x", "more than this text can fill; take at most")]
    [InlineData(600, 0.5f, 16, "x", "from 0.98 to 1, found 0.5")]
    [InlineData(600, float.NaN, 16, "x", "from 0.98 to 1, found NaN")]
    [InlineData(600, 1f, 513, "x", "from 1 to 512 characters, found 513")]
    [InlineData(600, 1f, 16, "", "of 1 to 1024 characters, found 0")]
    [InlineData(600, 1f, 16, "<eos>", "<eos>: it is in the vocabulary already")]
    [InlineData(600, 1f, 16, "a\0", "a zero or half of a character")]
    public void What_cannot_work_is_said(int size, float coverage, int length, string piece, string expected)
    {
        var failure = Assert.Throws<UsageException>(() => Train(Story() + " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
            new TokenizerTrainerOptions { VocabularySize = size, CharacterCoverage = coverage, MaxPieceLength = length, UserDefined = [piece] }));
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Fact]
    public void Training_can_be_stopped()
    {
        using var source = new CancellationTokenSource();
        var trainer = new TokenizerTrainer(new TokenizerTrainerOptions { VocabularySize = 560 });
        trainer.Add(Story());
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => trainer.Train(cancellation: source.Token));
    }

    /// <summary>Both directions: the library loads what was trained here and gives the same ids, and its own trainer finds the same pieces.</summary>
    [Fact]
    public void The_SentencePiece_library_agrees()
    {
        Assert.SkipUnless(Exists("spm_encode") && Exists("spm_train"), "needs the SentencePiece library's programs (Debian: apt-get install sentencepiece)");
        using var temporary = new TemporaryFolder();
        string text = string.Join('\n', Enumerable.Range(0, 300).Select(seed => Story(seed, 12)));
        File.WriteAllText(temporary["text"], text);
        TokenizerTrainerOptions options = new() { VocabularySize = 480, CharacterCoverage = 0.9995f, UserDefined = ["<mask>", "<start_of_turn>", "<end_of_turn>"] };
        SentencePieceModel model = Train(text, options);
        Run("spm_train", "--model_type=bpe", "--byte_fallback", "--split_digits", "--normalization_rule_name=identity", "--add_dummy_prefix=false", "--remove_extra_whitespaces=false",
            "--pad_id=0", "--eos_id=1", "--bos_id=2", "--unk_id=3", "--pad_piece=<pad>", "--bos_piece=<bos>", "--eos_piece=<eos>", "--user_defined_symbols=<mask>,<start_of_turn>,<end_of_turn>",
            "--max_sentence_length=1000000", $"--input={temporary["text"]}", $"--model_prefix={temporary["theirs"]}", "--vocab_size=480", "--minloglevel=2");
        Assert.Equal(SentencePieceModel.Load(temporary["theirs.model"]).Pieces, model.Pieces);

        model = Train(text, options with { UserDefined = TokenizerTrainerOptions.GemmaPieces(), VocabularySize = 570 });
        File.WriteAllBytes(temporary["ours.model"], model.ToBytes());
        string[] lines = [.. Enumerable.Range(1000, 100).Select(seed => Story(seed, 12)), "  two   spaces\tand\t\ttabs ", "日本の ж 😀 1234 İ<end_of_turn><b>", "zzz\u0301é"];
        File.WriteAllLines(temporary["lines"], lines);
        string[] ids = Run("spm_encode", $"--model={temporary["ours.model"]}", "--output_format=id", temporary["lines"]).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var tokenizer = new SentencePieceTokenizer(model);
        Assert.Equal(lines.Select(line => string.Join(' ', tokenizer.Encode(line))), ids);
    }

    private static SentencePieceModel Train(string text, TokenizerTrainerOptions options)
    {
        var trainer = new TokenizerTrainer(options);
        trainer.Add(text);
        return trainer.Train();
    }

    /// <summary>With room for so many merges; null where the text does not have them.</summary>
    private static SentencePieceModel? TrainWithMerges(string text, TokenizerTrainerOptions options, int merges)
    {
        int characters = text.Replace(' ', '▁').Replace("<x>", "\t", StringComparison.Ordinal).Replace("▁▁▁", "\t", StringComparison.Ordinal).EnumerateRunes().Where(rune => rune.Value is not '\t' and not '\n').Distinct().Count();
        try
        {
            return Train(text, options with { VocabularySize = 4 + options.UserDefined.Length + 256 + merges + characters });
        }
        catch (UsageException failure) when (failure.Message.Contains("can fill", StringComparison.Ordinal))
        {
            return null;
        }
    }

    private static IEnumerable<string> Learnt(SentencePieceModel model, int count) => model.Pieces.Where(piece => piece.Type == PieceType.Normal).Take(count).Select(piece => piece.Text);

    /// <summary>Text with words of very different frequency, and no letter three times in a row (which older versions of the library count otherwise).</summary>
    private static string Story(int seed = 1, int words = 400)
    {
        string[] stems = ["the", "king", "queen", "went", "walk", "talk", "small", "forest", "river", "bread", "said", "ing", "house", "bird", "green", "old", "one", "tree", "night", "song"];
        string[] ends = ["", "", "", "s", "ed", "ing", "er", "ly", ",", ".", "?", "!\"", "'s", "é", " 12", " 7"];
        var random = new Random(seed);
        var text = new StringBuilder("Once");
        for (int i = 0; i < words; i++)
            text.Append(' ').Append(stems[(int)(stems.Length * Math.Pow(random.NextDouble(), 2))]).Append(ends[(int)(ends.Length * Math.Pow(random.NextDouble(), 1.5))]);
        return text.ToString();
    }

    private static bool Exists(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));

    private static string Run(string program, params string[] args)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, args) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {errors.Result}");
        return output;
    }
}
