using Gemma.Generation;

namespace Gemma.Tests.Model;

/// <summary>The official code's logits and greedy continuations, whatever format the weights come in.</summary>
public class GoldenTests(ITestOutputHelper output)
{
    private const float Tolerance = 1e-4f;

    public static TheoryData<string, string> Files
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach ((string model, string format) in Golden.Files) data.Add(model, format);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Logits_are_those_of_the_official_code(string name, string format)
    {
        using GemmaModel model = Golden.Load(name, format);
        foreach (int n in (int[])[1, 7, 48, 200])
        {
            (int[] ids, float[] expected) = Golden.Logits(name, n);
            float largest = Golden.LargestDifference(expected, Golden.Logits(model, ids, KvType.Float32));
            output.WriteLine(FormattableString.Invariant($"{name,-12} {format,-15} {model.Isa} n = {n,3}: largest difference of {n} × {model.Config.VocabularySize} logits {largest:E1}"));
            Assert.True(largest < Tolerance, FormattableString.Invariant($"n = {n}: a logit differs by {largest}"));
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Greedy_continuation_is_that_of_the_official_code(string name, string format)
    {
        using GemmaModel model = Golden.Load(name, format);
        (int[] prompt, int[] expected) = Golden.Greedy(name);
        using KvCache cache = model.CreateCache(prompt.Length + expected.Length, KvType.Float32);
        using KvSequence sequence = cache.CreateSequence();
        var batch = new Batch();
        int[] next = prompt;
        var actual = new List<int>();
        while (actual.Count < expected.Length)
        {
            batch.Clear();
            batch.Add(sequence, next, LogitRows.Last);
            ReadOnlySpan<float> logits = model.Forward(batch).Row(0);
            next = [Softmax.IndexOf(logits, Softmax.Maximum(logits, out _))];
            actual.AddRange(next);
        }
        Assert.Equal(expected, actual);
    }
}
