using System.Collections.Immutable;
using Gemma.Cpu;

namespace Gemma.Training;

/// <summary>
/// All parameters of a model, in the order of <see cref="TensorTable"/>, in one flat fp32 buffer, and their gradients in a second: the optimizer, a checkpoint and
/// an all-reduce between machines each see one array. Query, key and value stand one behind the other, gate and up too, so each pair or three is one matrix.
/// </summary>
public sealed unsafe class ParameterSet : IDisposable
{
    private readonly NativeBuffer _values, _gradients;

    public ParameterSet(GemmaConfig config) : this(config, TensorTable.For(config ?? throw new ArgumentNullException(nameof(config))).Select(spec => (spec, false))) { }

    /// <summary>Other tensors than those of a model, such as an adapter's.</summary>
    internal ParameterSet(GemmaConfig config, IEnumerable<(TensorSpec Spec, bool IsTransposed)> tensors)
    {
        Config = config;
        long count = 0;
        ImmutableArray<Parameter>.Builder parameters = ImmutableArray.CreateBuilder<Parameter>();
        foreach ((TensorSpec spec, bool isTransposed) in tensors)
        {
            parameters.Add(new Parameter(this, spec, count, isTransposed));
            count += parameters[^1].Count;
        }
        Parameters = parameters.ToImmutable();
        Count = count;
        _values = new NativeBuffer((nuint)count * sizeof(float));
        _gradients = new NativeBuffer((nuint)count * sizeof(float));
    }

    public GemmaConfig Config { get; }

    /// <summary>Embedding, the layers' tensors, the last norm.</summary>
    public ImmutableArray<Parameter> Parameters { get; }

    /// <summary>Numbers in all.</summary>
    public long Count { get; }

    /// <summary>Raised when values change: what is derived from them is then made anew.</summary>
    internal int Version { get; private set; }

    internal float* Values => (float*)_values.Pointer;

    internal float* Gradients => (float*)_gradients.Pointer;

    public Parameter this[TensorRole role, int layer = -1] => Find(role, layer)
        ?? throw new ArgumentException(FormattableString.Invariant($"{Config.Architecture} has no {role} in layer {layer}"), nameof(role));

    /// <summary>Says that values were written.</summary>
    public void MarkChanged() => Version++;

    /// <summary>Random matrices, normal with this standard deviation; gains of 1. The same seed gives the same numbers everywhere.</summary>
    public void Initialize(ulong seed, float deviation = 0.02f)
    {
        foreach (Parameter parameter in Parameters)
        {
            if (parameter.Spec.IsNorm) parameter.Values.Fill(1);
            else FillNormal(parameter.Values, deviation, Mix(seed ^ Mix((ulong)parameter.Offset + 1)));
        }
        MarkChanged();
    }

    public void ClearGradients()
    {
        foreach (Parameter parameter in Parameters) parameter.Gradients.Clear();
    }

    public void Dispose()
    {
        _values.Dispose();
        _gradients.Dispose();
    }

    internal Parameter? Find(TensorRole role, int layer) => Parameters.FirstOrDefault(parameter => parameter.Spec.Role == role && parameter.Spec.Layer == layer);

    /// <summary>Box and Muller's transform of SplitMix64's numbers.</summary>
    private static void FillNormal(Span<float> values, float deviation, ulong state)
    {
        for (int i = 0; i < values.Length; i += 2)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - Uniform(ref state))), angle = 2 * Math.PI * Uniform(ref state);
            values[i] = (float)(deviation * radius * Math.Cos(angle));
            if (i + 1 < values.Length) values[i + 1] = (float)(deviation * radius * Math.Sin(angle));
        }
    }

    private static double Uniform(ref ulong state) => (Mix(state += 0x9E3779B97F4A7C15) >> 11) * (1.0 / (1L << 53));

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
