using System.Runtime.InteropServices;
using System.Text.Json;
using Gemma.Cli;
using Gemma.Formats;
using Gemma.Tests.Model;

namespace Gemma.Tests.Cli;

/// <summary>logits, score, embed, bench, doctor and show, as scripts call them.</summary>
public sealed class MeasuringVerbsTests : IDisposable
{
    private readonly GemmaProgram _gemma = new();

    [Theory]
    [InlineData("gemma1-mha", "fp32")]
    [InlineData("gemma2-gqa", "bf16")]
    [InlineData("gemma3-text", "fp32")]
    public void Logits_in_the_file_are_those_of_the_official_code(string name, string format)
    {
        (int[] ids, float[] expected) = Golden.Logits(name, 48);
        string file = _gemma.PathOf("logits.f32");
        _gemma.Run("logits", "-m", Path.Combine(Repository.Golden, name, format), "--quant", "f32", "--ids", string.Join(',', ids), "--out", file).AssertWorks();
        Assert.True(Golden.LargestDifference(expected, MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(file))) < 1e-4f);
        Assert.Equal(["logits.f32"], Directory.GetFiles(_gemma.Folder).Select(Path.GetFileName));
    }

    [Fact]
    public void A_text_scores_as_in_the_official_code()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.TinyModel, "golden.json")));
        int[] ids = Golden.Ints(golden.RootElement.GetProperty("text_ids"));
        JsonElement score = _gemma.Run("score", "--quant", "f32", "--ids", string.Join(',', ids), "--json").AssertWorks().Json;
        double expected = golden.RootElement.GetProperty("text_total_nll").GetDouble(), actual = score.GetProperty("total_nll").GetDouble();
        Assert.Equal(expected, actual, 0.01);
        Assert.Equal(ids.Length - 1, score.GetProperty("token_count").GetInt32());
        Assert.Equal(ids.Length - 1, score.GetProperty("logprobs").GetArrayLength());
        Assert.Equal(Math.Exp(actual / (ids.Length - 1)), score.GetProperty("perplexity").GetDouble(), 1e-6);

        // A text gets <bos>, ids get nothing.
        JsonElement text = _gemma.Run("score", "--json", "Once upon a time").Json, same = _gemma.Run("score", "--json", "--ids", "2,2339,834,266,581").Json;
        Assert.Equal(same.GetProperty("logprobs").GetRawText(), text.GetProperty("logprobs").GetRawText());
    }

    [Fact]
    public void Each_line_becomes_a_vector_of_length_1()
    {
        string[] lines = _gemma.RunWith("a cat\na dog\n", "embed").AssertWorks().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        foreach (string line in lines)
        {
            float[] vector = [.. JsonDocument.Parse(line).RootElement.GetProperty("embedding").EnumerateArray().Select(value => value.GetSingle())];
            Assert.Equal(128, vector.Length);
            Assert.Equal(1, vector.Sum(value => value * value), 1e-4);
        }
    }

    [Fact]
    public void A_measurement_has_every_figure()
    {
        JsonElement report = _gemma.Run("bench", "--prompt", "32", "--generate", "8", "--batch", "2", "--quant", "q8", "--threads", "1", "--json").AssertWorks().Json;
        foreach (string figure in (string[])["prefill_tokens_per_second", "decode_tokens_per_second", "time_to_first_token_seconds", "load_seconds", "peak_memory_bytes",
            "weight_bytes_per_token", "memory_bandwidth_bytes_per_second", "memory_bandwidth_ratio"])
            Assert.True(report.GetProperty(figure).GetDouble() > 0, figure);
        Assert.Equal(report.GetProperty("decode_tokens_per_second").GetDouble() / 2 * report.GetProperty("weight_bytes_per_token").GetDouble()
            / report.GetProperty("memory_bandwidth_bytes_per_second").GetDouble(), report.GetProperty("memory_bandwidth_ratio").GetDouble(), 1e-9);
        Assert.Equal("q8", report.GetProperty("quant").GetString());
        Assert.Equal("q8", report.GetProperty("head").GetString());
        Assert.Equal(1, report.GetProperty("threads").GetInt32());
        Assert.Equal(2, report.GetProperty("batch").GetInt32());
    }

    [Fact]
    public void The_head_may_have_a_type_of_its_own_and_its_default_is_8_bits_with_4_bit_weights()
    {
        JsonElement usual = _gemma.Run("bench", "--prompt", "4", "--generate", "0", "--quant", "q4", "--json").AssertWorks().Json,
            small = _gemma.Run("bench", "--prompt", "4", "--generate", "0", "--quant", "q4", "--head", "q4", "--json").AssertWorks().Json;
        Assert.Equal(("q8", "q4"), (usual.GetProperty("head").GetString(), small.GetProperty("head").GetString()));
        // 4096 rows of 128 in 8.5 and in 4.5 bits.
        Assert.Equal(4096 * 128 / 2, usual.GetProperty("weight_bytes").GetInt64() - small.GetProperty("weight_bytes").GetInt64());
    }

    [Fact]
    public void More_threads_than_processors_are_not_used_and_that_is_said()
    {
        ProgramResult result = _gemma.Run("bench", "--prompt", "4", "--generate", "0", "--threads", "1000", "--json");
        Assert.Equal(Environment.ProcessorCount, result.AssertWorks().Json.GetProperty("threads").GetInt32());
        Assert.Contains("1000 threads asked for", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_alone_can_be_measured()
    {
        JsonElement report = _gemma.Run("bench", "--prompt", "32", "--generate", "0", "--json").AssertWorks().Json;
        Assert.True(report.GetProperty("prefill_tokens_per_second").GetDouble() > 0);
        Assert.Equal(JsonValueKind.Null, report.GetProperty("decode_tokens_per_second").ValueKind);
    }

    [Theory]
    [InlineData(TensorType.BF16)]
    [InlineData(TensorType.Q4_0)]
    public void A_synthetic_model_that_was_saved_is_the_one_that_is_measured(TensorType type)
    {
        GemmaConfig shape = GemmaConfig.Gemma2B with { VocabularySize = 300, Width = 64, LayerCount = 2, HeadCount = 2, HeadDimension = 32, FeedForwardWidth = 96, WindowedLayers = [false, false] };
        string file = _gemma.PathOf("synthetic.gguf");
        SyntheticGguf.Write(file, shape, type, new WriteOptions(), CancellationToken.None);
        using ModelFiles files = ModelFiles.Open(file);
        Assert.Equal(shape.ParameterCount, files.Config.ParameterCount);
        Assert.Equal(type, files.DominantType);
        var weights = new SyntheticWeights(1);
        TensorSpec spec = TensorTable.For(shape).First(spec => spec.Role == TensorRole.Down);
        float[] expected = new float[spec.Columns], actual = new float[spec.Columns];
        weights.ReadRow(spec, 3, expected);
        files.ReadRow(spec, 3, actual);
        Assert.True(Golden.LargestDifference(expected, actual) < (type == TensorType.BF16 ? 0.002f : 0.05f));
    }

    [Fact]
    public void The_doctor_names_what_is_wrong_and_what_helps()
    {
        JsonElement well = _gemma.Run("doctor", "--json").AssertWorks().Json;
        Assert.Contains(well.GetProperty("findings").EnumerateArray(), finding => finding.GetProperty("name").GetString() == "memory bandwidth");
        _gemma.Environment["GEMMA_ISA"] = "avx9000";
        _gemma.Environment["GEMMA_TEMPERATUR"] = "1";
        ProgramResult ill = _gemma.Run("doctor");
        Assert.Equal(1, ill.ExitCode);
        Assert.Contains("avx9000", ill.Output, StringComparison.Ordinal);
        Assert.Contains("did you mean GEMMA_TEMPERATURE?", ill.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_is_shown_without_being_loaded()
    {
        JsonElement shown = _gemma.Run("show", "--json", Repository.TinyModel).AssertWorks().Json;
        Assert.Equal(1_951_360, shown.GetProperty("parameters").GetInt64());
        Assert.Equal(256, shown.GetProperty("shape").GetProperty("max_position_embeddings").GetInt32());
        Assert.True(shown.GetProperty("tokenizer").GetBoolean());
        Assert.Contains("ai.google.dev/gemma/terms", shown.GetProperty("licence").GetString(), StringComparison.Ordinal);
    }

    public void Dispose() => _gemma.Dispose();
}
