using System.Collections.Immutable;
using System.Text.Json;
using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Tests.Formats;
using Gemma.Training;
using Gemma.Training.Tuning;

namespace Gemma.Tests.Training;

/// <summary>The trainer over an adapter and samples.</summary>
public sealed class TuningRunTests : IDisposable
{
    private static readonly JsonElement Beginning = JsonDocument.Parse("""{"samples_seen": 0, "batches": 0, "tokens": 0, "learnt_tokens": 0}""").RootElement;

    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_run_that_gets_worse_on_what_was_held_out_ends_early_with_the_adapter_that_was_best()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma1);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using FrozenWeights frozen = LoraCases.Freeze(parameters, WeightType.F32);
        using Lora adapter = new(config, new LoraConfig { Rank = 4 }, seed: 1);
        using var model = new TrainingModel(frozen, adapter);
        TuningData data = new(Samples(config, 1, 12), new TuningDataOptions { Epochs = 0 }), held = new(Samples(config, 2, 6), new TuningDataOptions { Shuffle = false });
        string output = _temporary["run"];
        double bestLoss;
        using (var trainer = new Trainer(model, data, held, new TrainerOptions
        {
            Output = output,
            WriteWeights = folder => adapter.ToAdapter().WriteFiles(folder),
            Steps = 300,
            BatchTokens = 100,
            LearningRate = new LearningRate { Peak = 0.02f, Shape = LearningRateShape.Constant },
            Optimizer = new AdamWOptions { WeightDecay = 0 },
            EvaluateEvery = 1,
            CheckpointEvery = 1,
            Patience = 4,
            SpikeDeviations = 0,
            WritesBest = true,
        }))
        {
            trainer.Begin();
            Assert.Equal(TrainingOutcome.StoppedEarly, trainer.Run());
            Assert.Equal(trainer.Step - 4, trainer.BestStep);
            bestLoss = trainer.BestLoss!.Value;
        }
        using Lora best = new(config, new LoraConfig { Rank = 4 });
        best.Set(LoraAdapter.Load(Path.Combine(output, "model"), config));
        using var judge = new TrainingModel(frozen, best);
        var batch = new TrainingBatch();
        Loss loss = default;
        held.Restore(Beginning);
        while (held.Next(batch, 100)) loss += judge.Evaluate(batch);
        Assert.Equal(bestLoss, loss.Mean, 1e-9);
    }

    [Fact]
    public void The_reference_of_pairs_is_kept_with_a_hash_of_what_it_depends_on()
    {
        GemmaConfig config = TrainingCases.Config(GemmaArchitecture.Gemma2);
        using ParameterSet parameters = TrainingCases.Parameters(config);
        using var model = new TrainingModel(parameters);
        PreferenceSample[] computed = Pairs(config), read = Pairs(config);
        PreferenceReference.Compute(model, computed, batchTokens: 30);
        foreach (PreferenceSample pair in computed)
        {
            // Alone as in a batch.
            var batch = new TrainingBatch();
            pair.AddTo(batch);
            double[] alone = model.LogProbabilities(batch);
            Assert.Equal(alone[0], pair.ChosenReference, 1e-4);
            Assert.Equal(alone[1], pair.RejectedReference, 1e-4);
        }
        string path = _temporary["reference.json"];
        var reference = new PreferenceReference(path, [new("file", "a"), new("model", "b")]);
        Assert.False(reference.TryRead(read));
        reference.Write(computed);
        Assert.True(reference.TryRead(read));
        Assert.Equal(computed.Select(pair => (pair.ChosenReference, pair.RejectedReference)), read.Select(pair => (pair.ChosenReference, pair.RejectedReference)));
        Assert.False(new PreferenceReference(path, [new("file", "a"), new("model", "c")]).TryRead(read));
        Assert.False(reference.TryRead(read[1..]));
        byte[] good = File.ReadAllBytes(path);
        File.WriteAllBytes(path, good[..(good.Length / 2)]);
        Assert.Throws<BadFileException>(() => reference.TryRead(read));
    }

    private static PreferenceSample[] Pairs(GemmaConfig config) => [.. Samples(config, 3, 8).Cast<ConversationSample>().Chunk(2).Select(pair => new PreferenceSample(pair[0], pair[1]))];

    private static ImmutableArray<TuningSample> Samples(GemmaConfig config, int seed, int count) => [.. TrainingCases.Documents(config, seed, [.. Enumerable.Range(0, count).Select(i => 4 + i % 9)])
        .Select((document, i) => new ConversationSample($"line {i}", document.Tokens, document.Weights))];
}
