using System.Globalization;
using Gemma.Cpu;
using Gemma.Generation;

namespace Gemma.Benchmarks;

/// <summary>
/// Time to the first token of a synthetic model, <c>prefix [preset] [f32|bf16|q8|q4] [prefix tokens] [own tokens]</c>: of a prompt that is new, of one that begins
/// as that one did, and of the second one's own end alone.
/// </summary>
internal static class Prefixes
{
    public static int Run(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        GemmaConfig config = GemmaConfig.Presets[args.ElementAtOrDefault(1) ?? "gemma-2b"];
        WeightType type = Enum.Parse<WeightType>(args.ElementAtOrDefault(2) ?? "q8", ignoreCase: true);
        int prefix = int.Parse(args.ElementAtOrDefault(3) ?? "2000", CultureInfo.InvariantCulture), own = int.Parse(args.ElementAtOrDefault(4) ?? "32", CultureInfo.InvariantCulture);
        using GemmaModel model = GemmaModel.Synthetic(config, new LoadOptions { Type = type, RoundActivations = true });
        using var engine = new Engine(model);
        Console.WriteLine($"{model.WeightType}, {model.Threads} threads, {model.Kernels}, page of {engine.Cache.PageBytes / 1e6:F2} MB");
        First("warm-up", 0, 64);
        for (int round = 0; round < 3; round++)
        {
            First("new", 10 * round + 1, prefix, own, 10 * round + 2);
            First("begins alike", 10 * round + 1, prefix, own, 10 * round + 3);
            First("its own end alone", 10 * round + 4, own + prefix % KvCache.PageTokens);
        }
        Console.WriteLine($"{engine.Statistics}");
        return 0;

        void First(string what, int seed, int length, int more = 0, int seedOfMore = 0)
        {
            int[] prompt = [.. Ids(seed, length), .. Ids(seedOfMore, more)];
            GenerationResult result = engine.Submit(prompt, GenerationOptions.Greedy with { MaxTokens = 1 }).Completion.GetAwaiter().GetResult();
            Console.WriteLine($"{what,-18} {prompt.Length,5} tokens, {result.CachedPromptTokens,5} cached: first token after {1000 * result.TimeToFirstTokenSeconds,8:F1} ms");
        }

        IEnumerable<int> Ids(int seed, int count)
        {
            var random = new Random(seed);
            return Enumerable.Range(0, count).Select(_ => random.Next(config.VocabularySize)).ToArray();
        }
    }
}
