using BenchmarkDotNet.Attributes;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Generation;

namespace Gemma.Benchmarks;

/// <summary>Attention of one layer of a Gemma 2B (8 query heads of 256, one key head, keys and values in bf16), on all processors.</summary>
public unsafe class AttentionBenchmarks : IDisposable
{
    private static readonly AttentionShape Shape = new(0, 8, 1, 256, 0, 10_000, 1, 1 / 16f, 0);

    private readonly Batch _batch = new();
    private ThreadTeam _team = null!;
    private CpuBackend _backend = null!;
    private KvCache _cache = null!;
    private NativeBuffer _values = null!;
    private Matrix _qkv = null!;

    /// <summary>Positions before the new tokens.</summary>
    [Params(0, 512, 4096)]
    public int Context { get; set; }

    /// <summary>New tokens: one of an answer, or a piece of a prompt.</summary>
    [Params(1, 512)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        GemmaConfig config = GemmaConfig.Gemma2B with { LayerCount = 1 };
        _team = new ThreadTeam();
        _backend = new CpuBackend(config, CpuKernels.For(IsaSelection.Current), _team);
        _cache = new KvCache(config, KvType.BFloat16, Context + Tokens + KvCache.PageTokens);
        KvSequence sequence = _cache.CreateSequence();
        int width = Shape.QueryWidth + 2 * Shape.KeyValueWidth, most = Math.Max(Context, Tokens);
        _values = new NativeBuffer((nuint)most * (nuint)width * sizeof(float));
        var random = new Random(1);
        for (int i = 0; i < most * width; i++) ((float*)_values.Pointer)[i] = random.NextSingle() - 0.5f;
        if (Context > 0)
        {
            _qkv = new Matrix { Rows = Context, Columns = width, Data = (float*)_values.Pointer };
            _batch.Add(sequence, new int[Context], LogitRows.None);
            Attend();
            _batch.Clear();
        }
        _qkv = new Matrix { Rows = Tokens, Columns = width, Data = (float*)_values.Pointer };
        _batch.Add(sequence, new int[Tokens], LogitRows.None);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _cache.Dispose();
        _backend.Dispose();
        _team.Dispose();
        _values.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public void Attend()
    {
        _backend.BeginPass();
        _backend.Attention(_qkv, _batch, Shape);
    }
}
