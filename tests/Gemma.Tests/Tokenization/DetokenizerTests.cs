using System.Text;
using CsCheck;
using Gemma.Tokenization;

namespace Gemma.Tests.Tokenization;

public class DetokenizerTests
{
    private static readonly SentencePieceTokenizer Gemma = Vocabularies.Gemma;

    private static int ByteId(int value) => 217 + value;

    [Fact]
    public void What_comes_out_in_all_is_what_Decode_gives_and_never_half_a_character()
    {
        Gen<int> id = Gen.Frequency((4, Gen.Int[0, 255].Select(ByteId)), (2, Gen.Int[0x80, 0xFF].Select(ByteId)), (1, Gen.Int[0, 255_999]), (1, Gen.Int[0, 3]));
        var detokenizer = new Detokenizer(Gemma); // one for all: Flush makes it as new
        Gen.OneOf(id.Array[0, 40], SentencePieceTokenizerTests.Texts.Select(Gemma.Encode)).Sample(ids =>
        {
            var text = new StringBuilder();
            foreach (int next in ids) text.Append(WholeCharacters(detokenizer.Append(next)));
            text.Append(detokenizer.Flush());
            Assert.Equal(Gemma.Decode(ids), text.ToString());
        }, iter: 20_000, threads: 1);
    }

    [Fact]
    public void The_bytes_of_runs_are_put_together_as_the_library_does_it()
    {
        // Its rule, over the whole run: a character where one stands, else one replacement for one byte.
        Gen.Byte.Array[0, 12].Sample(bytes =>
        {
            var expected = new StringBuilder();
            for (int at = 0; at < bytes.Length;)
            {
                bool whole = Rune.DecodeFromUtf8(bytes.AsSpan(at), out Rune character, out int used) == System.Buffers.OperationStatus.Done;
                expected.Append(whole ? character.ToString() : "\uFFFD");
                at += whole ? used : 1;
            }
            Assert.Equal(expected.ToString(), Gemma.Decode([.. bytes.Select(value => ByteId(value))]));
        }, iter: 20_000);
    }

    [Fact]
    public void A_character_comes_with_its_last_byte()
    {
        var detokenizer = new Detokenizer(Gemma);
        Assert.Equal(["", "", "", "😀"], new[] { 0xF0, 0x9F, 0x98, 0x80 }.Select(value => detokenizer.Append(ByteId(value))));
        Assert.Equal("", detokenizer.Append(ByteId(0xE2)));
        Assert.Equal("\uFFFDA", detokenizer.Append(ByteId('A'))); // cannot become one any more
        Assert.Equal("", detokenizer.Append(ByteId(0xE2)));
        Assert.Equal("\uFFFD the", detokenizer.Append(573));
        Assert.Equal("", detokenizer.Append(ByteId(0xE2)));
        Assert.Equal("\uFFFD", detokenizer.Flush());
        Assert.Equal("", detokenizer.Flush());
    }

    [Fact]
    public void An_id_outside_the_vocabulary_is_a_usage_error() => Assert.Throws<UsageException>(() => new Detokenizer(Gemma).Append(256_000));

    private static string WholeCharacters(string text)
    {
        Assert.True(text.Length == 0 || !char.IsLowSurrogate(text[0]) && !char.IsHighSurrogate(text[^1]));
        return text;
    }
}
