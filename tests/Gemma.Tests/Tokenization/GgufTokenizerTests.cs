using Gemma.Formats;
using Gemma.Tokenization;

namespace Gemma.Tests.Tokenization;

public class GgufTokenizerTests
{
    private static GgufMetadata Written(SentencePieceTokenizer tokenizer)
    {
        var metadata = new GgufMetadata("model.gguf");
        tokenizer.Model.ToGguf(metadata);
        return metadata;
    }

    private static void AssertSameIds(SentencePieceModel model)
    {
        var tokenizer = new SentencePieceTokenizer(model);
        foreach ((string text, int[] ids) in Vocabularies.Cases("tokenizer-cases.jsonl"))
        {
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(Vocabularies.Gemma.EncodeText(text), tokenizer.EncodeText(text));
        }
        foreach ((string text, int[] ids) in Vocabularies.Cases("decode-cases.jsonl")) Assert.Equal(text, tokenizer.Decode(ids));
    }

    [Fact]
    public void A_tokenizer_in_a_GGUF_file_is_the_one_that_was_written()
    {
        foreach (SentencePieceTokenizer tokenizer in new[] { Vocabularies.Gemma, Vocabularies.Tiny })
        {
            var again = SentencePieceModel.FromGguf(Written(tokenizer));
            Assert.Equal(tokenizer.Model.Pieces, again.Pieces);
            Assert.Equal((tokenizer.BosId, tokenizer.EosId, tokenizer.PadId, tokenizer.UnknownId), (again.BosId, again.EosId, again.PadId, again.UnknownId));
            Assert.Equal((tokenizer.StartOfTurnId, tokenizer.EndOfTurnId), (again.StartOfTurnId, again.EndOfTurnId));
            Assert.Equal(again.Pieces, SentencePieceModel.Parse("tokenizer.model", again.ToBytes()).Pieces);
        }
    }

    [Fact]
    public void The_keys_are_those_that_llama_cpp_reads()
    {
        GgufMetadata metadata = Written(Vocabularies.Gemma);
        Assert.Equal("llama", metadata.String("tokenizer.ggml.model"));
        Assert.Equal((2, 1, 3, 0, 107), (metadata.Int("tokenizer.ggml.bos_token_id")!.Value, metadata.Int("tokenizer.ggml.eos_token_id")!.Value,
            metadata.Int("tokenizer.ggml.unknown_token_id")!.Value, metadata.Int("tokenizer.ggml.padding_token_id")!.Value, metadata.Int("tokenizer.ggml.eot_token_id")!.Value));
        Assert.Equal((true, false), (metadata.Bool("tokenizer.ggml.add_bos_token")!.Value, metadata.Bool("tokenizer.ggml.add_space_prefix")!.Value));
        Assert.Equal(["<start_of_turn>", "\n", "  ", "<table>"], new[] { 106, 108, 139, 169 }.Select(id => metadata.Strings("tokenizer.ggml.tokens")![id]));
        Assert.Equal([3, 2, 3, 4, 4, 4, 6, 1], new[] { 2, 3, 106, 108, 139, 169, 217, 235248 }.Select(id => metadata.Ints("tokenizer.ggml.token_type")![id]));
        Assert.Equal(-1f, metadata.Floats("tokenizer.ggml.scores")![474]);
    }

    [Fact]
    public void Files_of_the_current_converter_give_the_ids_of_the_original()
    {
        GgufMetadata metadata = Written(Vocabularies.Gemma); // the converter also sets these scores to −1000, and the unknown piece to a control piece
        float[] scores = metadata.Floats("tokenizer.ggml.scores")!;
        int[] types = metadata.Ints("tokenizer.ggml.token_type")!;
        for (int id = 0; id < scores.Length; id++)
            if (types[id] is 3 or 4) scores[id] = -1000;
        types[3] = 3;
        AssertSameIds(SentencePieceModel.FromGguf(metadata));
    }

    [Fact]
    public void Files_of_the_first_converter_which_knew_no_user_defined_pieces_give_the_ids_of_the_original()
    {
        GgufMetadata metadata = Written(Vocabularies.Gemma);
        metadata.Set("tokenizer.ggml.tokens", Vocabularies.Gemma.Model.Pieces.Select(piece => piece.Text).ToArray());
        metadata.Set("tokenizer.ggml.token_type",
            Vocabularies.Gemma.Model.Pieces.Select(piece => (int)(piece.Type == PieceType.UserDefined ? PieceType.Normal : piece.Type)).ToArray());
        AssertSameIds(SentencePieceModel.FromGguf(metadata));
    }

    [Fact]
    public void A_space_before_the_text_is_refused_and_where_the_key_is_absent_only_Gemma_has_none()
    {
        GgufMetadata metadata = Written(Vocabularies.Tiny);
        metadata.Set("tokenizer.ggml.add_space_prefix", true);
        Assert.Contains("tokenizer.ggml.add_space_prefix: expected false", Refused(metadata), StringComparison.Ordinal);
        foreach ((string architecture, bool accepted) in new[] { ("gemma", true), ("gemma2", true), ("llama", false) })
        {
            var without = new GgufMetadata("model.gguf") { { "general.architecture", architecture } };
            foreach ((string key, object value) in Written(Vocabularies.Tiny))
                if (key != "tokenizer.ggml.add_space_prefix") without.Add(key, value);
            if (accepted) Assert.Equal(4_096, SentencePieceModel.FromGguf(without).Pieces.Length);
            else Assert.Contains("add_space_prefix", Refused(without), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Missing_and_wrong_keys_are_named()
    {
        Assert.Contains("tokenizer.ggml.model: expected \"llama\", found no such key", Refused(new GgufMetadata("model.gguf")), StringComparison.Ordinal);
        AssertRefused("tokenizer.ggml.model", "gpt2", "a SentencePiece vocabulary, found gpt2");
        AssertRefused("tokenizer.ggml.scores", new float[3], "expected 4096 values, one for each of tokenizer.ggml.tokens, found a list of 3");
        AssertRefused("tokenizer.ggml.token_type", new int[3], "expected 4096 values, one for each of tokenizer.ggml.tokens, found a list of 3");
        AssertRefused("tokenizer.ggml.bos_token_id", 4_096u, "expected an id below 4096, found 4096");
        AssertRefused("tokenizer.ggml.tokens", new[] { "x" }, "tokenizer.ggml.scores");
    }

    private static void AssertRefused(string key, object value, string message)
    {
        GgufMetadata metadata = Written(Vocabularies.Tiny);
        metadata.Set(key, value);
        Assert.Contains(message, Refused(metadata), StringComparison.Ordinal);
    }

    private static string Refused(GgufMetadata metadata)
    {
        string message = Assert.Throws<BadFileException>(() => SentencePieceModel.FromGguf(metadata)).Message;
        Assert.StartsWith("model.gguf: ", message, StringComparison.Ordinal);
        return message;
    }
}
