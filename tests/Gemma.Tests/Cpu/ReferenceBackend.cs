using Gemma.Generation;

namespace Gemma.Tests.Cpu;

/// <summary>A matrix of doubles.</summary>
internal sealed record Real(int Rows, int Columns, double[] Values)
{
    public Real(int rows, int columns) : this(rows, columns, new double[rows * columns]) { }

    public ref double this[int row, int column] => ref Values[row * Columns + column];

    public Span<double> Row(int row) => Values.AsSpan(row * Columns, Columns);
}

/// <summary>The model's operations as their definitions read, in fp64: what every other backend is held against.</summary>
internal sealed class ReferenceBackend(GemmaConfig config) : IBackend<Real>
{
    // What attention has seen: for each sequence and layer the keys and values by position.
    private readonly Dictionary<(KvSequence, int), List<(double[] Key, double[] Value)>> _cache = [];

    public Real Embed(Real table, ReadOnlySpan<int> tokens, float scale)
    {
        var result = new Real(tokens.Length, table.Columns);
        for (int row = 0; row < tokens.Length; row++)
            for (int i = 0; i < table.Columns; i++) result[row, i] = table[tokens[row], i] * scale;
        return result;
    }

    public Real RmsNorm(Real x, Real gain)
    {
        var result = new Real(x.Rows, x.Columns);
        for (int row = 0; row < x.Rows; row++) Norm(x.Row(row), gain.Values).CopyTo(result.Row(row));
        return result;
    }

    public Real Linear(Real x, Real weight)
    {
        var result = new Real(x.Rows, weight.Rows);
        for (int row = 0; row < x.Rows; row++)
            for (int output = 0; output < weight.Rows; output++)
                for (int k = 0; k < x.Columns; k++) result[row, output] += x[row, k] * weight[output, k];
        return result;
    }

    /// <summary>The weight holds the gate's rows, then the up projection's.</summary>
    public Real GatedLinear(Real x, Real gateUp)
    {
        Real both = Linear(x, gateUp);
        var result = new Real(x.Rows, gateUp.Rows / 2);
        for (int row = 0; row < x.Rows; row++)
        {
            for (int i = 0; i < result.Columns; i++)
            {
                double gate = both[row, i];
                result[row, i] = 0.5 * gate * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (gate + 0.044715 * gate * gate * gate))) * both[row, i + result.Columns];
            }
        }
        return result;
    }

    public Real HeadNorm(Real qkv, Real queryGain, Real keyGain, in AttentionShape shape)
    {
        for (int row = 0; row < qkv.Rows; row++)
        {
            for (int head = 0; head < shape.HeadCount + shape.KeyValueHeadCount; head++)
            {
                Span<double> values = qkv.Row(row).Slice(head * shape.HeadDimension, shape.HeadDimension);
                Norm(values, head < shape.HeadCount ? queryGain.Values : keyGain.Values).CopyTo(values);
            }
        }
        return qkv;
    }

    public Real Rope(Real qkv, ReadOnlySpan<int> positions, in AttentionShape shape)
    {
        int half = shape.HeadDimension / 2;
        for (int row = 0; row < qkv.Rows; row++)
        {
            for (int head = 0; head < shape.HeadCount + shape.KeyValueHeadCount; head++)
            {
                Span<double> values = qkv.Row(row).Slice(head * shape.HeadDimension, shape.HeadDimension);
                double scale = head < shape.HeadCount ? shape.QueryScale : 1;
                for (int i = 0; i < half; i++)
                {
                    (double sin, double cos) = Math.SinCos(positions[row] / (double)shape.RopeScale * Math.Pow(shape.RopeBase, -2.0 * i / shape.HeadDimension));
                    (double a, double b) = (values[i], values[i + half]);
                    values[i] = (a * cos - b * sin) * scale;
                    values[i + half] = (b * cos + a * sin) * scale;
                }
            }
        }
        return qkv;
    }

    public Real Attention(Real qkv, Batch batch, in AttentionShape shape)
    {
        int dimension = shape.HeadDimension;
        var result = new Real(qkv.Rows, shape.QueryWidth);
        foreach (Segment segment in batch.Segments)
        {
            List<(double[] Key, double[] Value)> seen = Seen(segment.Cache, shape.Layer);
            for (int i = 0; i < segment.Count; i++)
            {
                ReadOnlySpan<double> row = qkv.Row(segment.Start + i);
                seen.Add((row.Slice(shape.QueryWidth, shape.KeyValueWidth).ToArray(), row.Slice(shape.QueryWidth + shape.KeyValueWidth, shape.KeyValueWidth).ToArray()));
                int position = segment.FirstPosition + i, first = shape.Window > 0 ? Math.Max(0, position - shape.Window + 1) : 0;
                for (int head = 0; head < shape.HeadCount; head++)
                {
                    int keyHead = head * shape.KeyValueHeadCount / shape.HeadCount;
                    double[] weights = new double[position + 1 - first];
                    for (int p = first; p <= position; p++)
                    {
                        double score = 0;
                        for (int k = 0; k < dimension; k++) score += row[head * dimension + k] * seen[p].Key[keyHead * dimension + k];
                        weights[p - first] = shape.SoftCap > 0 ? shape.SoftCap * Math.Tanh(score / shape.SoftCap) : score;
                    }
                    double largest = weights.Max();
                    for (int p = 0; p < weights.Length; p++) weights[p] = Math.Exp(weights[p] - largest);
                    double sum = weights.Sum();
                    Span<double> mean = result.Row(segment.Start + i).Slice(head * dimension, dimension);
                    for (int p = first; p <= position; p++)
                        for (int k = 0; k < dimension; k++) mean[k] += weights[p - first] / sum * seen[p].Value[keyHead * dimension + k];
                }
            }
        }
        return result;
    }

    private List<(double[] Key, double[] Value)> Seen(KvSequence? cache, int layer)
    {
        if (cache is null) return [];
        if (!_cache.TryGetValue((cache, layer), out List<(double[] Key, double[] Value)>? seen)) _cache[(cache, layer)] = seen = [];
        return seen;
    }

    public Real Add(Real x, Real y) => new(x.Rows, x.Columns, [.. x.Values.Zip(y.Values, (a, b) => a + b)]);

    public Real Rows(Real x, ReadOnlySpan<int> rows)
    {
        var result = new Real(rows.Length, x.Columns);
        for (int i = 0; i < rows.Length; i++) x.Row(rows[i]).CopyTo(result.Row(i));
        return result;
    }

    public Real SoftCap(Real x, float cap) => new(x.Rows, x.Columns, [.. x.Values.Select(value => cap * Math.Tanh(value / cap))]);

    public Real Layer(Real x, int layer, Batch batch, LayerFunction<Real> function) => function(x, layer, batch);

    /// <summary>The weights that a reader of rows gives, query above key above value, gate above up.</summary>
    public static Weights<Real> Weights(GemmaConfig config, Func<TensorSpec, int, float[]> reader)
    {
        ILookup<int, TensorSpec> specs = TensorTable.For(config).ToLookup(spec => spec.Layer);
        return new(Read(-1, TensorRole.Embedding)!, [.. Enumerable.Range(0, config.LayerCount).Select(layer => new LayerWeights<Real>
        {
            AttentionNorm = Read(layer, TensorRole.AttentionNorm)!,
            QueryKeyValue = Read(layer, TensorRole.Query, TensorRole.Key, TensorRole.Value)!,
            QueryNorm = Read(layer, TensorRole.QueryNorm),
            KeyNorm = Read(layer, TensorRole.KeyNorm),
            AttentionOutput = Read(layer, TensorRole.AttentionOutput)!,
            PostAttentionNorm = Read(layer, TensorRole.PostAttentionNorm),
            FeedForwardNorm = Read(layer, TensorRole.FeedForwardNorm)!,
            GateUp = Read(layer, TensorRole.Gate, TensorRole.Up)!,
            Down = Read(layer, TensorRole.Down)!,
            PostFeedForwardNorm = Read(layer, TensorRole.PostFeedForwardNorm),
        })], Read(-1, TensorRole.FinalNorm)!);

        Real? Read(int layer, params TensorRole[] roles)
        {
            TensorSpec[] parts = [.. roles.SelectMany(role => specs[layer].Where(spec => spec.Role == role))];
            return parts is [] ? null : new Real(parts.Sum(part => part.Rows), parts[0].Columns,
                [.. parts.SelectMany(part => Enumerable.Range(0, part.Rows).SelectMany(row => reader(part, row)).Select(value => (double)value))]);
        }
    }

    private double[] Norm(ReadOnlySpan<double> x, double[] gain)
    {
        double[] result = x.ToArray();
        double scale = 1 / Math.Sqrt(result.Sum(value => value * value) / x.Length + config.NormEpsilon);
        for (int i = 0; i < result.Length; i++) result[i] *= scale * gain[i];
        return result;
    }
}
