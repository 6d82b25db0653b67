using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Generation;

namespace Gemma.Tests.Formats;

/// <summary>Adapters of random numbers that change what a model says.</summary>
internal static class Adapters
{
    public static LoraAdapter Random(GemmaConfig model, LoraConfig config, int seed = 1)
    {
        var random = new Random(seed);
        return new LoraAdapter(config, TensorTable.For(model).Where(spec => config.Targets.Contains(spec.Role)).ToDictionary(spec => spec, spec =>
            new LowRankMatrix(config.Rank, Numbers(config.Rank * spec.Columns, 1 / MathF.Sqrt(spec.Columns)), Numbers(spec.Rows * config.Rank, 0.3f), config.ScaleOf(config.Rank))));

        float[] Numbers(int count, float size) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle() - 1) * size)];
    }

    /// <summary>Logits of every position, in passes of these sizes.</summary>
    public static float[] Logits(GemmaModel model, int[] ids, GemmaAdapter? adapter, params int[] passes)
    {
        using KvCache cache = model.CreateCache(ids.Length, KvType.Float32);
        using KvSequence sequence = cache.CreateSequence();
        var batch = new Batch();
        var logits = new List<float>();
        int done = 0;
        foreach (int size in passes is [] ? [ids.Length] : passes)
        {
            batch.Clear();
            batch.Add(sequence, ids.AsSpan(done, size), LogitRows.All, adapter);
            Matrix result = model.Forward(batch);
            for (int row = 0; row < result.Rows; row++) logits.AddRange(result.Row(row));
            done += size;
        }
        return [.. logits];
    }
}
