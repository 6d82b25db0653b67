namespace Gemma.Cpu.Kernels;

/// <summary>Operations on one row of activations; n is a multiple of 16 for the vector forms.</summary>
internal static unsafe class RowKernels
{
    private const int Lanes = 16;

    // √(2/π), of the tanh form of GELU.
    private const float GeluScale = 0.7978845608028654f;
    private const float GeluCubic = 0.044715f;

    public static void RmsNormScalar(float* x, float* gain, float epsilon, int n, float* result)
    {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += (double)x[i] * x[i];
        float scale = 1 / MathF.Sqrt((float)(sum / n) + epsilon);
        for (int i = 0; i < n; i++) result[i] = x[i] * scale * gain[i];
    }

    /// <summary>x · rsqrt(mean x² + ε) · gain (Zhang and Sennrich, arXiv 1910.07467).</summary>
    public static void RmsNorm<TLanes>(float* x, float* gain, float epsilon, int n, float* result) where TLanes : struct, ILanes<TLanes>
    {
        TLanes squares = TLanes.Zero;
        for (int i = 0; i < n; i += Lanes)
        {
            TLanes value = TLanes.Load(x + i);
            squares = TLanes.MultiplyAdd(value, value, squares);
        }
        TLanes scale = TLanes.Broadcast(1 / MathF.Sqrt(TLanes.Sum(squares) / n + epsilon));
        for (int i = 0; i < n; i += Lanes) TLanes.Store(TLanes.Multiply(TLanes.Multiply(TLanes.Load(x + i), scale), TLanes.Load(gain + i)), result + i);
    }

    public static void GatedGeluScalar(float* gate, float* up, int n, float* result)
    {
        for (int i = 0; i < n; i++)
        {
            float x = gate[i];
            result[i] = 0.5f * x * (1 + MathF.Tanh(GeluScale * (x + GeluCubic * x * x * x))) * up[i];
        }
    }

    /// <summary>gelu_tanh(gate) · up, with ½(1 + tanh z) written as 1 / (1 + e^−2z) (Hendrycks and Gimpel, arXiv 1606.08415).</summary>
    public static void GatedGelu<TLanes>(float* gate, float* up, int n, float* result) where TLanes : struct, ILanes<TLanes>
    {
        TLanes cubic = TLanes.Broadcast(GeluCubic), scale = TLanes.Broadcast(-2 * GeluScale), one = TLanes.Broadcast(1);
        for (int i = 0; i < n; i += Lanes)
        {
            TLanes x = TLanes.Load(gate + i);
            TLanes inner = TLanes.MultiplyAdd(TLanes.Multiply(TLanes.Multiply(x, x), x), cubic, x);
            TLanes gelu = TLanes.Divide(x, TLanes.Add(one, TLanes.Exp(TLanes.Multiply(inner, scale))));
            TLanes.Store(TLanes.Multiply(gelu, TLanes.Load(up + i)), result + i);
        }
    }

    public static void SoftCapScalar(float* x, float cap, int n, float* result)
    {
        for (int i = 0; i < n; i++) result[i] = cap * MathF.Tanh(x[i] / cap);
    }

    /// <summary>cap · tanh(x / cap), with tanh z written as 1 − 2 / (1 + e^2z); the last n mod 16 values go through the scalar form.</summary>
    public static void SoftCap<TLanes>(float* x, float cap, int n, float* result) where TLanes : struct, ILanes<TLanes>
    {
        int i = 0;
        for (; i + Lanes <= n; i += Lanes) TLanes.Store(SoftCap(TLanes.Load(x + i), cap), result + i);
        SoftCapScalar(x + i, cap, n - i, result + i);
    }

    public static TLanes SoftCap<TLanes>(TLanes x, float cap) where TLanes : struct, ILanes<TLanes>
    {
        TLanes one = TLanes.Broadcast(1);
        TLanes exponential = TLanes.Exp(TLanes.Multiply(x, TLanes.Broadcast(2 / cap)));
        TLanes tanh = TLanes.Subtract(one, TLanes.Divide(TLanes.Broadcast(2), TLanes.Add(one, exponential)));
        return TLanes.Multiply(tanh, TLanes.Broadcast(cap));
    }

    public static void RopeScalar(float* x, float* cosines, float* sines, int half, float scale, float* result)
    {
        for (int i = 0; i < half; i++)
        {
            float a = x[i], b = x[i + half];
            result[i] = (a * cosines[i] - b * sines[i]) * scale;
            result[i + half] = (b * cosines[i] + a * sines[i]) * scale;
        }
    }

    /// <summary>Rotates the pairs (i, i + half) of one head, then scales (Su et al., arXiv 2104.09864, in its half-split form).</summary>
    public static void Rope<TLanes>(float* x, float* cosines, float* sines, int half, float scale, float* result) where TLanes : struct, ILanes<TLanes>
    {
        if (half % Lanes != 0)
        {
            RopeScalar(x, cosines, sines, half, scale, result);
            return;
        }
        TLanes factor = TLanes.Broadcast(scale);
        for (int i = 0; i < half; i += Lanes)
        {
            TLanes a = TLanes.Load(x + i), b = TLanes.Load(x + i + half), cos = TLanes.Load(cosines + i), sin = TLanes.Load(sines + i);
            TLanes.Store(TLanes.Multiply(TLanes.Subtract(TLanes.Multiply(a, cos), TLanes.Multiply(b, sin)), factor), result + i);
            TLanes.Store(TLanes.Multiply(TLanes.MultiplyAdd(a, sin, TLanes.Multiply(b, cos)), factor), result + i + half);
        }
    }

    public static void AddScalar(float* x, float* y, int n, float* result)
    {
        for (int i = 0; i < n; i++) result[i] = x[i] + y[i];
    }

    public static void Add<TLanes>(float* x, float* y, int n, float* result) where TLanes : struct, ILanes<TLanes>
    {
        for (int i = 0; i < n; i += Lanes) TLanes.Store(TLanes.Add(TLanes.Load(x + i), TLanes.Load(y + i)), result + i);
    }

    public static void ScaleScalar(float* x, float factor, int n, float* result)
    {
        for (int i = 0; i < n; i++) result[i] = x[i] * factor;
    }

    public static void Scale<TLanes>(float* x, float factor, int n, float* result) where TLanes : struct, ILanes<TLanes>
    {
        TLanes scale = TLanes.Broadcast(factor);
        for (int i = 0; i < n; i += Lanes) TLanes.Store(TLanes.Multiply(TLanes.Load(x + i), scale), result + i);
    }
}
