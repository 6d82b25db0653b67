using Gemma.Chat;
using Gemma.Generation;
using Gemma.Tests.Generation;
using Gemma.Tests.Model;
using Microsoft.Extensions.AI;

namespace Gemma.Tests.Chat;

public sealed class GemmaEmbeddingGeneratorTests : IDisposable
{
    private readonly GemmaModel _model = GemmaModel.Load(Repository.TinyModel);
    private readonly Engine _engine;
    private readonly GemmaEmbeddingGenerator _generator;

    public GemmaEmbeddingGeneratorTests()
    {
        _engine = new Engine(_model);
        _generator = new GemmaEmbeddingGenerator(_engine, "tiny");
    }

    public void Dispose()
    {
        _generator.Dispose();
        _engine.Dispose();
        _model.Dispose();
    }

    [Fact]
    public async Task Vectors_come_in_order_have_length_one_and_are_those_of_the_engine()
    {
        string[] texts = ["The little girl looked at the sea.", "", "The little boy looked at the sea.", "17 + 4 = 21;"];
        GeneratedEmbeddings<Embedding<float>> result = await _generator.GenerateAsync(texts);
        Assert.Equal(texts.Length, result.Count);
        int tokens = 0;
        for (int i = 0; i < texts.Length; i++)
        {
            int[] ids = [_model.Tokenizer!.BosId, .. _model.Tokenizer.EncodeText(texts[i])];
            tokens += ids.Length;
            Assert.Equal(await _engine.EmbedAsync(ids), result[i].Vector.ToArray());
            Assert.Equal(1, result[i].Vector.ToArray().Sum(x => (double)x * x), 1e-5);
            Assert.Equal("tiny", result[i].ModelId);
        }
        Assert.Equal(tokens, result.Usage!.InputTokenCount);
        double Cosine(int a, int b) => result[a].Vector.ToArray().Zip(result[b].Vector.ToArray(), (x, y) => (double)x * y).Sum();
        Assert.True(Cosine(0, 2) > Cosine(0, 3), "a text that differs in one word is nearer than one of another kind");
        Assert.Empty(await _generator.GenerateAsync([]));
    }

    [Fact]
    public async Task What_cannot_be_served_is_refused_and_the_rest_of_the_call_is_given_up()
    {
        await Assert.ThrowsAsync<NotSupportedException>(() => _generator.GenerateAsync(["a"], new() { Dimensions = 64 }));
        await Assert.ThrowsAsync<UsageException>(() => _generator.GenerateAsync(["a"], new() { ModelId = "other" }));
        await Assert.ThrowsAsync<UsageException>(() => _generator.GenerateAsync(["a"], new() { AdditionalProperties = new() { ["pooling"] = "max" } }));
        await Assert.ThrowsAsync<UsageException>(() => _generator.GenerateAsync(["a", string.Concat(Enumerable.Repeat("word after word ", 200)), "b"]));
        await _generator.GenerateAsync(["a"], new() { Dimensions = 128, ModelId = "tiny" });
        using var source = new CancellationTokenSource();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _generator.GenerateAsync(["a"], null, source.Token));
        EnginePages.AssertNoneInUse(_engine);
        using GemmaModel bare = Golden.Load("gemma1-mqa");
        Assert.Throws<UsageException>(() => new GemmaEmbeddingGenerator(bare));
    }

    [Fact]
    public void Metadata_tell_model_and_dimensions()
    {
        var metadata = (EmbeddingGeneratorMetadata)_generator.GetService(typeof(EmbeddingGeneratorMetadata))!;
        Assert.Equal(("gemma", "tiny", 128), (metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions));
        Assert.Same(_engine, _generator.GetService(typeof(Engine)));
    }
}
