using Gemma.Formats;

namespace Gemma.Tests.Formats;

/// <summary>Models of a few kilobytes, of every architecture, with random weights.</summary>
internal static class SmallModels
{
    public static GemmaConfig Config(GemmaArchitecture architecture, int width = 32, int layers = 2, int vocabulary = 12)
    {
        var config = new GemmaConfig
        {
            Architecture = architecture,
            VocabularySize = vocabulary,
            Width = width,
            LayerCount = layers,
            HeadCount = 2,
            KeyValueHeadCount = 1,
            HeadDimension = 16,
            FeedForwardWidth = 32,
            ContextLength = 64,
            QueryPreAttentionScalar = 16,
            WindowedLayers = [.. Enumerable.Repeat(false, layers)],
            EosIds = [1, 7],
        };
        return architecture switch
        {
            GemmaArchitecture.Gemma1 => config,
            GemmaArchitecture.Gemma2 => config with
            {
                AttentionSoftCap = 50,
                LogitSoftCap = 30,
                SlidingWindow = 8,
                WindowedLayers = [.. Enumerable.Range(0, layers).Select(layer => layer % 2 == 0)],
            },
            _ => config with
            {
                RopeBase = 1_000_000,
                RopeScale = 8,
                SlidingWindow = 8,
                WindowedLayers = [.. Enumerable.Range(0, layers).Select(layer => layer % 6 != 5)],
            },
        };
    }

    /// <summary>Writes a folder whose weights are the same for the same seed.</summary>
    public static void WriteFolder(string path, GemmaConfig config, TensorType type = TensorType.F32, int seed = 1, long shardBytes = 5_000_000_000,
        Func<TensorSpec, RowSource>? rows = null) => new HuggingFaceFolder
        {
            Config = config,
            Tensors = [.. TensorTable.For(config).Select(spec => TensorContent.HuggingFace(spec, type, rows?.Invoke(spec) ?? Random(spec, seed)))],
            ShardBytes = shardBytes,
        }.Write(path);

    public static void WriteGguf(string path, GemmaConfig config, TensorType type = TensorType.F32, int seed = 1) =>
        GgufWriter.Write(path, GgufModel.Metadata(path, "small", config), [.. TensorTable.For(config).Select(spec => TensorContent.Gguf(spec, type, spec.IsNorm ? Gain(spec, seed) : Random(spec, seed)))]);

    /// <summary>Rows of numbers in −1 … 1.</summary>
    public static RowSource Random(TensorSpec spec, int seed) => (row, destination) =>
    {
        var random = new Random(HashCode(spec.GgufName) ^ (int)row * 7919 ^ seed);
        foreach (ref float value in destination) value = random.NextSingle() * 2 - 1;
    };

    private static RowSource Gain(TensorSpec spec, int seed) => (row, destination) =>
    {
        Random(spec, seed)(row, destination);
        foreach (ref float value in destination) value += 1;
    };

    /// <summary>The same in every process, unlike that of strings.</summary>
    private static int HashCode(string text) => text.Aggregate(17, (hash, letter) => unchecked(hash * 31 + letter));
}
