using Gemma.Generation;
using Gemma.Tokenization;
using Microsoft.Extensions.AI;

namespace Gemma.Chat;

/// <summary>
/// Embeddings behind the .NET interface for them: the mean of the final hidden states, scaled to length 1. Gemma is no embedding model and was not trained to
/// put like texts near each other: good enough for experiments and coarse similarity; for search use a model made for it.
/// </summary>
/// <remarks>Thread-safe. Texts of one call are computed together.</remarks>
public sealed class GemmaEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly Engine _engine;
    private readonly bool _ownsEngine;
    private readonly SentencePieceTokenizer _tokenizer;
    private readonly EmbeddingGeneratorMetadata _metadata;

    /// <summary>With an engine of its own, which it disposes; the model stays the caller's.</summary>
    /// <param name="model">The model.</param>
    /// <param name="modelId">The name it goes by in results.</param>
    /// <exception cref="UsageException">The model's files hold no tokenizer.</exception>
    public GemmaEmbeddingGenerator(GemmaModel model, string modelId = "gemma") : this(TokenizerOf(model), new Engine(model), modelId) => _ownsEngine = true;

    /// <summary>On an engine that others use as well and that stays the caller's.</summary>
    /// <exception cref="UsageException">The model's files hold no tokenizer.</exception>
    public GemmaEmbeddingGenerator(Engine engine, string modelId = "gemma")
        : this(TokenizerOf((engine ?? throw new ArgumentNullException(nameof(engine))).Model), engine, modelId) { }

    private GemmaEmbeddingGenerator(SentencePieceTokenizer tokenizer, Engine engine, string modelId)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelId);
        _tokenizer = tokenizer;
        _engine = engine;
        _metadata = new EmbeddingGeneratorMetadata("gemma", defaultModelId: modelId, defaultModelDimensions: engine.Model.Config.Width);
    }

    /// <exception cref="NotSupportedException">Another number of dimensions than the model's is asked for.</exception>
    /// <exception cref="UsageException">A text does not fit the context, or another model or an unknown option is asked for.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        Check(options);
        int[][] texts = [.. values.Select(text => (int[])[_tokenizer.BosId, .. _tokenizer.EncodeText(text)])];

        // One failure stops the others: nobody would see them.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var vectors = new Task<float[]>[texts.Length];
        try
        {
            for (int i = 0; i < texts.Length; i++) vectors[i] = _engine.EmbedAsync(texts[i], cancellationToken: stop.Token);
            var result = new GeneratedEmbeddings<Embedding<float>>(texts.Length);
            foreach (Task<float[]> vector in vectors)
                result.Add(new Embedding<float>(await vector.ConfigureAwait(false)) { ModelId = _metadata.DefaultModelId, CreatedAt = DateTimeOffset.UtcNow });
            long tokens = texts.Sum(text => (long)text.Length);
            result.Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens };
            return result;
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(EmbeddingGeneratorMetadata) ? _metadata
            : serviceType == typeof(Engine) ? _engine
            : serviceType == typeof(GemmaModel) ? _engine.Model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    public void Dispose()
    {
        if (_ownsEngine) _engine.Dispose();
    }

    private void Check(EmbeddingGenerationOptions? options)
    {
        if (options is null) return;
        ChatOptionsMapping.CheckModel(options.ModelId, _metadata.DefaultModelId!);
        if (options.Dimensions is int dimensions && dimensions != _metadata.DefaultModelDimensions)
        {
            throw new NotSupportedException(FormattableString.Invariant(
                $"the option Dimensions is {dimensions}; this model's vectors have {_metadata.DefaultModelDimensions}; leave it out"));
        }
        foreach (string name in options.AdditionalProperties?.Keys ?? []) throw new UsageException($"the option {name} is unknown; leave it out");
    }

    private static SentencePieceTokenizer TokenizerOf(GemmaModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.Tokenizer ?? throw new UsageException("this model's files hold no tokenizer; put tokenizer.model beside the weights");
    }
}
