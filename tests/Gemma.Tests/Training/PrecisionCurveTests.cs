using Gemma.Data;
using Gemma.Formats;
using Gemma.Tests.Formats;
using Gemma.Tests.Tokenization;
using Gemma.Training;

namespace Gemma.Tests.Training;

/// <summary>A run on real text, long enough that rounding would show.</summary>
public class PrecisionCurveTests(ITestOutputHelper output)
{
    private const int Steps = 160, Window = 20;

    [Fact(Explicit = true)]
    [Trait("Category", "Long")]
    public void The_loss_curve_of_bf16_is_within_a_hundredth_of_that_of_fp32()
    {
        string? corpus = Repository.Shared is string shared ? Path.Combine(shared, "corpus", "tinyshakespeare") : null;
        Assert.SkipUnless(Directory.Exists(corpus), "there is no text beside the repository");
        using var temporary = new TemporaryFolder();
        new DocumentTokenizer(Vocabularies.Tiny, new TokenizeOptions()).Run([.. DocumentSource.Find(corpus).Select(path =>
            new DocumentSource { Path = path, Format = DocumentSource.FormatOf(path), Field = "text", Split = TextSplit.BlankLine })], temporary["tokens"]);
        double[] exact = Train(temporary, Precision.Float32), rounded = Train(temporary, Precision.BFloat16);
        foreach ((double left, double right, int window) in exact.Zip(rounded, Enumerable.Range(0, exact.Length)))
            output.WriteLine(FormattableString.Invariant($"steps {window * Window + 1} to {(window + 1) * Window}: {left:0.0000} in fp32, {right:0.0000} in bf16, {right / left - 1:+0.00%;-0.00%}"));
        Assert.True(exact[^1] < exact[0] * 0.75, "it learnt something");
        Assert.All(exact.Zip(rounded), pair => Assert.InRange(pair.Second / pair.First, 0.99, 1.01));
    }

    /// <summary>Mean losses of so many steps each.</summary>
    private static double[] Train(TemporaryFolder temporary, Precision precision)
    {
        GemmaConfig config = SmallModels.Config(GemmaArchitecture.Gemma1, width: 128, layers: 4, vocabulary: 4096) with
        {
            HeadCount = 4,
            HeadDimension = 32,
            QueryPreAttentionScalar = 32,
            FeedForwardWidth = 384,
            ContextLength = 128,
            EosIds = [1],
        };
        using var parameters = new ParameterSet(config);
        parameters.Initialize(1);
        using var model = new TrainingModel(parameters, new TrainingOptions { Precision = precision });
        using TokenShard shard = TokenShard.Open(temporary["tokens/00000.tokens"]);
        List<double> losses = [];
        using var trainer = new Trainer(model, new TokenLoader(new TokenMixture([new TokenSet("text", [shard])], 1), 128), null, new TrainerOptions
        {
            Output = temporary[$"{precision}"],
            WriteWeights = _ => { },
            Steps = Steps,
            BatchTokens = 2048,
            LearningRate = new LearningRate { Peak = 2e-3f, WarmUpSteps = 20 },
            Progress = new Ear(losses),
        });
        trainer.Begin();
        trainer.Run();
        return [.. losses.Chunk(Window).Select(window => window.Average())];
    }

    private sealed class Ear(List<double> losses) : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value) => losses.Add(value.Loss);
    }
}
