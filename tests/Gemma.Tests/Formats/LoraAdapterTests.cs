using System.Text.Json.Nodes;
using Gemma.Formats;
using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Formats;

/// <summary>Adapters as PEFT keeps them, and the models they are merged into.</summary>
public sealed class LoraAdapterTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData(GemmaArchitecture.Gemma1)]
    [InlineData(GemmaArchitecture.Gemma2)]
    [InlineData(GemmaArchitecture.Gemma3)]
    public void What_is_written_is_what_is_read(GemmaArchitecture architecture)
    {
        GemmaConfig model = SmallModels.Config(architecture);
        LoraAdapter random = Adapters.Random(model, new LoraConfig { Rank = 3, Alpha = 6, Dropout = 0.1f, BaseModel = "base", Targets = [TensorRole.Query, TensorRole.Value, TensorRole.Down] });
        LoraAdapter adapter = new(random.Config, random.Matrices) { ChatTemplate = "{{ turns }}" };
        string folder = Path.Combine(_temporary.Root, "adapter");
        adapter.Write(folder);
        LoraAdapter read = LoraAdapter.Load(folder, model);
        Assert.Equal(adapter.ChatTemplate, read.ChatTemplate);
        Assert.Equal(adapter.Config with { Targets = [] }, read.Config with { Targets = [] });
        Assert.Equal(adapter.Matrices.Keys.Order(BySpec), read.Matrices.Keys.Order(BySpec));
        foreach ((TensorSpec spec, LowRankMatrix matrix) in adapter.Matrices)
        {
            Assert.Equal(matrix.Down, read.Matrices[spec].Down);
            Assert.Equal(matrix.Up, read.Matrices[spec].Up);
            Assert.Equal(2, read.Matrices[spec].Scale);
        }
        Assert.Throws<UsageException>(() => adapter.Write(folder));
        adapter.Write(folder, new WriteOptions { Force = true });

        // As PEFT names and shapes them.
        using var file = Safetensors.Open(Path.Combine(folder, "adapter_model.safetensors"));
        Assert.Equal(model.LayerCount * 6, file.Tensors.Count);
        Assert.Equal([3, model.Width], file.Tensors["base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"].Shape);
        Assert.Equal([model.QueryWidth, 3], file.Tensors["base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight"].Shape);
        Assert.Equal([3, model.FeedForwardWidth], file.Tensors["base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"].Shape);
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!;
        Assert.Equal("LORA", (string?)config["peft_type"]);
        Assert.Equal("CAUSAL_LM", (string?)config["task_type"]);
        Assert.Equal(3, (int)config["r"]!);
        Assert.Equal(6, (int)config["lora_alpha"]!);
        Assert.Equal(["q_proj", "v_proj", "down_proj"], config["target_modules"]!.AsArray().Select(name => (string?)name));
    }

    [Fact]
    public void Other_prefixes_and_ranks_of_their_own_are_read()
    {
        GemmaConfig model = SmallModels.Config(GemmaArchitecture.Gemma3);
        string folder = Path.Combine(_temporary.Root, "adapter");
        Adapters.Random(model, new LoraConfig { Rank = 2, Alpha = 4, Targets = [TensorRole.Query] }).Write(folder);
        using (var file = Safetensors.Open(Path.Combine(folder, LoraAdapter.WeightsName)))
        {
            TensorContent[] renamed = [.. file.Tensors.Values.Select(tensor => new TensorContent(tensor.Name.Replace("base_model.model.model.", "base_model.model.model.language_model.", StringComparison.Ordinal),
                tensor.Type, tensor.Shape, (row, destination) => file.RowBytes(tensor, row).CopyTo(destination)))];
            SafetensorsWriter.Write(Path.Combine(_temporary.Root, "renamed.safetensors"), renamed);
        }
        File.Move(Path.Combine(_temporary.Root, "renamed.safetensors"), Path.Combine(folder, LoraAdapter.WeightsName), overwrite: true);
        Assert.Equal(model.LayerCount, LoraAdapter.Load(folder, model).Matrices.Count);

        Change(folder, config => config["use_rslora"] = true);
        Assert.Equal(4 / MathF.Sqrt(2), LoraAdapter.Load(folder, model).Matrices.Values.First().Scale, 1e-6);
        Change(folder, config =>
        {
            config["use_rslora"] = false;
            config["r"] = 8;
        });
        Assert.Contains("8 rows", Assert.Throws<BadFileException>(() => LoraAdapter.Load(folder, model)).Message, StringComparison.Ordinal);
        Change(folder, config => config["rank_pattern"] = new JsonObject { ["q_proj"] = 2 });
        Assert.Equal(2, LoraAdapter.Load(folder, model).Matrices.Values.First().Scale);
    }

    [Theory]
    [InlineData("peft_type", "\"IA3\"")]
    [InlineData("use_dora", "true")]
    [InlineData("bias", "\"all\"")]
    [InlineData("modules_to_save", "[\"lm_head\"]")]
    [InlineData("fan_in_fan_out", "true")]
    [InlineData("alpha_pattern", "{\"q_proj\": 3}")]
    [InlineData("lora_bias", "true")]
    [InlineData("init_lora_weights", "\"pissa_niter_16\"")]
    [InlineData("layer_replication", "[[0, 2]]")]
    [InlineData("something_new", "true")]
    [InlineData("r", "0")]
    [InlineData("lora_alpha", "null")]
    public void What_is_not_supported_is_refused_by_its_name(string field, string value)
    {
        GemmaConfig model = SmallModels.Config(GemmaArchitecture.Gemma1);
        string folder = Path.Combine(_temporary.Root, "adapter");
        Adapters.Random(model, new LoraConfig { Rank = 2 }).Write(folder);
        Change(folder, config => config[field] = JsonNode.Parse(value));
        string message = Assert.ThrowsAny<GemmaException>(() => LoraAdapter.Load(folder, model)).Message;
        Assert.Contains(field == "r" ? "rank" : field, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Adapters_of_other_models_and_damaged_ones_are_refused()
    {
        GemmaConfig model = SmallModels.Config(GemmaArchitecture.Gemma1);
        string folder = Path.Combine(_temporary.Root, "adapter"), weights = Path.Combine(folder, LoraAdapter.WeightsName);
        Assert.Contains("no adapter_config.json", Assert.Throws<UsageException>(() => LoraAdapter.Load(_temporary.Root, model)).Message, StringComparison.Ordinal);
        Adapters.Random(model, new LoraConfig { Rank = 2 }).Write(folder);
        Assert.Contains("a shape of", Assert.Throws<BadFileException>(() => LoraAdapter.Load(folder, model with { Width = 48 })).Message, StringComparison.Ordinal);
        Assert.Contains("of another model", Assert.Throws<BadFileException>(() => LoraAdapter.Load(folder, model with { LayerCount = 1 })).Message, StringComparison.Ordinal);
        byte[] good = File.ReadAllBytes(weights);
        var random = new Random(5);
        for (int i = 0; i < 300; i++)
        {
            byte[] mutant = i % 3 == 0 ? good[..random.Next(good.Length)] : [.. good];
            for (int change = 0; change < 3 && mutant.Length > 0; change++) mutant[random.Next(Math.Min(mutant.Length, i % 2 == 0 ? 2000 : mutant.Length))] = (byte)random.Next(256);
            File.WriteAllBytes(weights, mutant);
            try
            {
                LoraAdapter.Load(folder, model);
            }
            catch (GemmaException failure)
            {
                Assert.DoesNotContain('\n', failure.Message);
            }
        }
        File.Delete(weights);
        File.WriteAllBytes(Path.Combine(folder, "adapter_model.bin"), good);
        Assert.Contains("safetensors", Assert.Throws<UsageException>(() => LoraAdapter.Load(folder, model)).Message, StringComparison.Ordinal);
    }

    /// <summary>The bar: 1e-4.</summary>
    [Theory]
    [InlineData("gemma1-mqa", "merged")]
    [InlineData("gemma1-mha", "merged.gguf")]
    [InlineData("gemma2-gqa", "merged")]
    [InlineData("gemma3-text", "merged.gguf")]
    public void A_merged_model_has_the_logits_of_the_model_with_its_adapter(string name, string destination)
    {
        using ModelFiles files = ModelFiles.Open(Path.Combine(Repository.Golden, name, "fp32"));
        LoraAdapter adapter = Adapters.Random(files.Config, new LoraConfig { Rank = 4 });
        string path = Path.Combine(_temporary.Root, destination);
        ModelConverter.Convert(files, path, new ConvertOptions { Adapter = adapter });
        int[] ids = Golden.Logits(name, 200).Ids;
        using GemmaModel model = Golden.Load(name), merged = GemmaModel.Load(path);
        using GemmaAdapter loaded = model.LoadAdapter(adapter);
        float[] expected = Adapters.Logits(model, ids, loaded), bare = Adapters.Logits(model, ids, null);
        Assert.True(Golden.LargestDifference(expected, bare) > 0.1, "the adapter does nothing");
        Assert.True(Golden.LargestDifference(expected, Golden.Logits(merged, ids, KvType.Float32)) < 1e-4);
    }

    [Fact]
    public void Merging_into_fewer_bits_says_what_was_rounded()
    {
        using ModelFiles files = ModelFiles.Open(Path.Combine(Repository.Golden, "gemma1-mqa", "bf16"));
        LoraAdapter adapter = Adapters.Random(files.Config, new LoraConfig { Rank = 4 });
        ConversionResult result = ModelConverter.Convert(files, Path.Combine(_temporary.Root, "merged"), new ConvertOptions { Adapter = adapter });
        Assert.Contains(result.Notes, note => note.StartsWith("weights rounded to BF16", StringComparison.Ordinal));
        result = ModelConverter.Convert(files, Path.Combine(_temporary.Root, "exact"), new ConvertOptions { Adapter = adapter, Type = TensorType.F32 });
        Assert.DoesNotContain(result.Notes, note => note.StartsWith("weights rounded", StringComparison.Ordinal));
    }

    private static readonly Comparer<TensorSpec> BySpec = Comparer<TensorSpec>.Create((x, y) => string.CompareOrdinal(x.HuggingFaceName, y.HuggingFaceName));

    private static void Change(string folder, Action<JsonNode> change)
    {
        string path = Path.Combine(folder, LoraAdapter.ConfigName);
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        change(config);
        File.WriteAllText(path, config.ToJsonString());
    }
}
