using Gemma.Formats;
using Gemma.Tests.Formats;
using Gemma.Training;

namespace Gemma.Tests.Training;

/// <summary>Small models of every generation and documents for them.</summary>
internal static class TrainingCases
{
    /// <summary>A model small enough to check each parameter; its soft caps and windows are felt.</summary>
    public static GemmaConfig Config(GemmaArchitecture architecture, int vocabulary = 19, int layers = 2)
    {
        GemmaConfig config = SmallModels.Config(architecture, layers: layers, vocabulary: vocabulary);
        config = architecture switch
        {
            GemmaArchitecture.Gemma1 => config,
            GemmaArchitecture.Gemma2 => config with { AttentionSoftCap = 1.5f, LogitSoftCap = 2, SlidingWindow = 5 },
            _ => config with { SlidingWindow = 5, HeadCount = 4, KeyValueHeadCount = 2, WindowedLayers = [.. Enumerable.Range(0, layers).Select(layer => layer % 2 == 0)] },
        };
        config.Validate("test");
        return config;
    }

    /// <summary>Parameters whose size and gains are such that each has a part in the loss.</summary>
    public static ParameterSet Parameters(GemmaConfig config, ulong seed = 1)
    {
        var parameters = new ParameterSet(config);
        parameters.Initialize(seed, 0.3f);
        var random = new Random((int)seed);
        foreach (Parameter parameter in parameters.Parameters.Where(parameter => parameter.Spec.IsNorm))
            foreach (ref float gain in parameter.Values) gain = 0.5f + random.NextSingle();
        parameters.MarkChanged();
        return parameters;
    }

    /// <summary>The weights of a golden model.</summary>
    public static ParameterSet Golden(string model)
    {
        using ModelFiles files = ModelFiles.Open(Path.Combine(Repository.Golden, model, "fp32"));
        var parameters = new ParameterSet(files.Config);
        foreach (Parameter parameter in parameters.Parameters)
            for (int row = 0; row < parameter.Spec.Rows; row++) files.ReadRow(parameter.Spec, row, parameter.Values.Slice(row * parameter.Spec.Columns, parameter.Spec.Columns));
        parameters.MarkChanged();
        return parameters;
    }

    public static (int[] Tokens, float[] Weights)[] Documents(GemmaConfig config, int seed, params int[] lengths)
    {
        var random = new Random(seed);
        return [.. lengths.Select(length => (Enumerable.Range(0, length).Select(_ => random.Next(config.VocabularySize)).ToArray(),
            Enumerable.Range(0, length).Select(i => i % 5 == 3 ? 0 : 0.5f + random.NextSingle()).ToArray()))];
    }

    public static TrainingBatch Batch(IEnumerable<(int[] Tokens, float[] Weights)> documents)
    {
        var batch = new TrainingBatch();
        foreach ((int[] tokens, float[] weights) in documents) batch.Add(tokens, weights);
        return batch;
    }

    public static float[] Gradients(ParameterSet parameters)
    {
        float[] all = new float[parameters.Count];
        foreach (Parameter parameter in parameters.Parameters) parameter.Gradients.CopyTo(all.AsSpan((int)parameter.Offset));
        return all;
    }

    /// <summary>‖x − y‖ / ‖x‖.</summary>
    public static double RelativeError(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        double difference = 0, whole = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            difference += Math.Pow((double)expected[i] - actual[i], 2);
            whole += Math.Pow(expected[i], 2);
        }
        return Math.Sqrt(difference / whole);
    }
}
