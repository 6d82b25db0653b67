using System.Text;
using Gemma.Formats;

namespace Gemma.Tests.Formats;

/// <summary>What is wrong with a file is said in one line: the file, the place, what was expected, what was found, what to do.</summary>
public class BadFileTests
{
    private static readonly GemmaConfig Config = SmallModels.Config(GemmaArchitecture.Gemma1, layers: 1);

    [Theory]
    [InlineData("""{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}""", 12, "w: expected data within the 12 bytes behind the header, found bytes 0 … 16; the file is cut short")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}""", 20, "expected 16 bytes of tensors, found 20 bytes behind the header")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[16,0]}}""", 16, "found bytes 16 … 0")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,9223372036854775807]}}""", 16, "found bytes 0 … 9223372036854775807")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,18446744073709551616]}}""", 16, "expected whole numbers from 0 as data_offsets, found 18446744073709551616")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[-4,12]}}""", 16, "expected whole numbers from 0 as data_offsets, found -4")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0]}}""", 16, "expected two data_offsets, found 1")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,16]}}""", 16, "w: expected 24 bytes for F32 of 2 × 3, found 16 bytes")]
    [InlineData("""{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}}""", 16, "w: expected a known dtype and a shape that fits a file, found F32 of 4611686018427387904 × 4")]
    [InlineData("""{"w":{"dtype":"F32","shape":[1099511627776,1099511627776,0],"data_offsets":[0,0]}}""", 0, "a shape that fits a file")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2,-2],"data_offsets":[0,16]}}""", 16, "expected whole numbers from 0 as shape, found -2")]
    [InlineData("""{"w":{"dtype":"F7","shape":[2,2],"data_offsets":[0,16]}}""", 16, "found F7 of 2 × 2")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2,2]}}""", 16, "w: expected dtype, shape and data_offsets, found an incomplete entry")]
    [InlineData("""{"w":[]}""", 0, "found a JSON Array")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", 16, "b: expected data from byte 16 on, where the tensor before it ends, found byte 8; tensors overlap")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", 16, "b: expected data from byte 4 on, where the tensor before it ends, found byte 8")]
    [InlineData("""{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "expected JSON, found Duplicate")]
    [InlineData("{", 0, "expected JSON")]
    [InlineData("[]", 0, "expected a JSON object, found a JSON Array")]
    [InlineData("", 0, "expected JSON")]
    public void Of_safetensors(string header, int data, string expected)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        AssertRefused(expected, () => Safetensors.Of(MappedFile.Of("bad.safetensors", [.. BitConverter.GetBytes((long)json.Length), .. json, .. new byte[data]])));
    }

    [Theory]
    [InlineData(100L, "expected a header of at most 8 bytes, found a header length of 100")]
    [InlineData(long.MaxValue, "found a header length of 9223372036854775807")]
    [InlineData(-1L, "found a header length of 18446744073709551615")]
    public void Of_a_safetensors_header_longer_than_the_file(long length, string expected) =>
        AssertRefused(expected, () => Safetensors.Of(MappedFile.Of("bad.safetensors", [.. BitConverter.GetBytes(length), .. new byte[8]])));

    [Fact]
    public void Of_every_safetensors_file_that_is_cut_short()
    {
        byte[] whole = Written("model.safetensors");
        using var _ = Safetensors.Of(MappedFile.Of("whole", whole));
        foreach (int length in Cuts((int)BitConverter.ToInt64(whole) + 8, whole.Length)) AssertRefused("", () => Safetensors.Of(MappedFile.Of("cut.safetensors", whole[..length])));
    }

    [Fact]
    public void Of_every_gguf_file_that_is_cut_short()
    {
        byte[] whole = Written("model.gguf");
        using var gguf = Gguf.Of(MappedFile.Of("whole", whole));
        int end = (int)gguf.Tensors.Values.Max(tensor => tensor.Offset + tensor.ByteCount); // what is behind is padding
        foreach (int length in Cuts((int)gguf.Tensors.Values.Min(tensor => tensor.Offset), end)) AssertRefused("", () => Gguf.Of(MappedFile.Of("cut.gguf", whole[..length])));
    }

    // Places in a written file: the first bytes, or a number of bytes behind a name.
    [Theory]
    [InlineData(null, 0, 0x46554746u, "expected a file that begins with GGUF, found 0x46554746; this is another format")]
    [InlineData(null, 4, 1u, "expected version 2 or 3, found version 1; convert the model again")]
    [InlineData(null, 4, 4u, "found version 4")]
    [InlineData(null, 4, 0x03000000u, "found a big-endian file")]
    [InlineData(null, 8, ulong.MaxValue, "tensors, found 18446744073709551615")]
    [InlineData(null, 8, 1UL << 40, "tensors, found 1099511627776")]
    [InlineData(null, 16, 1UL << 62, "metadata values, found 4611686018427387904")]
    [InlineData(null, 24, 1UL << 50, "metadata 0: expected at most")]
    [InlineData("general.architecture", 0, 13u, "general.architecture: expected a value type from 0 to 12, found 13")]
    [InlineData("general.architecture", 4, ulong.MaxValue, "bytes of text, found 18446744073709551615; the file is cut short or damaged")]
    [InlineData("test.list", 4, 99u, "test.list: expected an element type from 0 to 12, found 99")]
    [InlineData("test.list", 8, ulong.MaxValue / 2, "numbers, found 9223372036854775807")]
    [InlineData("test.flag", 4, (byte)2, "test.flag: expected true or false as 1 or 0, found 2")]
    [InlineData("general.alignment", 4, 24u, "general.alignment: expected a power of two up to 65536, found 24")]
    [InlineData("output_norm.weight", 0, 0u, "output_norm.weight: expected 1 … 4 dimensions, found 0")]
    [InlineData("output_norm.weight", 0, 5u, "output_norm.weight: expected 1 … 4 dimensions, found 5")]
    [InlineData("output_norm.weight", 4, ulong.MaxValue, "found -1; the file is damaged")]
    [InlineData("output_norm.weight", 4, 1UL << 61, "found 2305843009213693952; the file is damaged")]
    [InlineData("output_norm.weight", 4, 0UL, "expected dimensions from 1, rows of whole blocks of 1, and a size that fits a file, found 0")]
    [InlineData("output_norm.weight", 12, 3u, "expected one of F32, F16, Q4_0, Q5_0, Q8_0, Q4_K, Q5_K, Q6_K, BF16, found Q4_1; this type is not read: take the model in one of these")]
    [InlineData("output_norm.weight", 12, 1000u, "found type number 1000")]
    [InlineData("output_norm.weight", 16, 1UL << 40, "output_norm.weight: expected 128 bytes at offset 1099511627776, found a data section of")]
    [InlineData("output_norm.weight", 16, ulong.MaxValue - 63, "output_norm.weight: expected 128 bytes at offset 18446744073709551552")]
    [InlineData("output_norm.weight", 16, 8UL, "output_norm.weight: expected an offset from 1536 on that 64 divides, found 8; tensors overlap")]
    [InlineData("output_norm.weight", 16, 64UL, "expected an offset from 1536 on that 64 divides, found 64; tensors overlap")]
    public void Of_gguf(string? behind, int offset, object value, string expected)
    {
        byte[] file = Written("model.gguf");
        int start = behind is null ? 0 : file.AsSpan().IndexOf(Encoding.UTF8.GetBytes(behind)) + behind.Length;
        byte[] bytes = value switch { byte one => [one], uint number => BitConverter.GetBytes(number), ulong number => BitConverter.GetBytes(number), _ => throw new ArgumentException(null, nameof(value)) };
        bytes.CopyTo(file, start + offset);
        AssertRefused(expected, () => Gguf.Of(MappedFile.Of("bad.gguf", file)));
    }

    [Theory]
    [InlineData("general.architecture", "llama", "general.architecture: expected gemma, gemma2 or gemma3, found llama")]
    [InlineData("split.count", 3u, "found 3 files, which llama-gguf-split --merge makes one")]
    [InlineData("gemma.attention.head_count_kv", 3u, "num_key_value_heads: expected a divisor of num_attention_heads (2), found 3")]
    [InlineData("gemma.attention.value_length", 8u, "gemma.attention.value_length: expected the head dimension 16, found 8")]
    [InlineData("gemma.block_count", uint.MaxValue, "gemma.block_count: expected a whole number, found 4294967295")]
    [InlineData("gemma.block_count", 2u, "blk.1.attn_norm.weight: expected a tensor of 32, found none of that name; the weights are of another model than the configuration")]
    [InlineData("gemma.feed_forward_length", 64u, "blk.0.ffn_gate.weight: expected a shape of 64 × 32, found 32 × 32")]
    [InlineData("gemma.attention.layer_norm_rms_epsilon", float.NaN, "gemma.attention.layer_norm_rms_epsilon: expected a number, found NaN")]
    [InlineData("gemma.rope.freq_base", "much", "gemma.rope.freq_base: expected a number, found much")]
    [InlineData("gemma.rope.scaling.type", "yarn", "gemma.rope.scaling.type: expected none or linear, found yarn")]
    [InlineData("general.sampling.top_p", 2f, "general.sampling.top_p: expected 0 … 1, found 2")]
    public void Of_gguf_metadata(string key, object value, string expected)
    {
        using var temporary = new TemporaryFolder();
        GgufMetadata metadata = GgufModel.Metadata("", "small", Config);
        metadata.Set(key, value);
        GgufWriter.Write(temporary["bad.gguf"], metadata, [.. TensorTable.For(Config).Select(spec => TensorContent.Gguf(spec, TensorType.F32, SmallModels.Random(spec, 1)))]);
        AssertRefused(expected, () => ModelFiles.Open(temporary["bad.gguf"]));
    }

    [Theory]
    [InlineData("model_type", "\"llama\"", "config.json: model_type: expected gemma, gemma2, gemma3 or gemma3_text, found llama")]
    [InlineData("hidden_size", "null", "hidden_size: expected a whole number, found no such field")]
    [InlineData("hidden_size", "48", "model.embed_tokens.weight: expected a shape of 12 × 48, found 12 × 32; the weights are of another model than the configuration")]
    [InlineData("hidden_size", "1e30", "hidden_size: expected a whole number, found 1e30")]
    [InlineData("vocab_size", "-5", "vocab_size: expected 1 … 4,194,304, found -5")]
    [InlineData("num_hidden_layers", "2", "model.layers.1.input_layernorm.weight: expected a tensor of 32, found none of that name")]
    [InlineData("num_hidden_layers", "99999999999", "num_hidden_layers: expected a whole number, found 99999999999")]
    [InlineData("num_key_value_heads", "0", "num_key_value_heads: expected a divisor of num_attention_heads (2), found 0")]
    [InlineData("rms_norm_eps", "1e400", "rms_norm_eps: expected a number, found 1e400")]
    [InlineData("hidden_activation", "\"relu\"", "hidden_act: expected gelu_pytorch_tanh, found relu")]
    [InlineData("tie_word_embeddings", "false", "tie_word_embeddings: expected true: Gemma's head is its embedding, found false")]
    [InlineData("eos_token_id", "[1,12]", "eos_token_id: expected 0 … 11, found 12")]
    public void Of_a_configuration(string field, string value, string expected)
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], Config with { EosIds = [1] });
        string file = Path.Combine(temporary["model"], "config.json");
        string[] lines = File.ReadAllLines(file);
        int at = Array.FindIndex(lines, line => line.Contains($"\"{field}\"", StringComparison.Ordinal));
        lines[at] = $"\"{field}\": {value},";
        File.WriteAllLines(file, lines);
        AssertRefused(expected, () => ModelFiles.Open(temporary["model"]));
    }

    [Fact]
    public void Of_weights_in_a_type_that_no_model_is_computed_in()
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], Config, TensorType.BF16);
        string weights = Path.Combine(temporary["model"], Safetensors.FileName);
        byte[] file = File.ReadAllBytes(weights);
        int at = file.AsSpan().IndexOf("BF16"u8);
        "I16 "u8.CopyTo(file.AsSpan(at));
        (file[at + 3], file[at + 4]) = ((byte)'"', (byte)' ');
        File.WriteAllBytes(weights, file);
        AssertRefused("model.embed_tokens.weight: expected F32, F16 or BF16, found I16; convert the weights", () => ModelFiles.Open(temporary["model"]));
    }

    [Theory]
    [InlineData("model-00001-of-0000", "no-such-shard-0000", "no such file; check the path")]
    [InlineData("model-00001-of-0000", "../00001-of-0000", "expected the name of a file in the same folder, found ../00001")]
    [InlineData("model.norm.weight", "model.other.weight", "model.other.weight: expected the tensor in model-0000")]
    [InlineData("weight_map", "weights", "weight_map: expected the shard of each tensor, found no such field")]
    public void Of_an_index(string old, string replaced, string expected)
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], Config, shardBytes: 8000);
        string file = Path.Combine(temporary["model"], Safetensors.IndexName);
        File.WriteAllText(file, File.ReadAllText(file).Replace(old, replaced, StringComparison.Ordinal));
        AssertRefused(expected, () => ModelFiles.Open(temporary["model"]));
    }

    [Fact]
    public void Of_a_missing_part()
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], Config);
        string weights = Path.Combine(temporary["model"], Safetensors.FileName);
        File.WriteAllBytes(weights, []);
        AssertRefused("model.safetensors: expected a model file, found 0 bytes", () => ModelFiles.Open(temporary["model"]));
        File.Delete(weights);
        AssertRefused("found no weights; fetch the model again", () => ModelFiles.Open(temporary["model"]));
        File.Delete(Path.Combine(temporary["model"], "config.json"));
        File.WriteAllBytes(weights, [0]);
        AssertRefused("expected config.json beside the weights, found none", () => ModelFiles.Open(temporary["model"]));
    }

    [Theory]
    [InlineData("model", TensorType.F32, "model.layers.0.mlp.down_proj.weight row 2: expected numbers, found NaN or infinity; the weights are damaged")]
    [InlineData("model", TensorType.F16, "model.layers.0.mlp.down_proj.weight row 2")]
    [InlineData("model.gguf", TensorType.BF16, "blk.0.ffn_down.weight row 2")]
    [InlineData("model.gguf", TensorType.Q8_0, "blk.0.ffn_down.weight row 2")]
    [InlineData("model.gguf", TensorType.Q4_0, "blk.0.ffn_down.weight row 2")]
    public void Of_a_row_with_NaN(string name, TensorType type, string expected)
    {
        using var temporary = new TemporaryFolder();
        if (name == "model") SmallModels.WriteFolder(temporary[name], Config, type);
        else SmallModels.WriteGguf(temporary[name], Config, type);
        string weights = name == "model" ? Path.Combine(temporary[name], Safetensors.FileName) : temporary[name];
        TensorSpec spec = TensorTable.For(Config).Single(spec => spec.Role == TensorRole.Down);
        long at;
        using (ModelFiles whole = ModelFiles.Open(temporary[name])) at = whole.Find(spec).Offset + 2 * whole.Find(spec).RowLength;
        byte[] file = File.ReadAllBytes(weights);
        // The first number of the row, or the scale of its first block.
        byte[] nan = type switch { TensorType.F32 => BitConverter.GetBytes(float.NaN), TensorType.BF16 => [0xC0, 0x7F], _ => BitConverter.GetBytes(Half.NaN) };
        nan.CopyTo(file, at);
        File.WriteAllBytes(weights, file);
        using ModelFiles files = ModelFiles.Open(temporary[name]);
        files.ReadRow(spec, 1, new float[spec.Columns]);
        AssertRefused(expected, () => files.ReadRow(spec, 2, new float[spec.Columns]));
        AssertRefused(expected, () => ModelConverter.Convert(files, temporary["out.gguf"]));
        Assert.Equal([name], temporary.Names);
    }

    [Fact]
    public void Is_one_line_that_no_terminal_obeys()
    {
        var failure = new BadFileException("file", "a\e[2J\nb", new string('x', 10_000), "ü\u009B", "do");
        Assert.Equal($"file: a [2J b: expected {new string('x', 200)}…, found ü ; do", failure.Message);
        Assert.Equal(4, failure.ExitCode);
    }

    /// <summary>Every length within the head, some within the data, and the last.</summary>
    private static IEnumerable<int> Cuts(int head, int end) =>
        [.. Enumerable.Range(1, head), .. Enumerable.Range(0, (end - head) / 500).Select(i => head + i * 500), end - 1];

    private static byte[] Written(string name)
    {
        using var temporary = new TemporaryFolder();
        if (name.EndsWith(".safetensors", StringComparison.Ordinal))
        {
            SmallModels.WriteFolder(temporary["model"], Config, TensorType.BF16);
            return File.ReadAllBytes(Path.Combine(temporary["model"], Safetensors.FileName));
        }
        GgufMetadata metadata = GgufModel.Metadata("", "small", Config);
        metadata.Add("test.list", new[] { 1, 2, 3 });
        metadata.Add("test.flag", true);
        metadata.Add("general.alignment", 64u);
        GgufWriter.Write(temporary[name], metadata, [.. TensorTable.For(Config).Select(spec => TensorContent.Gguf(spec, TensorType.F32, SmallModels.Random(spec, 1)))]);
        return File.ReadAllBytes(temporary[name]);
    }

    private static void AssertRefused(string expected, Action open)
    {
        var failure = Assert.ThrowsAny<GemmaException>(open);
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.Contains(';', failure.Message); // what to do
    }
}
