using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>What lies between the products of attention's backward pass.</summary>
internal static unsafe class AttentionGradientKernel
{
    private const int Lanes = 16;

    /// <param name="scores">[count] scores of one key with queries, replaced by their weights.</param>
    /// <param name="products">[count] products of the value with the queries' gradients, replaced by the scores' gradients.</param>
    /// <param name="logSums">ln Σ e^score of each query.</param>
    /// <param name="deltas">The product of each query's result with its gradient.</param>
    /// <param name="count">Queries, a multiple of 16.</param>
    /// <param name="first">First query that sees the key.</param>
    /// <param name="end">One past the last.</param>
    /// <param name="softCap">cap · tanh(score / cap); 0 is none.</param>
    public static void Scalar(float* scores, float* products, float* logSums, float* deltas, int count, int first, int end, float softCap)
    {
        for (int i = 0; i < count; i++)
        {
            if (i < first || i >= end)
            {
                scores[i] = products[i] = 0;
                continue;
            }
            float tanh = softCap > 0 ? MathF.Tanh(scores[i] / softCap) : 0;
            scores[i] = MathF.Exp((softCap > 0 ? softCap * tanh : scores[i]) - logSums[i]);
            products[i] = scores[i] * (products[i] - deltas[i]) * (1 - tanh * tanh);
        }
    }

    /// <inheritdoc cref="Scalar"/>
    public static void Vector<TLanes>(float* scores, float* products, float* logSums, float* deltas, int count, int first, int end, float softCap)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes zero = TLanes.Zero, one = TLanes.Broadcast(1), inverse = TLanes.Broadcast(softCap > 0 ? 1 / softCap : 0);
        for (int i = 0; i < count; i += Lanes)
        {
            if (i + Lanes <= first || i >= end)
            {
                TLanes.Store(zero, scores + i);
                TLanes.Store(zero, products + i);
                continue;
            }
            TLanes score = TLanes.Load(scores + i), slope = one;
            if (softCap > 0)
            {
                score = Exponential.SoftCap(score, softCap);
                TLanes tanh = TLanes.Multiply(score, inverse);
                slope = TLanes.Subtract(one, TLanes.Multiply(tanh, tanh));
            }
            TLanes weight = Exponential.Of(TLanes.Subtract(score, TLanes.Load(logSums + i)));
            TLanes gradient = TLanes.Multiply(weight, TLanes.Subtract(TLanes.Load(products + i), TLanes.Load(deltas + i)));
            if (softCap > 0) gradient = TLanes.Multiply(gradient, slope);
            if (i < first || i + Lanes > end)
            {
                weight = TLanes.KeepFirst(zero, first - i, TLanes.KeepFirst(weight, end - i, zero));
                gradient = TLanes.KeepFirst(zero, first - i, TLanes.KeepFirst(gradient, end - i, zero));
            }
            TLanes.Store(weight, scores + i);
            TLanes.Store(gradient, products + i);
        }
    }
}
