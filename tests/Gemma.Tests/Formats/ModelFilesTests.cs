using Gemma.Formats;

namespace Gemma.Tests.Formats;

public class ModelFilesTests
{
    public static TheoryData<string> GoldenFolders => [.. Directory.GetDirectories(Repository.Golden).Select(Path.GetFileName).Select(name => name!)];

    [Theory]
    [MemberData(nameof(GoldenFolders))]
    public void Bf16AndFp32FoldersHoldTheSameNumbers(string name)
    {
        using ModelFiles fp32 = ModelFiles.Open(Path.Combine(Repository.Golden, name, "fp32"));
        using ModelFiles bf16 = ModelFiles.Open(Path.Combine(Repository.Golden, name, "bf16"));
        Assert.Equal(TensorType.F32, fp32.DominantType);
        Assert.Equal(TensorType.BF16, bf16.DominantType);
        Assert.Equal(32, fp32.WeightBits);
        Assert.Equal(16, bf16.WeightBits);
        Assert.Empty(fp32.IgnoredTensors);
        ModelContents.AssertSame(fp32, bf16);
    }

    [Theory]
    [InlineData("gemma1-mqa")]
    [InlineData("gemma1-mha")]
    public void GgufHoldsWhatTheFolderHolds(string name)
    {
        using ModelFiles folder = ModelFiles.Open(Path.Combine(Repository.Golden, name, "fp32"));
        using ModelFiles gguf = ModelFiles.Open(Path.Combine(Repository.Golden, name, "model-f32.gguf"));
        Assert.Equal(folder.Config with { WindowedLayers = gguf.Config.WindowedLayers, EosIds = gguf.Config.EosIds }, gguf.Config);
        Assert.Equal(folder.Config.WindowedLayers, gguf.Config.WindowedLayers);
        Assert.Equal(folder.Config.EosIds, gguf.Config.EosIds);
        ModelContents.AssertSame(folder, gguf);
    }

    [Fact]
    public void TheEmbeddedModelSaysHowItIsSampled()
    {
        using ModelFiles tiny = ModelFiles.Open(Repository.TinyModel);
        Assert.Equal(new GemmaConfig
        {
            Architecture = GemmaArchitecture.Gemma1,
            VocabularySize = 4096,
            Width = 128,
            LayerCount = 6,
            HeadCount = 4,
            KeyValueHeadCount = 1,
            HeadDimension = 32,
            FeedForwardWidth = 512,
            ContextLength = 256,
            QueryPreAttentionScalar = 32,
            WindowedLayers = tiny.Config.WindowedLayers,
            EosIds = tiny.Config.EosIds,
        }, tiny.Config);
        Assert.Equal([1], tiny.Config.EosIds);
        Assert.Equal((0.8f, 40, 0.95f, true), (tiny.Defaults!.Temperature, tiny.Defaults.TopK, tiny.Defaults.TopP, tiny.Defaults.Sample));
    }

    [Fact]
    public void AWeightsFileInAFolderOpensTheFolder()
    {
        using ModelFiles files = ModelFiles.Open(Path.Combine(Repository.TinyModel, Safetensors.FileName));
        Assert.Equal(128, files.Config.Width);
    }

    [Fact]
    public void AModelInMemoryIsTheModelOnDisk()
    {
        string[] names = ["config.json", "generation_config.json", "model.safetensors"];
        using ModelFiles folder = ModelFiles.Open(Repository.TinyModel);
        using ModelFiles memory = ModelFiles.FromMemory("tiny", names.ToDictionary(name => name, name => File.ReadAllBytes(Path.Combine(Repository.TinyModel, name))));
        Assert.Equal(folder.Config with { WindowedLayers = memory.Config.WindowedLayers, EosIds = memory.Config.EosIds }, memory.Config);
        Assert.Equal(folder.Config.EosIds, memory.Config.EosIds);
        Assert.Equal(folder.Defaults, memory.Defaults! with { EosIds = folder.Defaults!.EosIds });
        ModelContents.AssertSame(folder, memory);
        Assert.Throws<GemmaException>(() => ModelFiles.FromMemory("tiny", new Dictionary<string, byte[]>()));
    }

    [Fact]
    public void NormsComeOutAsTheGain()
    {
        using ModelFiles files = ModelFiles.Open(Path.Combine(Repository.Golden, "gemma1-mqa", "fp32"));
        TensorSpec norm = TensorTable.For(files.Config).First(spec => spec.IsNorm);
        float[] gain = new float[norm.Columns], published = new float[norm.Columns];
        files.ReadRow(norm, 0, gain);
        files.Tensors.ReadRow(files.Find(norm), 0, published);
        Assert.Equal(published.Select(weight => 1 + weight), gain);
    }

    [Fact]
    public void AMissingFolderIsOneLine()
    {
        var failure = Assert.ThrowsAny<GemmaException>(() => ModelFiles.Open("/no/such/folder"));
        Assert.DoesNotContain('\n', failure.Message);
        Assert.Equal(2, failure.ExitCode);
    }
}
