using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Generation;
using Gemma.Tests.Formats;

namespace Gemma.Tests.Model;

/// <summary>GGUF files whose tensors are of several quantised types, such as those called Q4_K_M, computed with as they are.</summary>
public sealed class BlockWeightsTests : IDisposable
{
    private static readonly GemmaConfig Config = SmallModels.Config(GemmaArchitecture.Gemma2, width: 256, layers: 4, vocabulary: 90) with
    {
        HeadDimension = 128,
        FeedForwardWidth = 512,
        QueryPreAttentionScalar = 128,
        ContextLength = 256,
    };

    private static readonly int[] Ids = [.. Enumerable.Range(0, 60).Select(i => i * 37 % 90)];

    private readonly TemporaryFolder _temporary = new();

    /// <summary>Files of one type but for what is said, and the types that matrices then have in memory.</summary>
    public static TheoryData<TensorType, string> Mixes => new()
    {
        { TensorType.Q4_K, "" },
        { TensorType.Q6_K, "" },
        { TensorType.Q4_K, "Embedding Q6_K, Value Q6_K, Down Q6_K" },
        { TensorType.Q4_K, "Key Q8_0, Value Q4_0, Up Q6_K" },
        { TensorType.Q8_0, "Gate Q4_0, Query BF16, Embedding F32" },
        { TensorType.Q4_0, "Embedding Q6_K" },
    };

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [MemberData(nameof(Mixes))]
    public void Logits_are_those_of_the_files_numbers_but_for_activations_of_8_bits(TensorType type, string others)
    {
        string file = Write(type, others);
        using GemmaModel native = GemmaModel.Load(file), exact = GemmaModel.Load(file, new LoadOptions { Type = WeightType.F32 });
        Assert.Equal(InFile(file).Order(), native.WeightTypes.Order());
        Assert.Equal([WeightType.F32], exact.WeightTypes);
        Assert.True(native.RoundsActivations);
        float[] expected = Golden.Logits(exact, Ids, KvType.Float32), actual = Golden.Logits(native, Ids, KvType.Float32);
        double error = Math.Sqrt(expected.Zip(actual, (x, y) => Math.Pow((double)x - y, 2)).Sum() / expected.Sum(x => Math.Pow(x, 2)));
        Assert.InRange(error, 1e-5, 0.02);
    }

    [Theory]
    [MemberData(nameof(Mixes))]
    public void How_tokens_are_cut_into_passes_and_what_is_beside_them_changes_no_bit(TensorType type, string others)
    {
        using GemmaModel model = GemmaModel.Load(Write(type, others)), one = GemmaModel.Load(Write(type, others), new LoadOptions { Threads = 1 });
        float[] whole = Golden.Logits(model, Ids, KvType.BFloat16);
        Assert.Equal(whole, Golden.Logits(model, Ids, KvType.BFloat16, [.. Enumerable.Repeat(1, Ids.Length)]));
        Assert.Equal(whole, Golden.Logits(one, Ids, KvType.BFloat16, 3, 1, 40, 1, 15));
        int[][] prompts = [Ids[..20], Ids[3..4], Ids[10..51]];
        using KvCache cache = model.CreateCache(300);
        KvSequence[] sequences = [.. prompts.Select(_ => cache.CreateSequence())];
        var batch = new Batch();
        for (int i = 0; i < prompts.Length; i++) batch.Add(sequences[i], prompts[i], LogitRows.All);
        Matrix together = model.Forward(batch);
        float[] rows = [.. Enumerable.Range(0, together.Rows).SelectMany(row => together.Row(row).ToArray())];
        Assert.Equal([.. prompts.SelectMany(prompt => Golden.Logits(model, prompt, KvType.BFloat16))], rows);
        foreach (KvSequence sequence in sequences) sequence.Dispose();
    }

    [Fact]
    public void A_type_that_is_asked_for_counts_for_every_matrix()
    {
        string file = Write(TensorType.Q4_K, "Embedding Q6_K, Value Q8_0");
        using GemmaModel eight = GemmaModel.Load(file, new LoadOptions { Type = WeightType.Q8 }), mixed = GemmaModel.Load(file, new LoadOptions { Type = WeightType.Q4_K });
        Assert.Equal([WeightType.Q8], eight.WeightTypes);
        Assert.Equal([WeightType.Q4_K, WeightType.Q6_K], mixed.WeightTypes.Order());
    }

    [Fact]
    public void Weights_quantised_in_memory_are_those_of_the_file_that_is_quantised_on_disk()
    {
        string file = Write(TensorType.F32, ""), quantised = _temporary["q4km.gguf"];
        ModelConverter.Convert(file, quantised, new ConvertOptions { Type = TensorType.Q4_K });
        using GemmaModel memory = GemmaModel.Load(file, new LoadOptions { Type = WeightType.Q4_K }), disk = GemmaModel.Load(quantised);
        Assert.Equal([WeightType.Q4_K, WeightType.Q6_K], disk.WeightTypes.Order());
        Assert.Equal(Golden.Logits(memory, Ids, KvType.Float32), Golden.Logits(disk, Ids, KvType.Float32));
    }

    [Theory]
    [InlineData(TensorType.Q4_K, 0)]
    [InlineData(TensorType.Q4_K, 2)]
    [InlineData(TensorType.Q6_K, 208)]
    [InlineData(TensorType.Q8_0, 0)]
    [InlineData(TensorType.Q4_0, 0)]
    public void A_damaged_scale_is_told_with_its_place(TensorType type, int offset)
    {
        string file = Write(type, "");
        long at;
        using (ModelFiles files = ModelFiles.Open(file))
        {
            TensorInfo tensor = files.Find(TensorTable.For(Config).First(spec => spec is { Role: TensorRole.Up, Layer: 2 }));
            at = tensor.Offset + 6L * tensor.RowLength - type.BlockBytes() + offset;
        }
        using (FileStream stream = File.OpenWrite(file))
        {
            stream.Position = at;
            stream.Write(BitConverter.GetBytes(Half.NaN));
        }
        var failure = Assert.Throws<BadFileException>(() => GemmaModel.Load(file));
        Assert.Contains("blk.2.ffn_up.weight row 5: expected numbers, found NaN or infinity", failure.Message, StringComparison.Ordinal);
        Assert.Equal(failure.Message, Assert.Throws<BadFileException>(() => GemmaModel.Load(file, new LoadOptions { Type = WeightType.F32 })).Message);
    }

    private static IEnumerable<WeightType> InFile(string file)
    {
        using ModelFiles files = ModelFiles.Open(file);
        return [.. TensorTable.For(Config).Where(spec => !spec.IsNorm).Select(spec => WeightTypes.Nearest(files.Find(spec).Type)).Distinct()];
    }

    private string Write(TensorType type, string others)
    {
        Dictionary<TensorRole, TensorType> types = others.Split(", ", StringSplitOptions.RemoveEmptyEntries).Select(other => other.Split(' '))
            .ToDictionary(pair => Enum.Parse<TensorRole>(pair[0]), pair => Enum.Parse<TensorType>(pair[1]));
        string path = _temporary[$"{type} {others}.gguf"];
        // The first two layers are all of one type.
        TensorType TypeOf(TensorSpec spec) => spec.Layer is not (0 or 1) && types.TryGetValue(spec.Role, out TensorType other) ? other : type;
        GgufWriter.Write(path, GgufModel.Metadata(path, "small", Config), [.. TensorTable.For(Config).Select(spec => TensorContent.Gguf(spec, TypeOf(spec), (row, destination) =>
        {
            SmallModels.Random(spec, 1)(row, destination);
            foreach (ref float value in destination) value = spec.IsNorm ? 1 + value / 8 : value * MathF.Sqrt(3f / spec.Columns);
        }))], new WriteOptions { Force = true });
        return path;
    }
}
