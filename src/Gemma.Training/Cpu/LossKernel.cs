using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>Cross-entropy of a row of logits with its target, and its gradient in the logits' place.</summary>
internal static unsafe class LossKernel
{
    private const int Lanes = 16;

    /// <param name="logits">[n], replaced by factor · (softmax − onehot), through the soft cap.</param>
    /// <param name="n">Vocabulary.</param>
    /// <param name="target">The id that comes next.</param>
    /// <param name="softCap">cap · tanh(logit / cap); 0 is none.</param>
    /// <param name="factor">Factor on the gradient; 0 leaves the logits changed in an unsaid way.</param>
    /// <returns>−ln softmax(logits)[target].</returns>
    public static double Scalar(float* logits, int n, int target, float softCap, float factor)
    {
        double largest = double.NegativeInfinity, sum = 0;
        for (int i = 0; i < n; i++)
        {
            if (softCap > 0) logits[i] = softCap * MathF.Tanh(logits[i] / softCap);
            largest = Math.Max(largest, logits[i]);
        }
        for (int i = 0; i < n; i++) sum += Math.Exp(logits[i] - largest);
        double loss = Math.Log(sum) + largest - logits[target];
        for (int i = 0; i < n; i++)
        {
            double tanh = softCap > 0 ? logits[i] / softCap : 0, probability = Math.Exp(logits[i] - largest) / sum;
            logits[i] = (float)(factor * (probability - (i == target ? 1 : 0)) * (1 - tanh * tanh));
        }
        return loss;
    }

    /// <inheritdoc cref="Scalar"/>
    public static double Vector<TLanes>(float* logits, int n, int target, float softCap, float factor) where TLanes : struct, ILanes<TLanes>
    {
        if (n < Lanes) return Scalar(logits, n, target, softCap, factor);
        int whole = n / Lanes * Lanes;
        TLanes most = TLanes.Broadcast(float.NegativeInfinity);
        for (int i = 0; i < whole; i += Lanes)
        {
            TLanes value = TLanes.Load(logits + i);
            if (softCap > 0) TLanes.Store(value = Exponential.SoftCap(value, softCap), logits + i);
            most = TLanes.Max(most, value);
        }
        float largest = TLanes.MaxLane(most);
        for (int i = whole; i < n; i++)
        {
            if (softCap > 0) logits[i] = softCap * MathF.Tanh(logits[i] / softCap);
            largest = MathF.Max(largest, logits[i]);
        }
        float predicted = logits[target], slope = softCap > 0 ? 1 - predicted / softCap * (predicted / softCap) : 1;
        // The exponentials replace the logits, but under a soft cap, whose slope needs them.
        bool caps = softCap > 0;
        TLanes shift = TLanes.Broadcast(largest), sums = TLanes.Zero;
        for (int i = 0; i < whole; i += Lanes)
        {
            TLanes exponential = Exponential.Of(TLanes.Subtract(TLanes.Load(logits + i), shift));
            if (!caps) TLanes.Store(exponential, logits + i);
            sums = TLanes.Add(sums, exponential);
        }
        float sum = TLanes.Sum(sums);
        for (int i = whole; i < n; i++)
        {
            float exponential = MathF.Exp(logits[i] - largest);
            if (!caps) logits[i] = exponential;
            sum += exponential;
        }
        double loss = Math.Log(sum) + largest - predicted;
        if (factor == 0) return loss;
        TLanes scale = TLanes.Broadcast(factor / sum), inverse = TLanes.Broadcast(caps ? 1 / softCap : 0), one = TLanes.Broadcast(1);
        for (int i = 0; i < whole; i += Lanes)
        {
            TLanes value = TLanes.Load(logits + i);
            if (caps)
            {
                TLanes tanh = TLanes.Multiply(value, inverse);
                value = TLanes.Multiply(Exponential.Of(TLanes.Subtract(value, shift)), TLanes.Subtract(one, TLanes.Multiply(tanh, tanh)));
            }
            TLanes.Store(TLanes.Multiply(value, scale), logits + i);
        }
        for (int i = whole; i < n; i++)
        {
            float tanh = caps ? logits[i] / softCap : 0;
            logits[i] = factor / sum * (caps ? MathF.Exp(logits[i] - largest) * (1 - tanh * tanh) : logits[i]);
        }
        logits[target] -= factor * slope;
        return loss;
    }
}
