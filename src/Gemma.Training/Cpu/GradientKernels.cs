using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>What training computes on rows beside products, forwards and backwards, of one tier. The scalar tier is the twin the others are tested against; n is a multiple of 16 but for logits.</summary>
internal abstract unsafe class GradientKernels
{
    public static GradientKernels For(Isa isa) => isa switch
    {
        Isa.Vnni or Isa.Avx512 => new VectorGradients<Lanes512>(),
        Isa.Avx2 => new VectorGradients<Lanes256>(),
        Isa.Vector128 => new VectorGradients<Lanes128>(),
        _ => new ScalarGradients(),
    };

    /// <summary>Of x · r · gain with r = rsqrt(mean x² + ε): r · gain · dy − x · r³ · mean(gain · dy · x), and for the gain dy · x · r.</summary>
    /// <param name="x">The input.</param>
    /// <param name="gain">The gain.</param>
    /// <param name="gradient">dy.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="n">Length.</param>
    /// <param name="result">Where the gradient of x goes; may be <paramref name="gradient"/>.</param>
    /// <param name="adds">Whether it is added to what is there.</param>
    /// <param name="gainSum">The gain's gradient is added to it.</param>
    public abstract void RmsNorm(float* x, float* gain, float* gradient, float epsilon, int n, float* result, bool adds, float* gainSum);

    /// <summary>Of gelu_tanh(gate) · up, written over gate and up.</summary>
    public abstract void GatedGelu(float* gate, float* up, float* gradient, int n);

    /// <summary>Turns a head back, then scales: the gradient of <see cref="CpuKernels.Rope"/>.</summary>
    public abstract void Rope(float* x, float* cosines, float* sines, int half, float scale);

    /// <summary>gradient · (1 − (y / cap)²), written over it; y is the capped value.</summary>
    public abstract void SoftCap(float* y, float cap, int n, float* gradient);

    /// <summary>
    /// Turns a row of logits into the gradient of weight · −ln softmax(logits)[target], times scale: scale · weight · (softmax − onehot), through the soft cap where there is one.
    /// </summary>
    /// <returns>−ln softmax(logits)[target], not weighted.</returns>
    public abstract double CrossEntropy(float* logits, int n, int target, float softCap, float factor);

    /// <summary>
    /// One key's row of attention's backward pass against a stretch of queries: scores become the weights p = e^(score − log sum), and products (of the value with the
    /// queries' gradients) become the scores' gradients p · (product − delta), through the soft cap where there is one. Outside [first, end) both are 0.
    /// </summary>
    public abstract void Attention(float* scores, float* products, float* logSums, float* deltas, int count, int first, int end, float softCap);

    /// <summary>A step of the forward pass's softmax (<see cref="SoftmaxKernel.Scalar"/>).</summary>
    public abstract float Softmax(float* scores, int count, int first, int end, float softCap, ref float maximum, ref float sum);

    /// <summary>gelu_tanh(gate) · up.</summary>
    public abstract void Gate(float* gate, float* up, int n, float* result);

    public abstract float Dot(float* x, float* y, int n);
}

internal sealed unsafe class ScalarGradients : GradientKernels
{
    public override void RmsNorm(float* x, float* gain, float* gradient, float epsilon, int n, float* result, bool adds, float* gainSum) =>
        RowGradients.RmsNormScalar(x, gain, gradient, epsilon, n, result, adds, gainSum);

    public override void GatedGelu(float* gate, float* up, float* gradient, int n) => RowGradients.GatedGeluScalar(gate, up, gradient, n);

    public override void Rope(float* x, float* cosines, float* sines, int half, float scale) => RowGradients.RopeScalar(x, cosines, sines, half, scale);

    public override void SoftCap(float* y, float cap, int n, float* gradient) => RowGradients.SoftCapScalar(y, cap, n, gradient);

    public override double CrossEntropy(float* logits, int n, int target, float softCap, float factor) => LossKernel.Scalar(logits, n, target, softCap, factor);

    public override void Attention(float* scores, float* products, float* logSums, float* deltas, int count, int first, int end, float softCap) =>
        AttentionGradientKernel.Scalar(scores, products, logSums, deltas, count, first, end, softCap);

    public override float Softmax(float* scores, int count, int first, int end, float softCap, ref float maximum, ref float sum) =>
        SoftmaxKernel.Scalar(scores, count, first, end, softCap, ref maximum, ref sum);

    public override void Gate(float* gate, float* up, int n, float* result) => RowKernels.GatedGeluScalar(gate, up, n, result);

    public override float Dot(float* x, float* y, int n)
    {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += (double)x[i] * y[i];
        return (float)sum;
    }
}

internal sealed unsafe class VectorGradients<TLanes> : GradientKernels where TLanes : struct, ILanes<TLanes>
{
    public override void RmsNorm(float* x, float* gain, float* gradient, float epsilon, int n, float* result, bool adds, float* gainSum) =>
        RowGradients.RmsNorm<TLanes>(x, gain, gradient, epsilon, n, result, adds, gainSum);

    public override void GatedGelu(float* gate, float* up, float* gradient, int n) => RowGradients.GatedGelu<TLanes>(gate, up, gradient, n);

    public override void Rope(float* x, float* cosines, float* sines, int half, float scale) => RowGradients.Rope<TLanes>(x, cosines, sines, half, scale);

    public override void SoftCap(float* y, float cap, int n, float* gradient) => RowGradients.SoftCap<TLanes>(y, cap, n, gradient);

    public override double CrossEntropy(float* logits, int n, int target, float softCap, float factor) => LossKernel.Vector<TLanes>(logits, n, target, softCap, factor);

    public override void Attention(float* scores, float* products, float* logSums, float* deltas, int count, int first, int end, float softCap) =>
        AttentionGradientKernel.Vector<TLanes>(scores, products, logSums, deltas, count, first, end, softCap);

    public override float Softmax(float* scores, int count, int first, int end, float softCap, ref float maximum, ref float sum) =>
        SoftmaxStep.Vector<TLanes>(scores, count, first, end, softCap, ref maximum, ref sum);

    public override void Gate(float* gate, float* up, int n, float* result) => RowGradients.Gate<TLanes>(gate, up, n, result);

    public override float Dot(float* x, float* y, int n)
    {
        TLanes sum = TLanes.Zero;
        for (int i = 0; i < n; i += 16) sum = TLanes.MultiplyAdd(TLanes.Load(x + i), TLanes.Load(y + i), sum);
        return TLanes.Sum(sum);
    }
}
