using System.Runtime.InteropServices;
using System.Text.Json;
using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Generation;

namespace Gemma.Tests.Model;

/// <summary>The tiny random models of tests/assets/golden and what the official code computed with them.</summary>
internal static class Golden
{
    public static string[] Models { get; } = [.. Directory.GetDirectories(Repository.Golden).Select(folder => Path.GetFileName(folder)).Order()];

    /// <summary>Every model in every format it comes in.</summary>
    public static IEnumerable<(string Model, string Format)> Files => Models.SelectMany(name =>
        ((string[])["fp32", "bf16", "model-f32.gguf"]).Where(format => Path.Exists(Path.Combine(Repository.Golden, name, format))).Select(format => (name, format)));

    public static GemmaModel Load(string name, string format = "fp32", WeightType type = WeightType.F32, int threads = 0,
        bool roundActivations = false)
    {
        using ModelFiles files = ModelFiles.Open(Path.Combine(Repository.Golden, name, format));
        return GemmaModel.Load(files, new LoadOptions { Type = type, Threads = threads, RoundActivations = roundActivations });
    }

    /// <summary>Ids and the logits of every position, [n, vocabulary].</summary>
    public static (int[] Ids, float[] Logits) Logits(string name, int n)
    {
        string file = Path.Combine(Repository.Golden, name, $"logits_n{n}");
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(file + ".json"));
        return (Ints(json.RootElement.GetProperty("input_ids")), MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(file + ".f32.bin")).ToArray());
    }

    public static (int[] Prompt, int[] Continuation) Greedy(string name)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Golden, name, "greedy.json")));
        return (Ints(json.RootElement.GetProperty("prompt_ids")), Ints(json.RootElement.GetProperty("generated_ids")));
    }

    /// <summary>Logits of every position, computed in passes of these sizes over one cache.</summary>
    public static float[] Logits(GemmaModel model, int[] ids, KvType type, params int[] passes)
    {
        using KvCache cache = model.CreateCache(ids.Length, type);
        using KvSequence sequence = cache.CreateSequence();
        var batch = new Batch();
        var logits = new List<float>();
        int done = 0;
        foreach (int size in passes is [] ? [ids.Length] : passes)
        {
            batch.Clear();
            batch.Add(sequence, ids.AsSpan(done, size), LogitRows.All);
            Matrix result = model.Forward(batch);
            for (int row = 0; row < result.Rows; row++) logits.AddRange(result.Row(row));
            done += size;
        }
        return [.. logits];
    }

    public static float LargestDifference(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        float largest = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            float difference = MathF.Abs(expected[i] - actual[i]);
            if (!(difference <= largest)) largest = difference; // a NaN is the largest
        }
        return largest;
    }

    public static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(item => item.GetInt32())];
}
