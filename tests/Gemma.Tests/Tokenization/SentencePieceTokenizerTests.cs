using System.Diagnostics;
using System.Globalization;
using System.Text;
using CsCheck;
using Gemma.Tokenization;

namespace Gemma.Tests.Tokenization;

public class SentencePieceTokenizerTests
{
    private static readonly SentencePieceTokenizer Gemma = Vocabularies.Gemma;

    /// <summary>Well-formed texts of ordinary and odd parts.</summary>
    internal static readonly Gen<string> Texts = Gen.OneOf(
        Gen.Char[' ', '~'].Select(c => c.ToString()),
        Gen.OneOf([.. new[] { " ", "  ", "\n", "\n\n", "\t", "▁", "the", " the", "ing", "<start_of_turn>", "<end_of_turn>", "<bos>", "<table>", "</i>", "<", "é", "ñ", "\uFFFD" }.Select(Gen.Const)]),
        Gen.Int[0x80, 0x10FFFF].Where(Rune.IsValid).Select(char.ConvertFromUtf32),
        Gen.Int[0x3040, 0xD7A3].Select(char.ConvertFromUtf32)).Array[0, 60].Select(string.Concat);

    [Fact]
    public void Every_text_of_the_official_cases_gives_the_ids_of_the_SentencePiece_library()
    {
        int count = 0;
        foreach ((string text, int[] ids) in Vocabularies.Cases("tokenizer-cases.jsonl"))
        {
            Assert.True(ids.AsSpan().SequenceEqual(Gemma.Encode(text)), $"{text}: expected {string.Join(' ', ids)}, found {string.Join(' ', Gemma.Encode(text))}");
            count++;
        }
        Assert.Equal(171, count);
    }

    [Fact]
    public void Every_id_sequence_of_the_official_cases_gives_the_text_of_the_SentencePiece_library()
    {
        int count = 0;
        foreach ((string text, int[] ids) in Vocabularies.Cases("decode-cases.jsonl"))
        {
            Assert.Equal(text, Gemma.Decode(ids));
            count++;
        }
        Assert.Equal(150, count);
    }

    [Fact]
    public void Encoded_text_comes_back_except_that_the_space_symbol_becomes_a_space()
    {
        foreach (SentencePieceTokenizer tokenizer in new[] { Gemma, Vocabularies.Tiny })
        {
            Texts.Sample(text =>
            {
                string expected = text.Replace('▁', ' ');
                Assert.Equal(expected, tokenizer.Decode(tokenizer.Encode(text)));
                Assert.Equal(expected, tokenizer.Decode(tokenizer.EncodeText(text)));
            }, iter: 5_000);
        }
    }

    [Fact]
    public void Every_single_character_comes_back()
    {
        var failures = new List<string>();
        for (int scalar = 0; scalar <= 0x10FFFF; scalar++)
        {
            if (!Rune.IsValid(scalar) || scalar == '▁') continue;
            string text = char.ConvertFromUtf32(scalar);
            if (Gemma.Decode(Gemma.Encode(text)) != text) failures.Add(FormattableString.Invariant($"U+{scalar:X4}"));
        }
        Assert.Empty(failures);
    }

    [Fact]
    public void Half_a_surrogate_pair_is_a_replacement_character()
    {
        Assert.Equal(Gemma.Encode("a\uFFFDb"), Gemma.Encode("a\uD83Db"));
        Assert.Equal(Gemma.Encode("\uFFFD\uFFFD"), Gemma.Encode("\uDE00\uD83D"));
        Assert.Equal("x\uFFFD", Gemma.Decode(Gemma.Encode("x\uD83D")));
    }

    [Fact]
    public void What_is_remembered_of_words_changes_no_id()
    {
        foreach (SentencePieceTokenizer tokenizer in new[] { Gemma, Vocabularies.Tiny })
        {
            Texts.Sample(text =>
            {
                int[] expected = tokenizer.EncodeWithoutCache(text);
                Assert.Equal(expected, tokenizer.Encode(text));
                Assert.Equal(expected, tokenizer.Encode(text));
            }, iter: 5_000);
        }
    }

    [Fact]
    public void Ids_are_those_of_a_plain_search_for_the_best_pair_in_the_whole_text()
    {
        // A vocabulary full of traps: equal scores, pieces across spaces, characters that only occur inside pieces, user-defined pieces that overlap.
        Gen<string> piece = Gen.Char["ab▁cé"].Array[1, 5].Select(c => new string(c));
        Gen<(string Text, float Score, bool Fixed)[]> vocabulary = Gen.Select(piece, Gen.Int[-4, 0].Select(score => (float)score), Gen.Int[0, 5].Select(n => n == 0)).Array[1, 20];
        Gen<string> text = Gen.Char["ab cé▁d"].Array[0, 25].Select(c => new string(c));
        Gen.Select(vocabulary, text.Array[1, 10]).Sample((entries, texts) =>
        {
            var tokenizer = new SentencePieceTokenizer(Vocabularies.Model(entries.DistinctBy(e => e.Text)
                .Select(e => new SentencePiece(e.Text, e.Score, e.Fixed ? PieceType.UserDefined : PieceType.Normal))));
            foreach (string t in texts) Assert.Equal(PlainBytePairEncoding.Encode(tokenizer.Model, t), tokenizer.Encode(t));
        }, iter: 5_000);
        Texts.Sample(t => Assert.Equal(PlainBytePairEncoding.Encode(Vocabularies.Tiny.Model, t), Vocabularies.Tiny.Encode(t)), iter: 500);
    }

    [Fact]
    public void Markers_typed_by_a_user_stay_text()
    {
        Assert.Equal([106, 1645, 108], Gemma.Encode("<start_of_turn>user\n"));
        int[] ids = Gemma.EncodeText("<start_of_turn>user\n<end_of_turn><unused7>[toxicity=0]<mask>");
        Assert.DoesNotContain(ids, id => Gemma.Model.Pieces[id].IsMarker);
        Assert.Equal("<start_of_turn>user\n<end_of_turn><unused7>[toxicity=0]<mask>", Gemma.Decode(ids));
        Assert.Contains(108, ids);
        Assert.Equal([235322, 2997, 235298, 559, 235298, 15508, 235313], Gemma.EncodeText("<start_of_turn>"));
    }

    [Fact]
    public void Text_without_markers_is_the_same_for_both()
    {
        Assert.Equal(Gemma.Encode("<table><tr><td>1\n\n\n  \t\t</td></table> and <i>more</i>"), Gemma.EncodeText("<table><tr><td>1\n\n\n  \t\t</td></table> and <i>more</i>"));
        string[] markers = [.. Gemma.Model.Pieces.Where(piece => piece.IsMarker).Select(piece => piece.Text)];
        Assert.Equal(3 + 99 + 2 + 2, markers.Length); // <mask> <2mass> [@BOS@], <unused…>, turns, [toxicity=0] and <start_of_image>
        foreach ((string text, int[] ids) in Vocabularies.Cases("tokenizer-cases.jsonl"))
            if (!markers.Any(marker => text.Contains(marker, StringComparison.Ordinal))) Assert.Equal(ids, Gemma.EncodeText(text));
    }

    [Fact]
    public void Control_pieces_never_come_from_text()
    {
        Texts.Sample(text => Assert.DoesNotContain(Gemma.Encode(text + "<bos><eos><pad><unk><0x41>"), id => Gemma.Model.Pieces[id].Type is PieceType.Control or PieceType.Unknown),
            iter: 1_000);
    }

    [Fact]
    public void The_special_ids_are_those_of_the_model()
    {
        Assert.Equal((256_000, 2, 1, 0, 3, 106, 107),
            (Gemma.VocabularySize, Gemma.BosId, Gemma.EosId, Gemma.PadId, Gemma.UnknownId, Gemma.StartOfTurnId!.Value, Gemma.EndOfTurnId!.Value));
        SentencePieceTokenizer tiny = Vocabularies.Tiny;
        Assert.Equal((4_096, 2, 1, 0, 3, 4, 5), (tiny.VocabularySize, tiny.BosId, tiny.EosId, tiny.PadId, tiny.UnknownId, tiny.StartOfTurnId!.Value, tiny.EndOfTurnId!.Value));
    }

    [Fact]
    public void An_id_outside_the_vocabulary_is_a_usage_error_with_the_range()
    {
        foreach (int id in new[] { -1, 256_000, int.MaxValue, int.MinValue })
        {
            UsageException error = Assert.Throws<UsageException>(() => Gemma.Decode([2, id]));
            Assert.Equal(FormattableString.Invariant($"id {id} is not in the vocabulary, which has ids from 0 to 255999"), error.Message);
        }
    }

    [Fact]
    public void Unknown_control_and_byte_pieces_decode_as_in_the_library()
    {
        Assert.Equal(" ⁇ ", Gemma.Decode([Gemma.UnknownId]));
        Assert.Equal("", Gemma.Decode([2, 1, 0]));
        int[] euro = [217 + 0xE2, 217 + 0x82, 217 + 0xAC];
        Assert.Equal("€", Gemma.Decode(euro));
        Assert.Equal("\uFFFD\uFFFD\uFFFD", Gemma.Decode([euro[0], euro[1], Gemma.BosId, euro[2]])); // a control piece parts the bytes
        Assert.Equal("\uFFFD\uFFFDa", Gemma.Decode([euro[0], euro[1], 235250]));
        Assert.Equal("▁", Gemma.Decode([217 + 0xE2, 217 + 0x96, 217 + 0x81])); // put together from bytes it is no space
    }

    public static TheoryData<string, string> HostileTexts()
    {
        const int Size = 1_000_000;
        var random = new Random(1);
        var bytes = new byte[Size];
        random.NextBytes(bytes);
        string Repeat(string part) => new StringBuilder().Insert(0, part, Size / Encoding.UTF8.GetByteCount(part)).ToString();
        return new TheoryData<string, string>
        {
            { "one letter", Repeat("a") }, { "spaces", Repeat(" ") }, { "ab", Repeat("ab") }, { "newlines", Repeat("\n") }, { "emoji", Repeat("😀") },
            { "random bytes", Encoding.UTF8.GetString(bytes) }, { "random Latin-1", Encoding.Latin1.GetString(bytes) },
            { "random letters", new string([.. bytes.Select(b => (char)('a' + b % 26))]) }, { "underlines", Repeat("▁") }, { "ideographs", Repeat("的") },
            { "beginnings of markers", Repeat("<start_of_turn") }, { "random Unicode", new string([.. Enumerable.Range(0, Size / 3).Select(_ => (char)random.Next(0x800, 0xD800))]) },
        };
    }

    [Theory]
    [MemberData(nameof(HostileTexts), DisableDiscoveryEnumeration = true)]
    public void A_megabyte_of_anything_takes_under_two_seconds(string name, string text)
    {
        // The best of three: another program may have had the processor.
        int[] ids = [];
        TimeSpan best = TimeSpan.MaxValue;
        for (int i = 0; i < 3 && best > TimeSpan.FromSeconds(2); i++)
        {
            var watch = Stopwatch.StartNew();
            ids = Gemma.Encode(text);
            if (watch.Elapsed < best) best = watch.Elapsed;
        }
        Assert.True(best < TimeSpan.FromSeconds(2), $"{name}: {best.TotalSeconds.ToString("0.00", CultureInfo.InvariantCulture)} s");
        Assert.Equal(text.Replace('▁', ' '), Gemma.Decode(ids));
    }

    [Fact]
    public void Many_threads_get_the_ids_of_one()
    {
        string[] texts = [.. Vocabularies.Cases("tokenizer-cases.jsonl").Select(c => c.Text)];
        int[][] expected = [.. texts.Select(Gemma.Encode)];
        Parallel.For(0, 2_000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => Assert.Equal(expected[i % texts.Length], Gemma.Encode(texts[i % texts.Length])));
    }

    [Fact]
    public void A_folder_without_a_tokenizer_says_what_is_missing()
    {
        GemmaException error = Assert.Throws<GemmaException>(() => SentencePieceTokenizer.Load(Repository.Golden));
        Assert.Contains("expected tokenizer.model, found none", error.Message, StringComparison.Ordinal);
        Assert.Throws<GemmaException>(() => SentencePieceTokenizer.Load(Path.Combine(Repository.Golden, "absent")));
    }
}
