using Gemma.Cpu;
using Gemma.Generation;
using Gemma.Tests.Cpu;

namespace Gemma.Tests.Model;

/// <summary>How tokens are cut into passes, and what else is in a pass, changes no bit of a result.</summary>
public class BatchingTests
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
    public void Cached_decode_and_chunked_prefill_give_the_bits_of_one_pass(string name, WeightType type)
    {
        using GemmaModel model = Golden.Load(name, type: type, roundActivations: true);
        int[] ids = Golden.Logits(name, 200).Ids;
        float[] whole = Golden.Logits(model, ids, KvType.BFloat16);
        Assert.Equal(whole, Golden.Logits(model, ids, KvType.BFloat16, [.. Enumerable.Repeat(1, 200)]));
        Assert.Equal(whole, Golden.Logits(model, ids, KvType.BFloat16, 3, 1, 60, 1, 1, 100, 34));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_sequence_gives_the_same_bits_alone_and_beside_others(string name, WeightType type)
    {
        using GemmaModel model = Golden.Load(name, type: type, roundActivations: true);
        int[] ids = Golden.Logits(name, 200).Ids;
        int[][] prompts = [ids[..70], ids[3..4], ids[50..171], ids[..1], ids[100..133]];
        using KvCache cache = model.CreateCache(1000);
        KvSequence[] sequences = [.. prompts.Select(_ => cache.CreateSequence())];
        var batch = new Batch();
        for (int i = 0; i < prompts.Length; i++) batch.Add(sequences[i], prompts[i], LogitRows.All);
        float[] together = Rows(model.Forward(batch));
        float[] apart = [.. prompts.SelectMany(prompt => Golden.Logits(model, prompt, KvType.BFloat16))];
        Assert.Equal(apart, together);
        foreach (KvSequence sequence in sequences) sequence.Dispose();
        Assert.Equal(cache.Capacity / KvCache.PageTokens, cache.FreePages);
    }

    [Fact]
    public void Threads_change_no_bit()
    {
        int[] ids = Golden.Logits("gemma2-gqa", 200).Ids;
        using GemmaModel one = Golden.Load("gemma2-gqa", type: WeightType.Q8, threads: 1), all = Golden.Load("gemma2-gqa", type: WeightType.Q8);
        Assert.Equal(Golden.Logits(one, ids, KvType.BFloat16), Golden.Logits(all, ids, KvType.BFloat16));
    }

    [Fact]
    public void Contexts_of_several_spans_give_the_same_bits_in_one_pass_and_token_by_token()
    {
        // Beyond 256 positions attention works in spans, which decode shares among threads and prefill does not.
        using GemmaModel model = Golden.Load("gemma1-mqa");
        int[] ids = [.. Enumerable.Range(0, 1300).Select(i => i * 31 % 500 + 2)];
        float[] whole = Golden.Logits(model, ids, KvType.Float32);
        Assert.Equal(whole, Golden.Logits(model, ids, KvType.Float32, [.. Enumerable.Repeat(130, 9), .. Enumerable.Repeat(1, 130)]));
    }

    private static float[] Rows(Matrix matrix)
    {
        var values = new List<float>();
        for (int row = 0; row < matrix.Rows; row++) values.AddRange(matrix.Row(row));
        return [.. values];
    }
}
