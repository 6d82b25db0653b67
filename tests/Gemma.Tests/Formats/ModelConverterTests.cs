using Gemma.Formats;
using Gemma.Tests.Tokenization;
using Gemma.Tokenization;

namespace Gemma.Tests.Formats;

public class ModelConverterTests
{
    public static TheoryData<string, string> GoldenFolders
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string? name in Directory.GetDirectories(Repository.Golden).Select(Path.GetFileName))
                foreach (string type in (string[])["fp32", "bf16"]) data.Add(name!, type);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(GoldenFolders))]
    public void A_folder_comes_back_from_gguf_with_the_same_bytes_and_configuration(string name, string type)
    {
        using var temporary = new TemporaryFolder();
        string source = Path.Combine(Repository.Golden, name, type);
        ConversionResult there = ModelConverter.Convert(source, temporary["model.gguf"]), back = ModelConverter.Convert(temporary["model.gguf"], temporary["back"]);
        Assert.DoesNotContain(there.Notes.Concat(back.Notes), note => note.Contains("rounded", StringComparison.Ordinal));
        using ModelFiles expected = ModelFiles.Open(source), gguf = ModelFiles.Open(temporary["model.gguf"]), actual = ModelFiles.Open(temporary["back"]);
        Assert.Equal(type == "fp32" ? TensorType.F32 : TensorType.BF16, gguf.DominantType);
        ModelContents.AssertSame(expected, gguf);
        ModelContents.AssertSameBytes(expected, actual);
        ModelContents.AssertSameConfig(expected.Config, gguf.Config);
        ModelContents.AssertSameConfig(expected.Config, actual.Config);
    }

    [Theory]
    [MemberData(nameof(GoldenFolders))]
    public void Bf16_comes_back_from_f32_bit_by_bit(string name, string type)
    {
        using var temporary = new TemporaryFolder();
        string source = Path.Combine(Repository.Golden, name, type);
        Assert.Empty(ModelConverter.Convert(source, temporary["wide"], new ConvertOptions { Type = TensorType.F32 }).Notes);
        Assert.Empty(ModelConverter.Convert(temporary["wide"], temporary["narrow"], new ConvertOptions { Type = TensorType.BF16 }).Notes);
        using ModelFiles expected = ModelFiles.Open(Path.Combine(Repository.Golden, name, "bf16")), actual = ModelFiles.Open(temporary["narrow"]);
        ModelContents.AssertSameBytes(expected, actual);
        ModelContents.AssertSameConfig(expected.Config, actual.Config);
    }

    [Theory]
    [InlineData("gemma1-mqa")]
    [InlineData("gemma1-mha")]
    public void A_gguf_file_comes_back_from_a_folder_with_the_same_bytes_and_configuration(string name)
    {
        using var temporary = new TemporaryFolder();
        string source = Path.Combine(Repository.Golden, name, "model-f32.gguf");
        ModelConverter.Convert(source, temporary["folder"]);
        ModelConverter.Convert(temporary["folder"], temporary["back.gguf"]);
        using ModelFiles expected = ModelFiles.Open(source), actual = ModelFiles.Open(temporary["back.gguf"]);
        ModelContents.AssertSameBytes(expected, actual);
        ModelContents.AssertSameConfig(expected.Config, actual.Config);
    }

    [Theory]
    [InlineData(GemmaArchitecture.Gemma1)]
    [InlineData(GemmaArchitecture.Gemma2)]
    [InlineData(GemmaArchitecture.Gemma3)]
    public void Gains_survive_any_number_of_round_trips_and_published_norms_but_for_the_bits_under_them(GemmaArchitecture architecture)
    {
        using var temporary = new TemporaryFolder();
        GemmaConfig config = SmallModels.Config(architecture, width: 1024);
        // Norms of every magnitude and sign, with all 24 bits in use.
        SmallModels.WriteFolder(temporary["0"], config, rows: spec => spec.IsNorm
            ? (_, destination) => { for (int i = 0; i < destination.Length; i++) destination[i] = MathF.ScaleB((1 + i * 0.00097f) * (i % 2 * 2 - 1), i % 40 - 36); }
        : SmallModels.Random(spec, 3));
        ConversionResult first = ModelConverter.Convert(temporary["0"], temporary["1.gguf"]);
        Assert.Contains(first.Notes, note => note.StartsWith("norms rounded", StringComparison.Ordinal));
        Assert.Empty(ModelConverter.Convert(temporary["1.gguf"], temporary["2"]).Notes);
        Assert.DoesNotContain(ModelConverter.Convert(temporary["2"], temporary["3.gguf"]).Notes, note => note.StartsWith("norms", StringComparison.Ordinal));
        using ModelFiles published = ModelFiles.Open(temporary["0"]), gguf = ModelFiles.Open(temporary["1.gguf"]), back = ModelFiles.Open(temporary["2"]),
            again = ModelFiles.Open(temporary["3.gguf"]);
        ModelContents.AssertSame(published, gguf);
        ModelContents.AssertSame(published, back);
        ModelContents.AssertSameBytes(gguf, again);
        TensorSpec norm = TensorTable.For(config)[^1];
        float[] before = new float[norm.Columns], after = new float[norm.Columns];
        published.ReadPublishedRow(norm, 0, before);
        back.ReadPublishedRow(norm, 0, after);
        for (int i = 0; i < before.Length; i++) Assert.True(Math.Abs(before[i] - (double)after[i]) <= MathF.BitIncrement(MathF.Abs(1 + before[i])) - MathF.Abs(1 + before[i]), $"{before[i]}");
    }

    [Theory]
    [InlineData(TensorType.F16)]
    [InlineData(TensorType.BF16)]
    [InlineData(TensorType.Q8_0)]
    [InlineData(TensorType.Q4_0)]
    public void A_narrower_type_is_written_within_its_error_and_the_loss_is_said(TensorType type)
    {
        using var temporary = new TemporaryFolder();
        GemmaConfig config = SmallModels.Config(GemmaArchitecture.Gemma2);
        SmallModels.WriteFolder(temporary["wide"], config);
        ConversionResult result = ModelConverter.Convert(temporary["wide"], temporary["narrow.gguf"], new ConvertOptions { Type = type });
        Assert.Equal(type, result.Type);
        string note = Assert.Single(result.Notes, note => note.StartsWith($"weights rounded to {type}", StringComparison.Ordinal));
        Assert.Contains("relative error 0.0", note, StringComparison.Ordinal);
        using ModelFiles wide = ModelFiles.Open(temporary["wide"]), narrow = ModelFiles.Open(temporary["narrow.gguf"]);
        double allowed = type switch { TensorType.F16 => 1 / 2048.0, TensorType.BF16 => 1 / 256.0, TensorType.Q8_0 => 1 / 127.0, _ => 1 / 7.0 };
        foreach (TensorSpec spec in TensorTable.For(config))
        {
            Assert.Equal(spec.IsNorm ? TensorType.F32 : type == TensorType.Q4_0 && spec.Role == TensorRole.Embedding ? TensorType.Q8_0 : type, narrow.Find(spec).Type);
            float[] expected = new float[spec.Columns], actual = new float[spec.Columns];
            wide.ReadRow(spec, 0, expected);
            narrow.ReadRow(spec, 0, actual);
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], spec.IsNorm ? 0 : allowed);
        }
    }

    [Theory]
    [InlineData(TensorType.Q8_0)]
    [InlineData(TensorType.Q4_0)]
    public void Quantised_weights_are_copied_as_they_are_and_keep_every_value_in_a_folder(TensorType type)
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteGguf(temporary["0.gguf"], SmallModels.Config(GemmaArchitecture.Gemma3), type);
        Assert.Empty(ModelConverter.Convert(temporary["0.gguf"], temporary["1.gguf"]).Notes);
        ConversionResult folder = ModelConverter.Convert(temporary["0.gguf"], temporary["folder"]);
        Assert.Equal(TensorType.F32, folder.Type);
        Assert.Contains("F32", Assert.Single(folder.Notes), StringComparison.Ordinal);
        using ModelFiles expected = ModelFiles.Open(temporary["0.gguf"]), copy = ModelFiles.Open(temporary["1.gguf"]), wide = ModelFiles.Open(temporary["folder"]);
        ModelContents.AssertSameBytes(expected, copy);
        ModelContents.AssertSame(expected, wide);
    }

    [Fact]
    public void All_metadata_of_a_gguf_file_come_along_in_their_types()
    {
        using var temporary = new TemporaryFolder();
        GemmaConfig config = SmallModels.Config(GemmaArchitecture.Gemma1);
        GgufMetadata metadata = GgufModel.Metadata("", "small", config);
        object[] values = [(byte)200, (sbyte)-3, (ushort)60000, (short)-30000, 4_000_000_000u, -2_000_000_000, 0.1f, true, "ein Wort: 言葉", ulong.MaxValue, long.MinValue, Math.PI,
            new byte[] { 1, 2 }, new sbyte[] { -1 }, new ushort[] { 5 }, new short[] { -5 }, new uint[] { 6 }, new[] { -6 }, new[] { 0.5f }, new[] { true, false },
            new[] { "", "a", "ß" }, new ulong[] { 7 }, new long[] { -7 }, new[] { 0.25 }, new object[] { new[] { 1 }, new[] { "x", "y" } }, Array.Empty<int>()];
        for (int i = 0; i < values.Length; i++) metadata.Add($"test.value{i}", values[i]);
        metadata.Add("general.alignment", 256u);
        GgufWriter.Write(temporary["0.gguf"], metadata, [.. TensorTable.For(config).Select(spec => TensorContent.Gguf(spec, TensorType.BF16, (_, row) => row.Fill(1)))]);
        ModelConverter.Convert(temporary["0.gguf"], temporary["1.gguf"], new ConvertOptions { Type = TensorType.F32 });
        using Gguf copy = Gguf.Open(temporary["1.gguf"]);
        for (int i = 0; i < values.Length; i++)
        {
            object found = copy.Metadata.Find($"test.value{i}")!;
            Assert.Equal(values[i].GetType(), found.GetType());
            Assert.Equal(values[i], found);
        }
        Assert.All(copy.Tensors.Values, tensor => Assert.Equal(0, tensor.Offset % 256));
        string note = Assert.Single(ModelConverter.Convert(temporary["1.gguf"], temporary["folder"]).Notes);
        Assert.Contains("test.value0", note, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_in_shards_holds_what_one_file_holds()
    {
        using var temporary = new TemporaryFolder();
        GemmaConfig config = SmallModels.Config(GemmaArchitecture.Gemma2);
        SmallModels.WriteFolder(temporary["one"], config);
        SmallModels.WriteFolder(temporary["many"], config, shardBytes: 5000);
        Assert.True(Directory.GetFiles(temporary["many"], "model-*-of-*.safetensors").Length > 3);
        Assert.All(Directory.GetFiles(temporary["many"], "model-*.safetensors"), shard => Assert.InRange(new FileInfo(shard).Length, 1, 7000));
        using ModelFiles one = ModelFiles.Open(temporary["one"]), many = ModelFiles.Open(temporary["many"]);
        ModelContents.AssertSameBytes(one, many);
    }

    [Fact]
    public void A_folder_takes_its_small_files_along()
    {
        using var temporary = new TemporaryFolder();
        ModelConverter.Convert(Repository.TinyModel, temporary["copy"], new ConvertOptions { Type = TensorType.F32 });
        Assert.Equal(["config.json", "generation_config.json", "model.safetensors", "tokenizer.model"], Directory.GetFiles(temporary["copy"]).Select(Path.GetFileName).Order());
        Assert.Equal(File.ReadAllBytes(Path.Combine(Repository.TinyModel, "tokenizer.model")), File.ReadAllBytes(Path.Combine(temporary["copy"], "tokenizer.model")));
        using ModelFiles expected = ModelFiles.Open(Repository.TinyModel), actual = ModelFiles.Open(temporary["copy"]);
        ModelContents.AssertSame(expected, actual);
        Assert.Equal(expected.Defaults! with { EosIds = [] }, actual.Defaults! with { EosIds = [] });
    }

    [Fact]
    public void The_way_of_sampling_survives_gguf()
    {
        using var temporary = new TemporaryFolder();
        ModelConverter.Convert(Repository.TinyModel, temporary["tiny.gguf"]);
        ModelConverter.Convert(temporary["tiny.gguf"], temporary["back"]);
        using ModelFiles expected = ModelFiles.Open(Repository.TinyModel), gguf = ModelFiles.Open(temporary["tiny.gguf"]), back = ModelFiles.Open(temporary["back"]);
        Assert.Equal(expected.Defaults! with { EosIds = [] }, gguf.Defaults! with { EosIds = [] });
        Assert.Equal(expected.Defaults! with { EosIds = [] }, back.Defaults! with { EosIds = [] });
    }

    [Fact]
    public void The_tokenizer_goes_into_gguf_and_back()
    {
        using var temporary = new TemporaryFolder();
        Assert.Empty(ModelConverter.Convert(Repository.TinyModel, temporary["tiny.gguf"]).Notes);
        Assert.Empty(ModelConverter.Convert(temporary["tiny.gguf"], temporary["back"]).Notes);
        Assert.Equal(Vocabularies.Tiny.Model.Pieces, SentencePieceTokenizer.Load(temporary["tiny.gguf"]).Model.Pieces);
        Assert.Equal(Vocabularies.Tiny.Model.Pieces, SentencePieceTokenizer.Load(temporary["back"]).Model.Pieces);
        using ModelFiles tiny = ModelFiles.Open(Repository.TinyModel), gguf = ModelFiles.Open(temporary["tiny.gguf"]), back = ModelFiles.Open(temporary["back"]);
        ModelContents.AssertSameConfig(tiny.Config, gguf.Config);
        ModelContents.AssertSameConfig(tiny.Config, back.Config);
    }

    [Fact]
    public void A_padded_embedding_has_padded_pieces_in_gguf_only()
    {
        using var temporary = new TemporaryFolder();
        GemmaConfig config = SmallModels.Config(GemmaArchitecture.Gemma3, vocabulary: 270);
        SmallModels.WriteFolder(temporary["model"], config);
        SentencePieceModel model = Vocabularies.Model(new SentencePiece("a", -1, PieceType.Normal), new SentencePiece("<unused0>", 0, PieceType.Unused));
        File.WriteAllBytes(Path.Combine(temporary["model"], "tokenizer.model"), model.ToBytes());
        Assert.Empty(ModelConverter.Convert(temporary["model"], temporary["model.gguf"]).Notes);
        ModelConverter.Convert(temporary["model.gguf"], temporary["back"]);
        using Gguf gguf = Gguf.Open(temporary["model.gguf"]);
        Assert.Equal(270, gguf.Metadata.Strings("tokenizer.ggml.tokens")!.Length);
        Assert.Equal("[PAD269]", gguf.Metadata.Strings("tokenizer.ggml.tokens")![^1]);
        Assert.Equal(model.Pieces, SentencePieceTokenizer.Load(temporary["back"]).Model.Pieces);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4000)]
    public void A_tokenizer_of_another_size_is_refused(int vocabulary)
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], SmallModels.Config(GemmaArchitecture.Gemma1, vocabulary: vocabulary));
        File.WriteAllBytes(Path.Combine(temporary["model"], "tokenizer.model"), Vocabularies.Model().ToBytes());
        var failure = Assert.Throws<BadFileException>(() => ModelConverter.Convert(temporary["model"], temporary["out.gguf"]));
        Assert.Contains($"each of the {vocabulary} rows of the model's embedding, found 260 pieces", failure.Message, StringComparison.Ordinal);
        Assert.Equal(["model"], temporary.Names);
    }

    [Fact]
    public void Progress_rises_to_one()
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], SmallModels.Config(GemmaArchitecture.Gemma1));
        var seen = new Seen();
        ModelConverter.Convert(temporary["model"], temporary["model.gguf"], new ConvertOptions { Progress = seen });
        Assert.Equal(seen.Values.Order(), seen.Values);
        Assert.Equal(1, seen.Values[^1]);
    }

    [Theory]
    [InlineData("out.gguf")]
    [InlineData("out")]
    public void Cancelled_midway_it_leaves_nothing(string destination)
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], SmallModels.Config(GemmaArchitecture.Gemma1));
        using var source = new CancellationTokenSource();
        var seen = new Seen { At = part => { if (part > 0.5) source.Cancel(); } };
        Assert.ThrowsAny<OperationCanceledException>(() => ModelConverter.Convert(temporary["model"], temporary[destination], new ConvertOptions { Progress = seen }, source.Token));
        Assert.Equal(["model"], temporary.Names);
    }

    [Theory]
    [InlineData("out.gguf")]
    [InlineData("out")]
    public void What_is_there_stays_unless_force_is_asked(string destination)
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], SmallModels.Config(GemmaArchitecture.Gemma1), seed: 1);
        SmallModels.WriteFolder(temporary["other"], SmallModels.Config(GemmaArchitecture.Gemma1), seed: 2);
        ModelConverter.Convert(temporary["model"], temporary[destination]);
        var failure = Assert.Throws<UsageException>(() => ModelConverter.Convert(temporary["other"], temporary[destination]));
        Assert.Contains("--force", failure.Message, StringComparison.Ordinal);
        using (ModelFiles expected = ModelFiles.Open(temporary["model"]), kept = ModelFiles.Open(temporary[destination])) ModelContents.AssertSame(expected, kept);
        ModelConverter.Convert(temporary["other"], temporary[destination], new ConvertOptions { Force = true });
        using (ModelFiles expected = ModelFiles.Open(temporary["other"]), replaced = ModelFiles.Open(temporary[destination])) ModelContents.AssertSame(expected, replaced);
        Assert.Equal(["model", "other", destination], temporary.Names);
    }

    [Fact]
    public void Force_never_deletes_what_no_model_folder_holds()
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], SmallModels.Config(GemmaArchitecture.Gemma1));
        SmallModels.WriteFolder(temporary["out"], SmallModels.Config(GemmaArchitecture.Gemma1));
        File.WriteAllText(Path.Combine(temporary["out"], "diary.txt"), "dear diary");
        var failure = Assert.Throws<UsageException>(() => ModelConverter.Convert(temporary["model"], temporary["out"], new ConvertOptions { Force = true }));
        Assert.Contains("diary.txt", failure.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(temporary["out"], "diary.txt")));
    }

    [Theory]
    [InlineData("model", "model", null, "another place than the source")]
    [InlineData("model", "nowhere/out.gguf", null, "there is no folder")]
    [InlineData("model", "out.safetensors", null, "a .gguf file or the name of a folder")]
    [InlineData("model", "out", TensorType.Q8_0, "F32, F16 or BF16")]
    [InlineData("model", "out.gguf", TensorType.Q5_K, "is read, not written")]
    [InlineData("odd", "out.gguf", TensorType.Q8_0, "token_embd.weight: expected rows of whole blocks of 32 weights for Q8_0, found rows of 48")]
    public void What_cannot_be_is_one_line_and_leaves_nothing(string source, string destination, TensorType? type, string expected)
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], SmallModels.Config(GemmaArchitecture.Gemma1));
        SmallModels.WriteFolder(temporary["odd"], SmallModels.Config(GemmaArchitecture.Gemma1, width: 48));
        var failure = Assert.Throws<UsageException>(() => ModelConverter.Convert(temporary[source], temporary[destination], new ConvertOptions { Type = type, Force = true }));
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.Equal(["model", "odd"], temporary.Names);
    }

    [Theory]
    [InlineData(float.NaN, null, "NaN or infinity")]
    [InlineData(float.NegativeInfinity, TensorType.BF16, "NaN or infinity")]
    [InlineData(70_000f, TensorType.F16, "magnitudes up to 65504 for F16, found 70000")]
    [InlineData(1e9f, TensorType.Q8_0, "for Q8_0, found 1E+09")]
    [InlineData(float.MaxValue, TensorType.BF16, "write F32 instead")]
    public void A_number_that_the_type_cannot_hold_is_named_and_nothing_is_left(float number, TensorType? type, string expected)
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], SmallModels.Config(GemmaArchitecture.Gemma1), rows: spec => (row, destination) =>
        {
            destination.Fill(0.5f);
            if (spec.Role == TensorRole.Gate && spec.Layer == 1 && row == 3) destination[5] = number;
        });
        var failure = Assert.Throws<BadFileException>(() => ModelConverter.Convert(temporary["model"], temporary["out.gguf"], new ConvertOptions { Type = type }));
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.Contains("model.layers.1.mlp.gate_proj.weight row 3", failure.Message, StringComparison.Ordinal);
        Assert.Equal(["model"], temporary.Names);
    }

    [Fact]
    public void A_configuration_that_the_format_cannot_say_is_refused()
    {
        using var temporary = new TemporaryFolder();
        SmallModels.WriteFolder(temporary["model"], SmallModels.Config(GemmaArchitecture.Gemma3) with { AttentionSoftCap = 50 });
        var failure = Assert.Throws<GemmaException>(() => ModelConverter.Convert(temporary["model"], temporary["out.gguf"]));
        Assert.Contains("attn_logit_softcapping 50", failure.Message, StringComparison.Ordinal);
        Assert.Equal(["model"], temporary.Names);
    }

    private sealed class Seen : IProgress<double>
    {
        public List<double> Values { get; } = [];

        public Action<double>? At { get; init; }

        public void Report(double value)
        {
            Values.Add(value);
            At?.Invoke(value);
        }
    }
}
