using Gemma.Cpu;
using Gemma.Generation;
using Gemma.Tests.Cpu;
using Gemma.Tests.Formats;
using Gemma.Tests.Model;

namespace Gemma.Tests.Generation;

/// <summary>Several adapters over one model: each sequence computes as if it were alone.</summary>
public class EngineAdapterTests
{
    public static TheoryData<string, WeightType> Cases
    {
        get
        {
            var data = new TheoryData<string, WeightType>();
            foreach (string model in Golden.Models)
                foreach (WeightType type in KernelSets.Types) data.Add(model, type);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Sequences_with_different_adapters_and_with_none_give_the_bits_they_give_alone(string name, WeightType type)
    {
        using GemmaModel model = Golden.Load(name, type: type, roundActivations: true);
        using GemmaAdapter all = model.LoadAdapter(Adapters.Random(model.Config, new LoraConfig { Rank = 5 }, 1));
        using GemmaAdapter some = model.LoadAdapter(Adapters.Random(model.Config, new LoraConfig { Rank = 4, Targets = [TensorRole.Key, TensorRole.Up] }, 2));
        int[] ids = Golden.Logits(name, 200).Ids;
        (int[] Prompt, GemmaAdapter? Adapter)[] sequences = [(ids[..70], null), (ids[..70], all), (ids[3..40], all), (ids[50..171], some), (ids[..1], null), (ids[100..133], some)];
        using KvCache cache = model.CreateCache(1000, KvType.Float32);
        KvSequence[] caches = [.. sequences.Select(_ => cache.CreateSequence())];
        var batch = new Batch();
        for (int i = 0; i < sequences.Length; i++) batch.Add(caches[i], sequences[i].Prompt, LogitRows.All, sequences[i].Adapter);
        Matrix values = model.Forward(batch);
        var together = new List<float>();
        for (int row = 0; row < values.Rows; row++) together.AddRange(values.Row(row));
        foreach (KvSequence sequence in caches) sequence.Dispose();

        float[] apart = [.. sequences.SelectMany(sequence => Adapters.Logits(model, sequence.Prompt, sequence.Adapter))];
        Assert.Equal(apart, together);
        float[] token = Adapters.Logits(model, ids[50..120], some, [.. Enumerable.Repeat(1, 70)]);
        Assert.Equal(Adapters.Logits(model, ids[50..120], some), token);
        Assert.NotEqual(Adapters.Logits(model, ids[50..120], null), token);
    }

    [Fact]
    public void The_prefix_cache_keeps_adapters_apart()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using GemmaAdapter first = model.LoadAdapter(Adapters.Random(model.Config, new LoraConfig { Rank = 4 }, 1)), second = model.LoadAdapter(Adapters.Random(model.Config, new LoraConfig { Rank = 4 }, 2));
        int[] ids = Golden.Logits("gemma1-mqa", 200).Ids;
        using var engine = new Engine(model, new EngineOptions { RunInBackground = false });
        using var bare = new Engine(model, new EngineOptions { RunInBackground = false, PrefixCache = false });
        foreach (GemmaAdapter? adapter in (GemmaAdapter?[])[null, first, second, first, null, second])
        {
            var options = new GenerationOptions { MaxTokens = 8, Temperature = 0, IgnoreEos = true, Adapter = adapter };
            GenerationResult shared = Answer(engine, ids, options), alone = Answer(bare, ids, options);
            Assert.Equal(alone.Ids, shared.Ids);
        }
        Assert.Equal(3, engine.Statistics.PrefixHits);
        // All at once, one waiting for nobody whose pages are not its own.
        Sequence[] sequences = [.. ((GemmaAdapter?[])[first, null, second, first]).Select(adapter => engine.Submit([.. ids, 7, 9], new GenerationOptions { MaxTokens = 4, Temperature = 0, IgnoreEos = true, Adapter = adapter }))];
        while (engine.Step())
        {
        }
        Assert.Equal(Result(sequences[0]).Ids, Result(sequences[3]).Ids);
        Assert.Equal(Answer(bare, [.. ids, 7, 9], sequences[2].Options).Ids, Result(sequences[2]).Ids);
    }

    [Fact]
    public async Task An_adapter_that_is_let_go_of_stays_for_those_who_use_it()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa"), other = Golden.Load("gemma1-mqa");
        GemmaAdapter adapter = model.LoadAdapter(Adapters.Random(model.Config, new LoraConfig { Rank = 4 }));
        int[] ids = Golden.Logits("gemma1-mqa", 200).Ids[..20];
        using var engine = new Engine(model, new EngineOptions { RunInBackground = false });
        GenerationResult expected = Answer(engine, ids, Options());
        Sequence running = engine.Submit(ids, Options());
        engine.Step();
        Assert.True(adapter.WeightBytes > 0);
        adapter.Dispose();
        Assert.True(adapter.WeightBytes > 0);
        while (engine.Step())
        {
        }
        Assert.Equal(expected.Ids, (await running.Completion).Ids);
        Assert.Equal(0, adapter.WeightBytes);
        Assert.Throws<ObjectDisposedException>(() => engine.Submit(ids, Options()));
        using GemmaAdapter foreign = other.LoadAdapter(Adapters.Random(model.Config, new LoraConfig { Rank = 4 }));
        Assert.Contains("another model", Assert.Throws<UsageException>(() => engine.Submit(ids, new GenerationOptions { Adapter = foreign })).Message, StringComparison.Ordinal);
        Assert.Throws<UsageException>(() => { _ = engine.ScoreAsync(ids, adapter: foreign); });

        GenerationOptions Options() => new() { MaxTokens = 8, Temperature = 0, IgnoreEos = true, Adapter = adapter };
    }

    private static GenerationResult Answer(Engine engine, int[] prompt, GenerationOptions options)
    {
        Sequence sequence = engine.Submit(prompt, options);
        while (engine.Step())
        {
        }
        return Result(sequence);
    }

    private static GenerationResult Result(Sequence sequence) => sequence.Completion.GetAwaiter().GetResult();
}
