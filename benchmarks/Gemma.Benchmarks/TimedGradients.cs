using System.Diagnostics;
using System.Globalization;
using Gemma.Training;
using Gemma.Training.Cpu;

namespace Gemma.Benchmarks;

/// <summary>A backend with gradients that adds up where the time of another goes, and how much its products computed.</summary>
internal sealed class TimedGradients(IGradientBackend<DenseMatrix> on) : IGradientBackend<DenseMatrix>
{
    private readonly Dictionary<string, (long Ticks, double Operations)> _spent = [];

    public void Clear() => _spent.Clear();

    /// <summary>Milliseconds of each kind of operation over a number of steps.</summary>
    public string Describe(int steps) => string.Join(", ", _spent.OrderByDescending(entry => entry.Value.Ticks).Select(entry =>
    {
        double seconds = (double)entry.Value.Ticks / Stopwatch.Frequency / steps;
        string rate = entry.Value.Operations > 0 ? string.Create(CultureInfo.InvariantCulture, $" ({entry.Value.Operations / steps / seconds / 1e9:F0} GFLOP/s)") : "";
        return string.Create(CultureInfo.InvariantCulture, $"{entry.Key} {1e3 * seconds:F1}{rate}");
    }));

    public DenseMatrix Embed(DenseMatrix table, ReadOnlySpan<int> tokens, float scale)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("embedding", start, on.Embed(table, tokens, scale));
    }

    public DenseMatrix RmsNorm(DenseMatrix x, DenseMatrix gain)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("norms", start, on.RmsNorm(x, gain));
    }

    public DenseMatrix Linear(DenseMatrix x, DenseMatrix weight)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("linear", start, on.Linear(x, weight), Product(x, weight));
    }

    public DenseMatrix GatedLinear(DenseMatrix x, DenseMatrix gateUp)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("linear, gated", start, on.GatedLinear(x, gateUp), Product(x, gateUp));
    }

    public DenseMatrix GatedLinear(DenseMatrix x, DenseMatrix gateUp, out DenseMatrix products)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("linear, gated", start, on.GatedLinear(x, gateUp, out products), Product(x, gateUp));
    }

    public DenseMatrix Gate(DenseMatrix products)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("gate", start, on.Gate(products));
    }

    public DenseMatrix AddLowRank(DenseMatrix x, LowRankUpdate<DenseMatrix> update, ulong? seed, DenseMatrix result)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("adapter", start, on.AddLowRank(x, update, seed, result));
    }

    public void LowRankGradient(DenseMatrix x, DenseMatrix projected, LowRankUpdate<DenseMatrix> update, ulong? seed, DenseMatrix gradient, DenseMatrix? sum)
    {
        long start = Stopwatch.GetTimestamp();
        on.LowRankGradient(x, projected, update, seed, gradient, sum);
        Count("adapter back", start, gradient);
    }

    public DenseMatrix HeadNorm(DenseMatrix qkv, DenseMatrix queryGain, DenseMatrix keyGain, in AttentionShape shape)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("norms", start, on.HeadNorm(qkv, queryGain, keyGain, shape));
    }

    public DenseMatrix Rope(DenseMatrix qkv, ReadOnlySpan<int> positions, in AttentionShape shape)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("rope", start, on.Rope(qkv, positions, shape));
    }

    public DenseMatrix Attention(DenseMatrix qkv, Batch batch, in AttentionShape shape)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("attention", start, on.Attention(qkv, batch, shape), 2 * Scores(batch, shape));
    }

    public DenseMatrix Attention(DenseMatrix qkv, Batch batch, in AttentionShape shape, out DenseMatrix logSums)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("attention", start, on.Attention(qkv, batch, shape, out logSums), 2 * Scores(batch, shape));
    }

    public DenseMatrix Add(DenseMatrix x, DenseMatrix y)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("sums", start, on.Add(x, y));
    }

    public DenseMatrix Rows(DenseMatrix x, ReadOnlySpan<int> rows) => on.Rows(x, rows);

    public DenseMatrix SoftCap(DenseMatrix x, float cap) => on.SoftCap(x, cap);

    public DenseMatrix Layer(DenseMatrix x, int layer, Batch batch, LayerFunction<DenseMatrix> function) => on.Layer(x, layer, batch, function);

    public void EmbedGradient(DenseMatrix gradient, ReadOnlySpan<int> tokens, float scale, DenseMatrix tableSum)
    {
        long start = Stopwatch.GetTimestamp();
        on.EmbedGradient(gradient, tokens, scale, tableSum);
        Count("embedding", start, gradient);
    }

    public DenseMatrix RmsNormGradient(DenseMatrix x, DenseMatrix gain, DenseMatrix gradient, DenseMatrix? sum, DenseMatrix? gainSum)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("norms back", start, on.RmsNormGradient(x, gain, gradient, sum, gainSum));
    }

    public DenseMatrix LinearGradient(DenseMatrix weight, DenseMatrix gradient, DenseMatrix? sum)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("linear back", start, on.LinearGradient(weight, gradient, sum), 2.0 * gradient.Rows * weight.Rows * weight.Columns);
    }

    public DenseMatrix WeightGradient(DenseMatrix x, DenseMatrix gradient, DenseMatrix? sum)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("weights back", start, on.WeightGradient(x, gradient, sum), 2.0 * x.Rows * x.Columns * gradient.Columns);
    }

    public DenseMatrix GateGradient(DenseMatrix products, DenseMatrix gradient)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("gate back", start, on.GateGradient(products, gradient));
    }

    public DenseMatrix HeadNormGradient(DenseMatrix qkv, DenseMatrix queryGain, DenseMatrix keyGain, DenseMatrix gradient, in AttentionShape shape, DenseMatrix? queryGainSum,
        DenseMatrix? keyGainSum)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("norms back", start, on.HeadNormGradient(qkv, queryGain, keyGain, gradient, shape, queryGainSum, keyGainSum));
    }

    public DenseMatrix RopeGradient(DenseMatrix gradient, ReadOnlySpan<int> positions, in AttentionShape shape)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("rope", start, on.RopeGradient(gradient, positions, shape));
    }

    public DenseMatrix AttentionGradient(DenseMatrix qkv, DenseMatrix result, DenseMatrix logSums, DenseMatrix gradient, Batch batch, in AttentionShape shape)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("attention back", start, on.AttentionGradient(qkv, result, logSums, gradient, batch, shape), 5 * Scores(batch, shape));
    }

    public DenseMatrix RowsGradient(DenseMatrix gradient, ReadOnlySpan<int> rows, int count, DenseMatrix? sum) => on.RowsGradient(gradient, rows, count, sum);

    public DenseMatrix SoftCapGradient(DenseMatrix result, float cap, DenseMatrix gradient) => on.SoftCapGradient(result, cap, gradient);

    public Loss CrossEntropy(DenseMatrix hidden, DenseMatrix head, ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, float softCap, float gradientScale,
        out DenseMatrix? hiddenGradient, DenseMatrix? headSum, Span<double> rowLosses)
    {
        long start = Stopwatch.GetTimestamp();
        Loss loss = on.CrossEntropy(hidden, head, targets, weights, softCap, gradientScale, out hiddenGradient, headSum, rowLosses);
        Count("head and loss", start, hidden, (1 + (hiddenGradient is null ? 0 : 1) + (headSum is null ? 0 : 1)) * Product(hidden, head));
        return loss;
    }

    public void AddTo(DenseMatrix sum, DenseMatrix added)
    {
        long start = Stopwatch.GetTimestamp();
        on.AddTo(sum, added);
        Count("sums", start, sum);
    }

    public DenseMatrix Copy(DenseMatrix x)
    {
        long start = Stopwatch.GetTimestamp();
        return Count("copies", start, on.Copy(x));
    }

    public int RowCount(DenseMatrix x) => on.RowCount(x);

    public void Free(DenseMatrix value) => on.Free(value);

    private static double Product(DenseMatrix x, DenseMatrix weight) => 2.0 * x.Rows * weight.Rows * weight.Columns;

    /// <summary>Operations of one product of attention, counted causally.</summary>
    private static double Scores(Batch batch, in AttentionShape shape)
    {
        double pairs = 0;
        foreach (Segment segment in batch.Segments) pairs += segment.Count * (segment.Count + 1.0) / 2;
        return 2 * pairs * shape.QueryWidth;
    }

    private DenseMatrix Count(string name, long start, DenseMatrix result, double operations = 0)
    {
        (long ticks, double all) = _spent.GetValueOrDefault(name);
        _spent[name] = (ticks + Stopwatch.GetTimestamp() - start, all + operations);
        return result;
    }
}
