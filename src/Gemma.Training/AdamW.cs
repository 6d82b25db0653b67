using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Gemma.Cpu;

namespace Gemma.Training;

/// <summary>
/// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), on the flat buffers of a <see cref="ParameterSet"/>: one pass over values,
/// gradients and both moments for all tensors together. Results do not depend on the number of threads.
/// </summary>
public sealed unsafe class AdamW : IDisposable
{
    // Squares are summed block by block, and the blocks' sums in their order, whoever computes them.
    private const int Block = 1 << 14;

    private readonly ParameterSet _parameters;
    private readonly AdamWOptions _options;
    private readonly ThreadTeam _team;
    private readonly NativeBuffer _means, _squares, _sums;

    // Stretches of neighbouring parameters that are treated alike.
    private readonly List<Stretch> _stretches = [];

    /// <param name="parameters">What is optimised.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="threads">Threads, the caller's included; 0 is one for each processor.</param>
    public AdamW(ParameterSet parameters, AdamWOptions? options = null, int threads = 0)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        _parameters = parameters;
        _options = options ?? new AdamWOptions();
        _team = new ThreadTeam(threads);
        _means = new NativeBuffer((nuint)parameters.Count * sizeof(float));
        _squares = new NativeBuffer((nuint)parameters.Count * sizeof(float));
        _sums = new NativeBuffer((nuint)((parameters.Count + Block - 1) / Block) * sizeof(double));
        foreach (Parameter parameter in parameters.Parameters)
        {
            if (_stretches.Count > 0 && _stretches[^1].Decays == parameter.Decays) _stretches[^1] = _stretches[^1] with { End = parameter.Offset + parameter.Count };
            else _stretches.Add(new Stretch(parameter.Offset, parameter.Offset + parameter.Count, parameter.Decays));
        }
    }

    public AdamWOptions Options => _options;

    /// <summary>Steps taken; set by whoever resumes, with the moments.</summary>
    public long StepCount { get; set; }

    /// <summary>The running mean of a parameter's gradients.</summary>
    public Span<float> Means(Parameter parameter) => Part(_means, parameter);

    /// <summary>The running mean of their squares.</summary>
    public Span<float> Squares(Parameter parameter) => Part(_squares, parameter);

    /// <summary>The norm of all gradients together, ‖g‖₂.</summary>
    public double GradientNorm()
    {
        var work = new NormWork(_parameters.Gradients, _parameters.Count, (double*)_sums.Pointer);
        _team.Run(ref work);
        double sum = 0;
        foreach (double part in new ReadOnlySpan<double>(_sums.Pointer, (int)((_parameters.Count + Block - 1) / Block))) sum += part;
        return Math.Sqrt(sum);
    }

    /// <summary>Moves the parameters, and sets the gradients to zero for the next step.</summary>
    /// <param name="learningRate">Factor on the step, and on the decay.</param>
    /// <returns>The norm of the gradients before clipping. Where it is not finite nothing was changed, so that the caller can tell which parameter's was not.</returns>
    public double Step(float learningRate)
    {
        double norm = GradientNorm();
        if (!double.IsFinite(norm)) return norm;
        StepCount++;
        float clip = _options.ClipNorm > 0 && norm > _options.ClipNorm ? (float)(_options.ClipNorm / norm) : 1;
        double meanCorrection = 1 - Math.Pow(_options.Beta1, StepCount), squareCorrection = 1 - Math.Pow(_options.Beta2, StepCount);
        var factors = new Factors(clip, _options.Beta1, _options.Beta2, (float)(learningRate / meanCorrection), (float)(1 / Math.Sqrt(squareCorrection)),
            _options.Epsilon, 1 - learningRate * _options.WeightDecay);
        var work = new StepWork(this, factors);
        _team.Run(ref work);
        _parameters.MarkChanged();
        return norm;
    }

    public void Dispose()
    {
        _team.Dispose();
        _means.Dispose();
        _squares.Dispose();
        _sums.Dispose();
    }

    private static Span<float> Part(NativeBuffer buffer, Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return new((float*)buffer.Pointer + parameter.Offset, parameter.Count);
    }

    /// <summary>m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← keep · w − rate · m / (√v · root + ε), g ← 0.</summary>
    private static void Move(float* values, float* gradients, float* means, float* squares, long begin, long end, in Factors by, float keep)
    {
        long i = begin;
        Vector512<float> clip = Vector512.Create(by.Clip), beta1 = Vector512.Create(by.Beta1), beta2 = Vector512.Create(by.Beta2), fresh1 = Vector512.Create(1 - by.Beta1),
            fresh2 = Vector512.Create(1 - by.Beta2), rate = Vector512.Create(by.Rate), root = Vector512.Create(by.Root), epsilon = Vector512.Create(by.Epsilon), kept = Vector512.Create(keep);
        for (; i + 16 <= end; i += 16)
        {
            Vector512<float> gradient = Vector512.Load(gradients + i) * clip;
            Vector512<float> mean = beta1 * Vector512.Load(means + i) + fresh1 * gradient;
            Vector512<float> square = beta2 * Vector512.Load(squares + i) + fresh2 * gradient * gradient;
            mean.Store(means + i);
            square.Store(squares + i);
            (kept * Vector512.Load(values + i) - rate * mean / (Vector512.Sqrt(square) * root + epsilon)).Store(values + i);
            Vector512<float>.Zero.Store(gradients + i);
        }
        for (; i < end; i++)
        {
            float gradient = gradients[i] * by.Clip;
            means[i] = by.Beta1 * means[i] + (1 - by.Beta1) * gradient;
            squares[i] = by.Beta2 * squares[i] + (1 - by.Beta2) * gradient * gradient;
            values[i] = keep * values[i] - by.Rate * means[i] / (MathF.Sqrt(squares[i]) * by.Root + by.Epsilon);
            gradients[i] = 0;
        }
    }

    private readonly record struct Stretch(long Begin, long End, bool Decays);

    private readonly record struct Factors(float Clip, float Beta1, float Beta2, float Rate, float Root, float Epsilon, float Keep);

    private readonly struct NormWork(float* gradients, long count, double* sums) : IWork
    {
        public void Run(int part, int parts)
        {
            long blocks = (count + Block - 1) / Block;
            for (long block = blocks * part / parts; block < blocks * (part + 1) / parts; block++)
                sums[block] = SumOfSquares(gradients + block * Block, (int)Math.Min(Block, count - block * Block));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static double SumOfSquares(float* x, int count)
        {
            Vector512<double> low = default, high = default;
            int i = 0;
            for (; i + 16 <= count; i += 16)
            {
                (Vector512<double> a, Vector512<double> b) = Vector512.Widen(Vector512.Load(x + i));
                low += a * a;
                high += b * b;
            }
            double sum = Vector512.Sum(low + high);
            for (; i < count; i++) sum += (double)x[i] * x[i];
            return sum;
        }
    }

    private readonly struct StepWork(AdamW optimizer, Factors factors) : IWork
    {
        public void Run(int part, int parts)
        {
            ParameterSet parameters = optimizer._parameters;
            long blocks = (parameters.Count + Block - 1) / Block, begin = blocks * part / parts * Block, end = Math.Min(blocks * (part + 1) / parts * Block, parameters.Count);
            foreach (Stretch stretch in optimizer._stretches)
            {
                Move(parameters.Values, parameters.Gradients, (float*)optimizer._means.Pointer, (float*)optimizer._squares.Pointer, Math.Max(begin, stretch.Begin),
                    Math.Min(end, stretch.End), factors, stretch.Decays ? factors.Keep : 1);
            }
        }
    }
}
