using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using Gemma.Training;
using Gemma.Training.Tuning;

namespace Gemma.Tests.Training;

public class TuningDataTests
{
    [Fact]
    public void Each_epoch_gives_every_sample_once_in_an_order_of_its_own()
    {
        ImmutableArray<TuningSample> samples = Samples(50);
        var data = new TuningData(samples, new TuningDataOptions { Seed = 3, Epochs = 3 });
        List<string> seen = [];
        var batch = new TrainingBatch();
        int count = 0;
        for (; data.Next(batch, 40); count++)
        {
            Assert.True(batch.TokenCount <= 40);
            seen.AddRange(data.Documents);
        }
        Assert.Equal(0, batch.TokenCount);
        Assert.Equal(150, seen.Count);
        Assert.Equal(data.CountBatches(40), count);
        string[][] epochs = [.. seen.Chunk(50)];
        foreach (string[] epoch in epochs) Assert.Equal(samples.Select(sample => sample.Place).Order(), epoch.Order());
        Assert.NotEqual(epochs[0], epochs[1]);
        Assert.NotEqual(samples.Select(sample => sample.Place), epochs[0]);
        Assert.Equal(samples.Select(sample => sample.Place), All(new TuningData(samples, new TuningDataOptions { Shuffle = false })));
    }

    [Fact]
    public void A_position_that_was_saved_goes_on_bit_for_bit()
    {
        ImmutableArray<TuningSample> samples = Samples(20);
        var options = new TuningDataOptions { Seed = 9, Epochs = 0 };
        var whole = new TuningData(samples, options);
        var batch = new TrainingBatch();
        for (int i = 0; i < 7; i++) whole.Next(batch, 30);
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer)) whole.Save(json);
        using JsonDocument saved = JsonDocument.Parse(buffer.WrittenMemory);
        var resumed = new TuningData(samples, options);
        resumed.Restore(saved.RootElement);
        var other = new TrainingBatch();
        for (int i = 0; i < 20; i++)
        {
            Assert.True(whole.Next(batch, 30));
            Assert.True(resumed.Next(other, 30));
            Assert.Equal(whole.Documents, resumed.Documents);
            Assert.Equal(batch.Seed, other.Seed);
            Assert.Equal(batch.Inputs.Tokens.ToArray(), other.Inputs.Tokens.ToArray());
        }
        Assert.Equal(whole.Identity, resumed.Identity);
        using JsonDocument wrong = JsonDocument.Parse("""{"samples_seen": -1}""");
        Assert.Throws<GemmaException>(() => resumed.Restore(wrong.RootElement));
    }

    [Fact]
    public void Batches_have_seeds_of_their_own()
    {
        var data = new TuningData(Samples(30), new TuningDataOptions { Seed = 1 });
        var batch = new TrainingBatch();
        HashSet<ulong> seeds = [];
        while (data.Next(batch, 20)) Assert.True(seeds.Add(batch.Seed));
        Assert.True(seeds.Count > 3);
    }

    [Fact]
    public void A_sample_longer_than_a_batch_comes_alone()
    {
        var data = new TuningData(Samples(10), new TuningDataOptions { Epochs = 1 });
        var batch = new TrainingBatch();
        int count = 0;
        while (data.Next(batch, 1))
        {
            Assert.Single(data.Documents);
            count++;
        }
        Assert.Equal(10, count);
    }

    [Fact]
    public void What_is_held_out_is_learnt_by_nobody_and_is_the_same_each_time()
    {
        ImmutableArray<TuningSample> samples = Samples(100);
        (ImmutableArray<TuningSample> learnt, ImmutableArray<TuningSample> held) = TuningData.HoldOut(samples, 0.1, 5);
        Assert.Equal(10, held.Length);
        Assert.Equal(90, learnt.Length);
        Assert.Empty(learnt.Intersect(held));
        Assert.Equal(held, TuningData.HoldOut(samples, 0.1, 5).HeldOut);
        Assert.NotEqual(held, TuningData.HoldOut(samples, 0.1, 6).HeldOut);
        Assert.Single(TuningData.HoldOut(samples, 0.001, 5).HeldOut);
        Assert.Empty(TuningData.HoldOut(samples, 0, 5).HeldOut);
        Assert.Throws<UsageException>(() => TuningData.HoldOut(samples, 1, 5));
        Assert.Throws<UsageException>(() => TuningData.HoldOut(Samples(1), 0.5, 5));
    }

    [Fact]
    public void Pairs_come_with_what_the_reference_makes_of_them()
    {
        var chosen = new ConversationSample("a", [2, 3, 4], [0, 0, 1]);
        var rejected = new ConversationSample("a", [2, 3, 5], [0, 0, 1]);
        var data = new TuningData([new PreferenceSample(chosen, rejected) { ChosenReference = -1, RejectedReference = -2 }], new TuningDataOptions { Beta = 0.3f });
        var batch = new TrainingBatch();
        Assert.True(data.Next(batch, 100));
        Assert.Equal(1, batch.Weight);
        Assert.Equal(0.3f, batch.PreferenceBeta);
        Assert.Equal("0.3", data.Identity["beta"]);
        Assert.Throws<GemmaException>(() => new TuningData([]));
    }

    private static List<string> All(TuningData data)
    {
        List<string> places = [];
        var batch = new TrainingBatch();
        while (data.Next(batch, 40)) places.AddRange(data.Documents);
        return places;
    }

    private static ImmutableArray<TuningSample> Samples(int count) => [.. Enumerable.Range(0, count).Select(i =>
        new ConversationSample($"line {i}", [.. Enumerable.Range(0, 3 + i % 7).Select(j => i + j)], [.. Enumerable.Range(0, 3 + i % 7).Select(j => j > 1 ? 1f : 0)]))];
}
