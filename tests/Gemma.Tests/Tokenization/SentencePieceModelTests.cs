using CsCheck;
using Gemma.Tokenization;

namespace Gemma.Tests.Tokenization;

public class SentencePieceModelTests
{
    private static readonly SentencePiece[] Words = [new("▁t", -1, PieceType.Normal), new("▁", -2, PieceType.Normal), new("t", -3, PieceType.Normal),
        new("é", -4, PieceType.Normal), new("<start_of_turn>", 0, PieceType.UserDefined), new("▁▁", 0, PieceType.UserDefined), new("\n", 0, PieceType.UserDefined)];

    [Fact]
    public void What_was_read_is_written_back_byte_for_byte()
    {
        foreach (string file in new[] { Vocabularies.GemmaFile, Vocabularies.TinyFile })
        {
            byte[] bytes = File.ReadAllBytes(file);
            Assert.True(bytes.AsSpan().SequenceEqual(SentencePieceModel.Parse(file, bytes).ToBytes()), file);
        }
    }

    [Fact]
    public void A_model_made_of_pieces_reads_back_the_same()
    {
        SentencePieceModel model = Vocabularies.Model(Words), again = SentencePieceModel.Parse("again", model.ToBytes());
        Assert.Equal(model.Pieces, again.Pieces);
        Assert.Equal((2, 1, 0, 3, 264), (again.BosId, again.EosId, again.PadId, again.UnknownId, again.StartOfTurnId!.Value));
        Assert.Equal(model.ToBytes(), again.ToBytes());
    }

    [Theory]
    [InlineData(1, "expected byte-pair encoding, found unigram")]
    [InlineData(3, "expected byte-pair encoding, found word")]
    public void A_model_of_another_kind_is_refused(int type, string message) => AssertRefused(Settings(trainer => trainer.Int32(3, type)), message);

    [Fact]
    public void A_model_that_asks_for_what_is_not_done_is_refused_with_the_name_of_the_setting()
    {
        AssertRefused(Settings(trainer => trainer.Int32(35, 0)), "trainer_spec.byte_fallback: expected true, found false");
        AssertRefused(Settings(normalizer: n => n.Int32(3, 1)), "normalizer_spec.add_dummy_prefix: expected false, found true");
        AssertRefused(Settings(normalizer: n => n.Int32(4, 1)), "normalizer_spec.remove_extra_whitespaces: expected false, found true");
        AssertRefused(Settings(normalizer: n => n.Int32(5, 0)), "normalizer_spec.escape_whitespaces: expected true, found false");
        AssertRefused(Settings(normalizer: n => n.String(2, "rules")), "normalizer_spec.precompiled_charsmap: expected no rules, found 5 bytes of them");
        AssertRefused(Vocabularies.Model(Words).ToBytes()[..^2], "expected");
        AssertRefused([], "trainer_spec.model_type: expected byte-pair encoding, found unigram"); // the format's default
        AssertRefused("version https://git-lfs.github.com/spec/v1\n"u8.ToArray(), "a Git LFS pointer");
        AssertRefused("<!DOCTYPE html>"u8.ToArray(), "no SentencePiece model");
    }

    [Fact]
    public void Settings_that_a_file_does_not_mention_have_the_defaults_of_the_format()
    {
        var model = new ProtobufWriter();
        var trainer = new ProtobufWriter();
        trainer.Int32(3, 2);
        trainer.Int32(35, 1);
        model.Message(2, trainer);
        AssertRefused(model.Written.ToArray(), "normalizer_spec.add_dummy_prefix: expected false, found true");
    }

    [Fact]
    public void Wrong_pieces_are_refused_with_their_number()
    {
        AssertRefused("piece 260: expected a text, found none", new SentencePiece("", 0, PieceType.Normal));
        AssertRefused("piece 260: expected a finite score, found NaN", new SentencePiece("x", float.NaN, PieceType.Normal));
        AssertRefused("piece 260: expected a type from 1 to 6, found 9", new SentencePiece("x", 0, (PieceType)9));
        AssertRefused("expected a byte piece", new SentencePiece("<0x41>", 0, PieceType.Byte));
        AssertRefused("expected a byte piece", new SentencePiece("x", 0, PieceType.Byte));
        AssertRefused("piece 260: expected one unknown piece, found a second one", new SentencePiece("x", 0, PieceType.Unknown));
        AssertRefused("at most 1024 characters, found 1025", new SentencePiece(new string('x', 1025), 0, PieceType.Normal));
        AssertRefused("piece 261: expected each text once, found \"x\" twice", new SentencePiece("x", 0, PieceType.Normal), new SentencePiece("x", -1, PieceType.Normal));
        AssertRefused("expected each text once", new SentencePiece("x", 0, PieceType.Normal), new SentencePiece("x", -1, PieceType.UserDefined));
        AssertRefused("expected each text once", new SentencePiece("<bos>", 0, PieceType.UserDefined));
        AssertRefused("piece 260: expected an unused piece that no merge makes", new SentencePiece("xy", 0, PieceType.Unused));
        BadFileException error = Assert.Throws<BadFileException>(() =>
            SentencePieceModel.Parse("f", SentencePieceModel.Of("f", Vocabularies.Pieces().RemoveAt(20), 3, 2, 1, 0).ToBytes()));
        Assert.Contains("a piece for each of the 256 bytes, found 255", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unused_pieces_that_fill_up_the_vocabulary_are_never_produced()
    {
        var tokenizer = new SentencePieceTokenizer(Vocabularies.Model([.. Words, new("[PAD267]", -10_000, PieceType.Unused)]));
        Assert.DoesNotContain(267, tokenizer.Encode("[PAD267]"));
        Assert.Equal("[PAD267]", tokenizer.Decode(tokenizer.Encode("[PAD267]")));
    }

    [Fact]
    public void A_damaged_model_is_refused_or_works() => Mutate(Vocabularies.Model(Words).ToBytes(), 4_000);

    [Fact, Trait("Category", "Long")]
    public void A_hundred_thousand_damaged_models_are_refused_or_work()
    {
        Mutate(Vocabularies.Model(Words).ToBytes(), 100_000);
        Mutate(File.ReadAllBytes(Vocabularies.TinyFile), 5_000);
    }

    private static void Mutate(byte[] original, int count)
    {
        Gen<byte> bytes = Gen.OneOf(Gen.Byte, Gen.OneOf([.. new byte[] { 0, 0x7F, 0x80, 0xFF, 0x0A, 0x12 }.Select(Gen.Const)]));
        // Many places near the end, where the settings are.
        Gen<int> place = Gen.OneOf(Gen.Int[0, original.Length - 1], Gen.Int[Math.Max(0, original.Length - 120), original.Length - 1]);
        Gen.Select(Gen.Int[0, 3], Gen.Select(place, bytes).Array[1, 4], place).Sample((kind, changes, cut) =>
        {
            List<byte> mutant = [.. original];
            foreach ((int at, byte value) in changes)
            {
                if (kind == 0) mutant.Insert(at, value);
                else if (kind == 1) mutant.RemoveAt(Math.Min(at, mutant.Count - 1));
                else mutant[at] = value;
            }
            byte[] file = kind == 3 ? [.. mutant[..cut]] : [.. mutant];
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                SentencePieceModel model = SentencePieceModel.Parse("mutant", file);
                var tokenizer = new SentencePieceTokenizer(model);
                Assert.Equal("the t", tokenizer.Decode(tokenizer.Encode("the t")).Replace('▁', ' ')); // ▁ where the mutant lost its piece for a space
                Assert.Equal(model.Pieces, SentencePieceModel.Parse("again", model.ToBytes()).Pieces);
            }
            catch (BadFileException error)
            {
                Assert.StartsWith("mutant: ", error.Message, StringComparison.Ordinal);
                Assert.DoesNotContain('\n', error.Message);
            }
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (4 << 20) + 200L * original.Length);
        }, iter: count);
    }

    /// <summary>A model whose settings are Gemma's, with some written once more; the last one counts.</summary>
    private static byte[] Settings(Action<ProtobufWriter>? trainer = null, Action<ProtobufWriter>? normalizer = null)
    {
        var model = new ProtobufWriter();
        model.Raw(Vocabularies.Model(Words).ToBytes());
        foreach ((int field, Action<ProtobufWriter>? write) in new[] { (2, trainer), (3, normalizer) })
        {
            if (write is null) continue;
            var message = new ProtobufWriter();
            write(message);
            model.Message(field, message);
        }
        return model.Written.ToArray();
    }

    private static void AssertRefused(byte[] bytes, string message)
    {
        BadFileException error = Assert.Throws<BadFileException>(() => SentencePieceModel.Parse("folder/tokenizer.model", bytes));
        Assert.StartsWith("folder/tokenizer.model: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    private static void AssertRefused(string message, params SentencePiece[] pieces)
    {
        BadFileException error = Assert.Throws<BadFileException>(() => new SentencePieceTokenizer(Vocabularies.Model(pieces)));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
