using System.Globalization;
using Gemma.Cpu;
using Gemma.Generation;

namespace Gemma.Benchmarks;

/// <summary>
/// What guessing ahead brings: <c>drafts [preset] [f32|bf16|q8|q4] [sequences]</c> with answers of a synthetic model that repeat themselves to an adjustable degree, or
/// <c>drafts FOLDER TEXT…</c> with a model's greedy and sampled continuations of text files. Ways take turns, as the machine's speed drifts.
/// </summary>
internal static class Drafts
{
    private static readonly (string Name, int? DraftTokens)[] Ways = [("off", 0), ("auto", null), ("7", 7)];

    public static int Run(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        string name = args.ElementAtOrDefault(1) ?? "gemma-2b";
        if (Directory.Exists(name))
        {
            using GemmaModel loaded = GemmaModel.Load(name);
            using var reader = new Engine(loaded);
            foreach (string file in args[2..])
            {
                int[] prompt = [loaded.Config.BosId, .. loaded.Tokenizer!.Encode(File.ReadAllText(file))];
                foreach (float temperature in (float[])[0, 0.8f])
                    Compare(reader, $"{Path.GetFileName(file)}, temperature {temperature}", prompt, new GenerationOptions { Temperature = temperature, Seed = 1, IgnoreEos = true }, 9);
            }
            return 0;
        }

        WeightType type = Enum.Parse<WeightType>(args.ElementAtOrDefault(2) ?? "q8", ignoreCase: true);
        using GemmaModel model = GemmaModel.Synthetic(GemmaConfig.Presets[name], new LoadOptions { Type = type, RoundActivations = true });
        using var engine = new Engine(model);
        int count = int.Parse(args.ElementAtOrDefault(3) ?? "1", CultureInfo.InvariantCulture);
        var random = new Random(1);
        int[] ids = [2, .. Enumerable.Range(0, 255).Select(_ => random.Next(model.Config.VocabularySize))];
        // One id to choose from makes every guess right, two of them that are about as probable every other one.
        foreach (int choices in (int[])[1, 2, 3, 0])
        {
            var options = new GenerationOptions
            {
                MaxTokens = 64,
                IgnoreEos = true,
                Seed = 1,
                Temperature = choices == 0 ? 1 : 50,
                LogitBias = choices == 0 ? null : Enumerable.Range(1000, choices).ToDictionary(id => id, _ => 1e6f),
            };
            Compare(engine, choices == 0 ? "its own" : $"{choices} to choose from", ids, options, 3, count);
        }
        return 0;
    }

    /// <summary>As many sequences as given at once, each with a seed of its own.</summary>
    private static void Compare(Engine engine, string what, int[] prompt, GenerationOptions options, int rounds, int count = 1)
    {
        var seconds = new List<double>[Ways.Length];
        var results = new GenerationResult[Ways.Length][];
        for (int i = 0; i < Ways.Length; i++) seconds[i] = [];
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < Ways.Length; i++)
            {
                Sequence[] sequences = [.. Enumerable.Range(0, count).Select(k => engine.Submit(prompt, options with { DraftTokens = Ways[i].DraftTokens, Seed = options.Seed + (ulong)k }))];
                results[i] = [.. sequences.Select(sequence => sequence.Completion.GetAwaiter().GetResult())];
                for (int k = 0; k < count; k++)
                    if (!results[i][k].Ids.SequenceEqual(results[0][k].Ids)) throw new InvalidOperationException($"{Ways[i].Name} gives another answer");
                seconds[i].Add(results[i].Max(result => result.DecodeSeconds));
            }
        }
        double Median(int i) => seconds[i].Order().ElementAt(rounds / 2);
        for (int i = 0; i < Ways.Length; i++)
        {
            int generated = results[i].Sum(result => result.GeneratedTokens - 1), drafted = results[i].Sum(result => result.DraftedTokens), accepted = results[i].Sum(result => result.AcceptedTokens);
            Console.WriteLine($"{what,-28} {Ways[i].Name,4}: {generated / Median(i),8:F1} tok/s, x {Median(0) / Median(i):F2}, {accepted,4} of {drafted,4} guesses right, {generated} tokens");
        }
    }
}
