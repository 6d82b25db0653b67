using Gemma.Tests.Cpu;
using Gemma.Training;

namespace Gemma.Tests.Training;

/// <summary>The parameters of a training model in fp64 and the loss as its definition reads: what gradients are held against, by central differences.</summary>
internal sealed class ReferenceModel
{
    private readonly GemmaConfig _config;
    private readonly Transformer<Real> _transformer;
    private readonly List<(double[] Values, long Offset)> _matrices = [];

    public ReferenceModel(ParameterSet parameters)
    {
        _config = parameters.Config;
        Weights<Real> weights = ReferenceBackend.Weights(_config, (spec, row) => parameters[spec.Role, spec.Layer].Values.Slice(row * spec.Columns, spec.Columns).ToArray());
        long offset = 0;
        Add(weights.Embedding);
        foreach (LayerWeights<Real> layer in weights.Layers)
        {
            foreach (Real? matrix in (Real?[])[layer.AttentionNorm, layer.QueryKeyValue, layer.QueryNorm, layer.KeyNorm, layer.AttentionOutput, layer.PostAttentionNorm,
                layer.FeedForwardNorm, layer.GateUp, layer.Down, layer.PostFeedForwardNorm])
            {
                if (matrix is not null) Add(matrix);
            }
        }
        Add(weights.FinalNorm);
        Assert.Equal(parameters.Count, offset);
        _transformer = new Transformer<Real>(_config, weights, new ReferenceBackend(_config));

        void Add(Real matrix)
        {
            _matrices.Add((matrix.Values, offset));
            offset += matrix.Values.Length;
        }
    }

    /// <summary>A parameter by its place in the flat buffers.</summary>
    public ref double this[long index]
    {
        get
        {
            (double[] values, long offset) = _matrices.FindLast(matrix => matrix.Offset <= index);
            return ref values[index - offset];
        }
    }

    /// <summary>Σ weight · −ln p(next), document by document, divided by Σ weight.</summary>
    public double Loss(IEnumerable<(int[] Tokens, float[] Weights)> documents)
    {
        double sum = 0, all = 0;
        foreach ((int[] tokens, float[] weights) in documents)
        {
            sum -= LogProbability(tokens, weights);
            for (int i = 1; i < tokens.Length; i++) all += weights[i];
        }
        return sum / all;
    }

    /// <summary>Σ weight · ln p(next) of one document.</summary>
    public double LogProbability(int[] tokens, float[] weights)
    {
        var batch = new Batch();
        batch.Add(tokens.AsSpan(0, tokens.Length - 1), LogitRows.All);
        Real logits = _transformer.Forward(batch);
        double sum = 0;
        for (int i = 1; i < tokens.Length; i++)
        {
            Span<double> row = logits.Row(i - 1);
            double largest = double.NegativeInfinity, total = 0;
            foreach (double value in row) largest = Math.Max(largest, value);
            foreach (double value in row) total += Math.Exp(value - largest);
            sum -= weights[i] * (Math.Log(total) + largest - row[tokens[i]]);
        }
        return sum;
    }

    /// <summary>The loss's derivative in a direction: a few parameters, each with its factor.</summary>
    public double Derivative(IReadOnlyList<(long Index, double Factor)> direction, IReadOnlyCollection<(int[] Tokens, float[] Weights)> documents, double step = 1e-5) =>
        Derivative(direction, () => Loss(documents), step);

    /// <summary>The derivative of any loss of this model.</summary>
    public double Derivative(IReadOnlyList<(long Index, double Factor)> direction, Func<double> loss, double step = 1e-5)
    {
        double[] before = [.. direction.Select(part => this[part.Index])];
        double above = Moved(step), below = Moved(-step);
        for (int i = 0; i < before.Length; i++) this[direction[i].Index] = before[i];
        return (above - below) / (2 * step);

        double Moved(double by)
        {
            for (int i = 0; i < before.Length; i++) this[direction[i].Index] = before[i] + by * direction[i].Factor;
            return loss();
        }
    }
}
