using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Gemma.Tokenization;

namespace Gemma.Benchmarks;

/// <summary>
/// Tokenizer, one thread. <c>GEMMA_BENCHMARK_TEXT</c> names a UTF-8 text file; without it the texts of the repository are taken, repeated to 4 MB.
/// <c>GEMMA_BENCHMARK_TOKENIZER</c> names a tokenizer; without it Gemma's own of the test assets is taken.
/// </summary>
[MemoryDiagnoser]
[Config(typeof(Config))]
public class TokenizerBenchmarks
{
    private const int Repeated = 4_000_000; // bytes

    private static readonly string Root = FindRoot();
    private static readonly string Text = ReadText();

    private string[] _lines = [];
    private int[] _ids = [];
    private SentencePieceTokenizer _tokenizer = null!;

    private static string TokenizerFile => Environment.GetEnvironmentVariable("GEMMA_BENCHMARK_TOKENIZER")
        ?? Path.Combine(Root, "tests", "assets", "tokenizer", "tokenizer.model");

    [GlobalSetup]
    public void Setup()
    {
        _tokenizer = SentencePieceTokenizer.Load(TokenizerFile);
        _lines = Text.Split('\n');
        _ids = _tokenizer.Encode(Text);
    }

    [Benchmark(Description = "encode, line by line")]
    public int EncodeLines()
    {
        int count = 0;
        foreach (string line in _lines) count += _tokenizer.Encode(line).Length;
        return count;
    }

    [Benchmark(Description = "encode, one text")]
    public int EncodeWhole() => _tokenizer.Encode(Text).Length;

    [Benchmark(Description = "decode")]
    public int Decode() => _tokenizer.Decode(_ids).Length;

    [Benchmark(Description = "load")]
    public int Load() => SentencePieceTokenizer.Load(TokenizerFile).VocabularySize;

    private static string ReadText()
    {
        if (Environment.GetEnvironmentVariable("GEMMA_BENCHMARK_TEXT") is { Length: > 0 } file) return File.ReadAllText(file);
        string all = string.Concat(Directory.EnumerateFiles(Root, "*", SearchOption.AllDirectories)
            .Where(path => Path.GetExtension(path) is ".md" or ".cs" && !path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal).Select(File.ReadAllText));
        return string.Concat(Enumerable.Repeat(all, 1 + Repeated / all.Length));
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Gemma.slnx"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("Gemma.slnx is in no folder above the benchmark program");
    }

    private sealed class Config : ManualConfig
    {
        public Config() => AddColumn(new Throughput());
    }

    /// <summary>Megabytes of text a second.</summary>
    private sealed class Throughput : IColumn
    {
        public string Id => nameof(Throughput);

        public string ColumnName => "MB/s";

        public string Legend => "10^6 bytes of UTF-8 a second";

        public UnitType UnitType => UnitType.Dimensionless;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public bool AlwaysShow => true;

        public bool IsAvailable(Summary summary) => true;

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, SummaryStyle.Default);

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
        {
            if (benchmarkCase.Descriptor.WorkloadMethod.Name == nameof(TokenizerBenchmarks.Load)) return "-";
            double? nanoseconds = summary[benchmarkCase]?.ResultStatistics?.Mean;
            return nanoseconds is > 0 and double time ? FormattableString.Invariant($"{System.Text.Encoding.UTF8.GetByteCount(Text) * 1e3 / time:0.0}") : "?";
        }
    }
}
