using System.Globalization;
using Gemma.Cpu;
using Gemma.Generation;

namespace Gemma.Benchmarks;

/// <summary>
/// What weights of fewer bits cost: <c>quality MODEL TEXT [FILE…]</c>. Every type the model can be kept in, and files that others made of the same weights, beside
/// the model in fp32: Kullback–Leibler divergence of each next-token distribution, and perplexity. A file is computed twice: its numbers exactly in fp32, and as
/// it runs by default.
/// </summary>
/// <remarks>
/// The text is cut and scored as llama.cpp's <c>llama-perplexity --kl-divergence</c> does it, so that its figures can stand beside these: pieces as long as the
/// context, the first token of each replaced by &lt;bos&gt;, and only the second half of each scored.
/// </remarks>
internal static class Quality
{
    private const int LongestPiece = 512, MostPieces = 100;

    public static int Run(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        if (args.Length < 3)
        {
            Console.Error.WriteLine("expected: quality MODEL TEXT [FILE…]");
            return 2;
        }
        using GemmaModel exact = GemmaModel.Load(args[1], new LoadOptions { Type = WeightType.F32 });
        int[] ids = [exact.Config.BosId, .. exact.Tokenizer!.Encode(File.ReadAllText(args[2]))];
        int length = Math.Min(LongestPiece, exact.Config.ContextLength);
        int[][] pieces = [.. ids.Chunk(length).Where(piece => piece.Length == length).Take(MostPieces)];
        foreach (int[] piece in pieces) piece[0] = exact.Config.BosId;
        Console.WriteLine($"{pieces.Length} pieces of {length} tokens of {ids.Length}");
        Console.WriteLine($"{"weights",-44} {"bits",5} {"perplexity",10} {"KL mean",10} {"± error",10} {"median",10} {"99 %",10} {"largest",10} {"same best",9}");
        Measure("f32", args[1], new LoadOptions { Type = WeightType.F32 });
        Measure("bf16", args[1], new LoadOptions { Type = WeightType.BF16 });
        Measure("bf16, rounded activations", args[1], new LoadOptions { Type = WeightType.BF16, RoundActivations = true });
        Measure("q8", args[1], new LoadOptions { Type = WeightType.Q8 });
        Measure("q4, q8 head", args[1], new LoadOptions { Type = WeightType.Q4, HeadType = WeightType.Q8 });
        Measure("q4, q4 head", args[1], new LoadOptions { Type = WeightType.Q4, HeadType = WeightType.Q4 });
        if (TensorTable.For(exact.Config).All(spec => spec.IsNorm || spec.Columns % 256 == 0))
        {
            Measure("q6_k", args[1], new LoadOptions { Type = WeightType.Q6_K });
            Measure("q4_k_m", args[1], new LoadOptions { Type = WeightType.Q4_K });
        }
        foreach (string file in args[3..])
        {
            Measure($"{Path.GetFileName(file)} exactly in fp32", file, new LoadOptions { Type = WeightType.F32 });
            Measure($"{Path.GetFileName(file)} as it runs", file, new LoadOptions());
        }
        return 0;

        void Measure(string name, string path, LoadOptions options)
        {
            using GemmaModel model = GemmaModel.Load(path, options);
            using KvCache exactCache = exact.CreateCache(length, KvType.Float32), cache = model.CreateCache(length, KvType.Float32);
            List<double> divergences = [];
            double loss = 0;
            int same = 0;
            double[] p = new double[exact.Config.VocabularySize], q = new double[exact.Config.VocabularySize];
            foreach (int[] piece in pieces)
            {
                Matrix expected = Logits(exact, exactCache, piece), actual = Logits(model, cache, piece);
                for (int i = length / 2; i < length - 1; i++)
                {
                    LogProbabilities(expected.Row(i), p);
                    LogProbabilities(actual.Row(i), q);
                    double divergence = 0;
                    int best = 0, found = 0;
                    for (int id = 0; id < p.Length; id++)
                    {
                        divergence += Math.Exp(p[id]) * (p[id] - q[id]);
                        if (p[id] > p[best]) best = id;
                        if (q[id] > q[found]) found = id;
                    }
                    divergences.Add(divergence);
                    loss -= q[piece[i + 1]];
                    if (best == found) same++;
                }
            }
            divergences.Sort();
            int count = divergences.Count;
            double mean = divergences.Average(), error = Math.Sqrt(divergences.Sum(value => (value - mean) * (value - mean)) / count / count);
            Console.WriteLine($"{name,-44} {8.0 * model.WeightBytes / model.Config.ParameterCount,5:F2} {Math.Exp(loss / count),10:F4} {mean,10:F6} {error,10:F6} {divergences[count / 2],10:F6} {divergences[count * 99 / 100],10:F6} {divergences[^1],10:F6} {100.0 * same / count,7:F2} %");
        }
    }

    private static Matrix Logits(GemmaModel model, KvCache cache, int[] ids)
    {
        using KvSequence sequence = cache.CreateSequence();
        var batch = new Batch();
        batch.Add(sequence, ids, LogitRows.All);
        return model.Forward(batch);
    }

    private static void LogProbabilities(ReadOnlySpan<float> logits, double[] result)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits) largest = Math.Max(largest, logit);
        foreach (float logit in logits) sum += Math.Exp(logit - largest);
        double normaliser = largest + Math.Log(sum);
        for (int i = 0; i < logits.Length; i++) result[i] = logits[i] - normaliser;
    }
}
