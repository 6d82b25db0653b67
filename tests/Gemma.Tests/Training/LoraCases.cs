using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Training;
using Gemma.Training.Cpu;

namespace Gemma.Tests.Training;

/// <summary>Frozen models, adapters that have learnt something, and the definition they are held against.</summary>
internal static class LoraCases
{
    /// <summary>Weights that are frozen in a type; the parameters become what the type holds of them.</summary>
    public static unsafe FrozenWeights Freeze(ParameterSet parameters, WeightType type)
    {
        var frozen = FrozenWeights.Of(parameters.Config, new WeightSource((spec, row, destination) =>
            parameters[spec.Role, spec.Layer].Values.Slice(row * spec.Columns, spec.Columns).CopyTo(destination), _ => type));
        foreach (Parameter parameter in parameters.Parameters.Where(parameter => !parameter.Spec.IsNorm))
        {
            (DenseMatrix matrix, int first) = Place(frozen.Matrices, parameters, parameter.Spec);
            for (int row = 0; row < parameter.Spec.Rows; row++)
                fixed (float* values = parameter.Values) matrix.Frozen!.ReadRow(first + row, 1, values + row * parameter.Spec.Columns);
        }
        return frozen;
    }

    /// <summary>An adapter whose B matrices are no zeros any more.</summary>
    public static Lora Adapter(GemmaConfig config, LoraConfig settings, ulong seed = 3)
    {
        var adapter = new Lora(config, settings, seed);
        var random = new Random((int)seed);
        foreach (Parameter parameter in adapter.Parameters.Parameters)
            foreach (ref float value in parameter.Values) value = (float)(0.4 * (random.NextDouble() - 0.5));
        adapter.Parameters.MarkChanged();
        return adapter;
    }

    /// <summary>The model with the adapter's products added to its matrices, in fp64.</summary>
    public static ReferenceModel Reference(ParameterSet parameters, LoraAdapter adapter)
    {
        var reference = new ReferenceModel(parameters);
        foreach ((TensorSpec spec, LowRankMatrix matrix) in adapter.Matrices)
        {
            for (int row = 0; row < spec.Rows; row++)
                for (int column = 0; column < spec.Columns; column++)
                    for (int rank = 0; rank < matrix.Rank; rank++)
                        reference[parameters[spec.Role, spec.Layer].Offset + row * spec.Columns + column] += (double)matrix.Scale * matrix.Up[row * matrix.Rank + rank] * matrix.Down[rank * spec.Columns + column];
        }
        return reference;
    }

    /// <summary>What one number of an adapter's matrices does to the numbers of the model: A[rank, column] or B[row, rank] as they are published.</summary>
    public static IEnumerable<(long Index, double Factor)> Effect(ParameterSet parameters, TensorSpec spec, LowRankMatrix matrix, bool isUp, int index)
    {
        long first = parameters[spec.Role, spec.Layer].Offset;
        if (isUp)
        {
            (int row, int rank) = Math.DivRem(index, matrix.Rank);
            return Enumerable.Range(0, spec.Columns).Select(column => (first + row * spec.Columns + column, (double)matrix.Scale * matrix.Down[rank * spec.Columns + column]));
        }
        (int of, int at) = Math.DivRem(index, spec.Columns);
        return Enumerable.Range(0, spec.Rows).Select(row => (first + row * spec.Columns + at, (double)matrix.Scale * matrix.Up[row * matrix.Rank + of]));
    }

    /// <summary>The gradient of one of an adapter's matrices as it is published.</summary>
    public static float[] Gradient(Lora adapter, TensorSpec spec, bool isUp)
    {
        TensorSpec own = LoraAdapter.SpecOf(spec, adapter.Settings.Rank, isUp);
        Parameter parameter = adapter.Parameters.Parameters.Single(parameter => parameter.Spec == own);
        if (!isUp) return parameter.Gradients.ToArray();
        float[] turned = new float[parameter.Count];
        for (int row = 0; row < own.Rows; row++)
            for (int column = 0; column < own.Columns; column++) turned[row * own.Columns + column] = parameter.Gradients[column * own.Rows + row];
        return turned;
    }

    private static (DenseMatrix Matrix, int FirstRow) Place(Weights<DenseMatrix> weights, ParameterSet parameters, TensorSpec spec) => spec.Role switch
    {
        TensorRole.Embedding => (weights.Embedding, 0),
        TensorRole.Query => (weights.Layers[spec.Layer].QueryKeyValue, 0),
        TensorRole.Key => (weights.Layers[spec.Layer].QueryKeyValue, parameters.Config.QueryWidth),
        TensorRole.Value => (weights.Layers[spec.Layer].QueryKeyValue, parameters.Config.QueryWidth + parameters.Config.KeyValueWidth),
        TensorRole.AttentionOutput => (weights.Layers[spec.Layer].AttentionOutput, 0),
        TensorRole.Gate => (weights.Layers[spec.Layer].GateUp, 0),
        TensorRole.Up => (weights.Layers[spec.Layer].GateUp, parameters.Config.FeedForwardWidth),
        _ => (weights.Layers[spec.Layer].Down, 0),
    };
}
