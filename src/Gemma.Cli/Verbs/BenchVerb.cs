using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Gemma.Cpu;
using Gemma.Formats;

namespace Gemma.Cli.Verbs;

/// <summary>How fast a model is on this machine, beside what the memory allows.</summary>
internal sealed class BenchVerb : Verb
{
    private readonly Option<string?> _synthetic = new("--synthetic") { Description = "Random weights in the shape of this model: " + string.Join(", ", GemmaConfig.Presets.Keys) + ".", HelpName = "SHAPE" };
    private readonly Option<string?> _save = new("--save") { Description = "Write the synthetic model to this .gguf file first, for other programs.", HelpName = "FILE" };
    private readonly Option<string?> _prompt = new("--prompt") { Description = "Tokens of the prompt (512, or three quarters of a shorter context).", HelpName = "N" };
    private readonly Option<string?> _generate = new("--generate") { Description = "Tokens generated (64, or a quarter of a shorter context).", HelpName = "N" };
    private readonly Option<string?> _batch = new("--batch") { Description = "Prompts at once (1).", HelpName = "B" };
    private readonly Option<string?> _repeat = new("--repeat") { Description = "Runs; what counts is the median of each figure (1).", HelpName = "R" };

    public BenchVerb() : base("bench", "Measure prefill and decode, time to first token and memory, beside the memory bandwidth measured in the same run. One short run before it warms up.",
        "gemma bench",
        "gemma bench -m gemma-1.1-2b-it --quant q8 --threads 8",
        "gemma bench --synthetic gemma-2b --quant q4 --json",
        "gemma bench --synthetic gemma-2b --quant q4_k_m --save gemma-2b-Q4_K_M.gguf")
    {
        AddFlags([.. Flags.Model, _synthetic, _save, _prompt, _generate, _batch, _repeat, Flags.Force]);
    }

    public override async Task<int> RunAsync(Invocation call)
    {
        int? prompt = Count(call, _prompt, 1), generate = Count(call, _generate, 0), batch = Count(call, _batch, 1), repeat = Count(call, _repeat, 1);
        GemmaConfig? shape = Shape(call);
        if (call.Get(_save) is string file) Save(call, shape ?? throw new UsageException("--save: expected --synthetic with it; gemma convert and gemma quantize write models that exist"), file);

        long start = Stopwatch.GetTimestamp();
        using GemmaModel model = shape is null ? await ModelSource.LoadAsync(call).ConfigureAwait(false) : Synthetic(call, shape);
        double loadSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        int context = model.Config.ContextLength;
        var plan = new BenchPlan(prompt ?? Math.Min(512, context * 3 / 4), generate ?? Math.Min(64, context / 4), batch ?? 1, repeat ?? 1);
        BenchReport report = Measure(call, model, plan) with
        {
            Model = shape is null ? ModelSource.Name(call) : $"{call.Get(_synthetic)} (synthetic)",
            LoadSeconds = loadSeconds,
        };
        if (call.Screen.Json) call.Screen.WriteJson(report.WriteJson);
        else call.Screen.Render(report.Render());
        return 0;
    }

    private static BenchReport Measure(Invocation call, GemmaModel model, BenchPlan plan)
    {
        if (plan.PromptTokens + plan.GeneratedTokens > model.Config.ContextLength)
        {
            throw new UsageException(string.Create(CultureInfo.InvariantCulture,
                $"--prompt {plan.PromptTokens} and --generate {plan.GeneratedTokens} together do not fit into the context of {model.Config.ContextLength} tokens; shorten one"));
        }
        return call.Screen.Watch("measuring", null, progress =>
        {
            plan.WarmUp.Run(model, call.Cancellation);
            List<BenchRun> runs = [];
            // Measured beside every run: on a machine that others use too, the ceiling moves.
            List<double> bandwidths = [];
            long peak = 0;
            for (int i = 0; i < plan.Repeat; i++)
            {
                progress.Report((i + 0.1) / plan.Repeat);
                runs.Add(plan.Run(model, call.Cancellation));
                // Before the bandwidth is measured, which takes half a gigabyte of its own.
                if (i == 0) peak = PeakMemory();
                bandwidths.Add(MemoryBandwidth.Measure(model.Threads));
            }
            return new BenchReport(model, plan, runs) { PeakMemoryBytes = peak, BandwidthBytesPerSecond = BenchReport.Median(bandwidths) };
        });
    }

    private static GemmaModel Synthetic(Invocation call, GemmaConfig shape)
    {
        var options = new LoadOptions { Type = call.Value(Setting.Quant), HeadType = call.Value(Setting.Head), Threads = ModelSource.Threads(call), RoundActivations = true };
        return call.Screen.Watch("making weights", null, progress => GemmaModel.Synthetic(shape, options with { Progress = progress }));
    }

    /// <summary>The weights that <see cref="GemmaModel.Synthetic"/> computes with, in the file's nearest type.</summary>
    private static void Save(Invocation call, GemmaConfig shape, string file)
    {
        if (!file.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)) throw new UsageException($"{file}: expected the name of a .gguf file");
        if (call.Value(Setting.Head) is not null) throw new UsageException("--save: expected no --head with it; the file gets the head that goes with --quant");
        TensorType type = WeightTypes.InFiles(call.Value(Setting.Quant) ?? WeightType.BF16);
        var options = new WriteOptions { Force = call.Get(Flags.Force), Threads = call.Value(Setting.Threads) ?? 0 };
        call.Screen.Watch("saving", null, progress =>
        {
            SyntheticGguf.Write(file, shape, type, options with { Progress = progress }, call.Cancellation);
            return true;
        });
        call.Screen.Note($"{file}: {Conversion.Name(type)}, {Amount.Bytes(new FileInfo(file).Length)}");
    }

    private GemmaConfig? Shape(Invocation call)
    {
        if (call.Get(_synthetic) is not string name) return null;
        if (call.Get(Setting.Model.Flag) is not null) throw new UsageException("--model and --synthetic are two models; leave one out");
        return GemmaConfig.Presets.TryGetValue(name, out GemmaConfig? shape) ? shape
            : throw new UsageException($"--synthetic: expected {string.Join(", ", GemmaConfig.Presets.Keys)}, found '{name}'{Spelling.Suggest(name, GemmaConfig.Presets.Keys)}");
    }

    private static int? Count(Invocation call, Option<string?> flag, int least)
    {
        if (call.Get(flag) is not string text) return null;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= least ? value
            : throw new UsageException($"{flag.Name}: expected a whole number from {least}, found '{text}'");
    }

    private static long PeakMemory()
    {
        using var process = Process.GetCurrentProcess();
        return Math.Max(process.PeakWorkingSet64, process.WorkingSet64);
    }
}
