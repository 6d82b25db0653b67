using System.Collections;
using System.Globalization;
using System.Runtime.InteropServices;
using Gemma.Cpu;
using Gemma.Hub;
using Spectre.Console;

namespace Gemma.Cli.Verbs;

/// <summary>What the program finds on this machine, what is wrong, and what helps.</summary>
internal sealed class DoctorVerb : Verb
{
    private const long LittleMemory = 2L << 30;

    private readonly List<Finding> _findings = [];

    public DoctorVerb() : base("doctor", "Look at this machine: processor, kernels in use and why, memory, cache, settings; what is wrong, and what helps. Exits with 1 where something is broken.",
        "gemma doctor", "gemma doctor --json")
    { }

    private enum Grade
    {
        Good,
        Poor,
        Broken,
    }

    private sealed record Finding(string Name, string Value, Grade Grade, string? Remedy);

    public override Task<int> RunAsync(Invocation call)
    {
        Add("version", $"gemma {VersionText.Version}, {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture}");
        LookAtProcessor();
        LookAtMemory();
        LookAtHub();
        LookAtPackedWeights(call);
        LookAtSettings();
        if (call.Screen.Json) WriteJson(call.Screen);
        else Show(call.Screen);
        return Task.FromResult(_findings.Any(finding => finding.Grade == Grade.Broken) ? Failure.ExitCode : 0);
    }

    private void LookAtThreads()
    {
        int used = Environment.ProcessorCount, there = Machine.Processors ?? used;
        double? quota = ProcessorQuota.Current;
        string why = Environment.GetEnvironmentVariable("DOTNET_PROCESSOR_COUNT") is string count ? $"DOTNET_PROCESSOR_COUNT is {count}"
            : quota < there ? Invariant($"the container's quota is {quota:0.##}")
            : used < there ? "this process is bound to no more (taskset, cpuset)" : "no quota";
        Add("processors", Invariant($"{used} in use of {there}: {why}"));
        string value = Invariant($"{used} by default, one for each processor in use; waiting, they spin for {ThreadTeam.Spin.TotalMicroseconds:0} µs, then sleep");
        // What runs on more threads than that is stopped for the rest of each period, all of it at once.
        if (quota is double share && Math.Ceiling(share) < used) Add("threads", value, Grade.Poor, Invariant($"set --threads {Math.Ceiling(share)}: the quota is less than the processors in use"));
        else Add("threads", value);
    }

    private void LookAtProcessor()
    {
        Add("processor", Machine.ProcessorName);
        LookAtThreads();
        Try("kernels", () =>
        {
            Isa isa = IsaSelection.Current;
            string? switched = string.Join(", ", Variables("DOTNET_Enable").Concat(Variables("COMPlus_Enable")).Where(pair => pair.Value == "0").Select(pair => $"{pair.Name}=0")) is { Length: > 0 } names ? names : null;
            string value = $"{isa}: {IsaSelection.Reason}";
            if (isa < IsaSelection.Best) Add("kernels", value, Grade.Poor, $"unset {IsaSelection.Variable} for the fastest kernels");
            else if (switched is not null) Add("kernels", $"{value}; {switched} switches instruction sets off", Grade.Poor, "unset it for the fastest kernels");
            else Add("kernels", value);
        });
        if (ProcessorPrograms.Refusal is string refusal) Add("program", $"compiled for {ProcessorPrograms.Level}; {refusal}", Grade.Poor, "allow programs in memory (memfd), or use the program with the runtime inside");
        else if (ProcessorPrograms.Level is string level) Add("program", $"compiled ahead of time for {level}");
        Add("graphics card", "not used by this version: everything runs on the processor");
        double bandwidth = MemoryBandwidth.Measure();
        Add("memory bandwidth", Invariant($"{Amount.Bytes(bandwidth)}/s reading; a model of 2.5 GB in memory gives at most {Amount.Rate(bandwidth / 2.5e9)}"));
    }

    private void LookAtMemory()
    {
        long? free = Machine.FreeMemory;
        string value = Invariant($"{Amount.Bytes(Machine.Memory)} for this process{(free is long bytes ? $", {Amount.Bytes(bytes)} free" : "")}");
        if ((free ?? Machine.Memory) < LittleMemory) Add("memory", value, Grade.Poor, "close other programs, or keep to small models and --quant q4");
        else Add("memory", value);
        switch (Machine.HugePages)
        {
            case null: break;
            case "never": Add("huge pages", "never", Grade.Poor, "weights in large pages are read faster: echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"); break;
            case string mode: Add("huge pages", mode); break;
        }
    }

    private void LookAtHub() => Try("hub", () =>
    {
        var options = HubOptions.FromEnvironment();
        Add("hub", $"{options.Endpoint}{(options.Offline ? ", offline" : "")}");
        Add("token", options.TokenSource is string source ? $"from {source}" : "none: models under a licence need one (HF_TOKEN)");
        var cache = new ModelCache(options);
        IReadOnlyList<CachedModel> models = cache.List();
        string value = Invariant($"{cache.Folder}: {models.Count} models, {Amount.Bytes(models.Sum(model => (double)model.Bytes))}");
        if (Directory.Exists(cache.Folder)) value += $", {Amount.Bytes(new DriveInfo(cache.Folder).AvailableFreeSpace)} free on the disk";
        string[] partial = [.. models.Where(model => model.Revisions.Count == 0 || model.PartialBytes > 0).Select(model => model.Repository)];
        if (partial.Length > 0) Add("cache", $"{value}; only in part: {string.Join(", ", partial)}", Grade.Poor, $"go on with: gemma pull {partial[0]}");
        else Add("cache", value);
    });

    private void LookAtPackedWeights(Invocation call) => Try("packed weights", () =>
    {
        string folder = WeightCache.UserFolder;
        long[] sizes = Directory.Exists(folder) ? [.. Directory.GetFiles(folder, "*" + WeightCache.Suffix).Select(file => new FileInfo(file).Length)] : [];
        string elsewhere = sizes.Length > 0 ? Invariant($"; in {folder}: {sizes.Length} models, {Amount.Bytes(sizes.Sum(size => (double)size))}") : "";
        Add("packed weights", (call.Value(Setting.WeightCache) ?? true ? "kept beside the model for the next start" : "not kept (weight_cache is off)") + elsewhere);
    });

    private void LookAtSettings()
    {
        Try("settings", () =>
        {
            var settings = Settings.Load();
            Add("settings", settings.Path + (settings.FileExists ? "" : " (there is none)"));
            foreach (Setting setting in Setting.All)
                if (settings.Locate(setting, null) is (string text, string source)) setting.Check(text, source);
        });
        string[] known = [IsaSelection.Variable, .. Setting.All.Select(setting => setting.Variable)];
        foreach ((string name, string value) in Variables("GEMMA_"))
        {
            if (known.Contains(name)) Add("environment", $"{name}={value}");
            else Add("environment", $"{name} means nothing to this program", Grade.Poor, $"unset or correct it{Spelling.Suggest(name, known)}");
        }
    }

    private static IEnumerable<(string Name, string Value)> Variables(string prefix) => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .Select(entry => (Name: (string)entry.Key, Value: (string?)entry.Value ?? "")).Where(pair => pair.Name.StartsWith(prefix, StringComparison.Ordinal)).OrderBy(pair => pair.Name, StringComparer.Ordinal);

    private void Try(string name, Action look)
    {
        try
        {
            look();
        }
        catch (Exception failure) when (failure is GemmaException or IOException or UnauthorizedAccessException)
        {
            Add(name, failure.Message, Grade.Broken, null);
        }
    }

    private void Add(string name, string value, Grade grade = Grade.Good, string? remedy = null) => _findings.Add(new Finding(name, value, grade, remedy));

    private void Show(Screen screen)
    {
        Table table = new Table().Border(TableBorder.None).HideHeaders();
        foreach (int padding in (int[])[1, 2, 0]) table.AddColumn(new TableColumn("").PadLeft(0).PadRight(padding));
        foreach (Finding finding in _findings)
        {
            (string sign, Color colour) = finding.Grade switch
            {
                Grade.Good => ("ok", Color.Green),
                Grade.Poor => ("!", Color.Yellow),
                _ => ("bad", Color.Red),
            };
            table.AddRow(new Text(sign, new Style(colour)), new Text(finding.Name), new Text(Screen.Printable(finding.Value)));
            if (finding.Remedy is string remedy) table.AddRow(new Text(""), new Text(""), new Text("→ " + Screen.Printable(remedy)));
        }
        screen.Render(table);
        int poor = _findings.Count(finding => finding.Grade != Grade.Good);
        screen.Line(poor switch
        {
            0 => "all is well",
            1 => "1 finding",
            _ => Invariant($"{poor} findings"),
        });
    }

    private void WriteJson(Screen screen) => screen.WriteJson(json =>
    {
        json.WriteStartObject();
        json.WriteString("version", VersionText.Version);
        json.WriteString("cpu", Machine.ProcessorName);
        json.WriteNumber("processors", Environment.ProcessorCount);
        json.WriteNumber("memory_bytes", Machine.Memory);
        json.WriteStartArray("findings");
        foreach (Finding finding in _findings)
        {
            json.WriteStartObject();
            json.WriteString("name", finding.Name);
            json.WriteString("value", finding.Value);
            json.WriteString("grade", finding.Grade.ToString().ToLowerInvariant());
            if (finding.Remedy is not null) json.WriteString("remedy", finding.Remedy);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
