using System.Diagnostics;
using Gemma.Cpu;

namespace Gemma.Benchmarks;

/// <summary>A backend that adds up where the time of another goes.</summary>
internal sealed class TimedBackend(IBackend<Matrix> backend) : IBackend<Matrix>
{
    private readonly Dictionary<string, long> _ticks = [];

    public void Clear() => _ticks.Clear();

    /// <summary>Milliseconds of each kind of operation over a number of units.</summary>
    public string Describe(double units) =>
        string.Join(", ", _ticks.OrderByDescending(entry => entry.Value).Select(entry => $"{entry.Key} {1e3 * entry.Value / Stopwatch.Frequency / units:F3}"));

    public Matrix Embed(Matrix table, ReadOnlySpan<int> tokens, float scale)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("embedding", start, backend.Embed(table, tokens, scale));
    }

    public Matrix RmsNorm(Matrix x, Matrix gain)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("norms", start, backend.RmsNorm(x, gain));
    }

    public Matrix Linear(Matrix x, Matrix weight)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("products", start, backend.Linear(x, weight));
    }

    public Matrix GatedLinear(Matrix x, Matrix gateUp)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("products", start, backend.GatedLinear(x, gateUp));
    }

    public Matrix HeadNorm(Matrix qkv, Matrix queryGain, Matrix keyGain, in AttentionShape shape)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("norms", start, backend.HeadNorm(qkv, queryGain, keyGain, shape));
    }

    public Matrix Rope(Matrix qkv, ReadOnlySpan<int> positions, in AttentionShape shape)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("rope", start, backend.Rope(qkv, positions, shape));
    }

    public Matrix Attention(Matrix qkv, Batch batch, in AttentionShape shape)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("attention", start, backend.Attention(qkv, batch, shape));
    }

    public Matrix Add(Matrix x, Matrix y)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("sums", start, backend.Add(x, y));
    }

    public Matrix Rows(Matrix x, ReadOnlySpan<int> rows) => backend.Rows(x, rows);

    public Matrix SoftCap(Matrix x, float cap)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("soft cap", start, backend.SoftCap(x, cap));
    }

    public Matrix Layer(Matrix x, int layer, Batch batch, LayerFunction<Matrix> function) => backend.Layer(x, layer, batch, function);

    private Matrix Count(string operation, long start, Matrix result)
    {
        long ticks = Stopwatch.GetTimestamp() - start;
        _ticks[operation] = _ticks.GetValueOrDefault(operation) + ticks;
        return result;
    }
}
