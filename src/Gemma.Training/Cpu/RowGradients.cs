using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>Gradients of <see cref="RowKernels"/>.</summary>
internal static unsafe class RowGradients
{
    private const int Lanes = 16;

    // √(2/π), of the tanh form of GELU.
    private const float GeluScale = 0.7978845608028654f;
    private const float GeluCubic = 0.044715f;

    public static void RmsNormScalar(float* x, float* gain, float* gradient, float epsilon, int n, float* result, bool adds, float* gainSum)
    {
        double squares = 0, product = 0;
        for (int i = 0; i < n; i++)
        {
            squares += (double)x[i] * x[i];
            product += (double)x[i] * gain[i] * gradient[i];
        }
        double scale = 1 / Math.Sqrt(squares / n + epsilon), factor = scale * scale * scale * product / n;
        for (int i = 0; i < n; i++)
        {
            if (gainSum is not null) gainSum[i] += (float)(gradient[i] * x[i] * scale);
            var value = (float)(scale * gain[i] * gradient[i] - factor * x[i]);
            result[i] = adds ? result[i] + value : value;
        }
    }

    public static void RmsNorm<TLanes>(float* x, float* gain, float* gradient, float epsilon, int n, float* result, bool adds, float* gainSum)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes squares = TLanes.Zero, products = TLanes.Zero;
        for (int i = 0; i < n; i += Lanes)
        {
            TLanes value = TLanes.Load(x + i);
            squares = TLanes.MultiplyAdd(value, value, squares);
            products = TLanes.MultiplyAdd(TLanes.Multiply(value, TLanes.Load(gain + i)), TLanes.Load(gradient + i), products);
        }
        float root = 1 / MathF.Sqrt(TLanes.Sum(squares) / n + epsilon);
        TLanes scale = TLanes.Broadcast(root), factor = TLanes.Broadcast(-root * root * root * TLanes.Sum(products) / n);
        for (int i = 0; i < n; i += Lanes)
        {
            TLanes value = TLanes.Load(x + i), scaled = TLanes.Multiply(scale, TLanes.Load(gradient + i));
            if (gainSum is not null) TLanes.Store(TLanes.MultiplyAdd(scaled, value, TLanes.Load(gainSum + i)), gainSum + i);
            TLanes sum = TLanes.MultiplyAdd(scaled, TLanes.Load(gain + i), TLanes.Multiply(factor, value));
            TLanes.Store(adds ? TLanes.Add(TLanes.Load(result + i), sum) : sum, result + i);
        }
    }

    public static void GatedGeluScalar(float* gate, float* up, float* gradient, int n)
    {
        for (int i = 0; i < n; i++)
        {
            float x = gate[i], tanh = MathF.Tanh(GeluScale * (x + GeluCubic * x * x * x));
            float slope = 0.5f * (1 + tanh) + 0.5f * x * (1 - tanh * tanh) * GeluScale * (1 + 3 * GeluCubic * x * x);
            gate[i] = gradient[i] * up[i] * slope;
            up[i] = gradient[i] * 0.5f * x * (1 + tanh);
        }
    }

    /// <summary>With s = ½(1 + tanh z) = 1 / (1 + e^−2z) the slope of x · s is s + x · 2 s (1 − s) · z'.</summary>
    public static void GatedGelu<TLanes>(float* gate, float* up, float* gradient, int n) where TLanes : struct, ILanes<TLanes>
    {
        TLanes cubic = TLanes.Broadcast(GeluCubic), cubic3 = TLanes.Broadcast(3 * GeluCubic), scale = TLanes.Broadcast(-2 * GeluScale), twice = TLanes.Broadcast(2 * GeluScale),
            one = TLanes.Broadcast(1);
        for (int i = 0; i < n; i += Lanes)
        {
            TLanes x = TLanes.Load(gate + i), given = TLanes.Load(gradient + i), square = TLanes.Multiply(x, x);
            TLanes inner = TLanes.MultiplyAdd(TLanes.Multiply(square, x), cubic, x);
            TLanes sigmoid = TLanes.Divide(one, TLanes.Add(one, Exponential.Of(TLanes.Multiply(inner, scale))));
            TLanes gelu = TLanes.Multiply(x, sigmoid);
            TLanes bend = TLanes.Multiply(TLanes.Multiply(gelu, TLanes.Subtract(one, sigmoid)), TLanes.Multiply(twice, TLanes.MultiplyAdd(cubic3, square, one)));
            TLanes.Store(TLanes.Multiply(TLanes.Multiply(given, TLanes.Load(up + i)), TLanes.Add(sigmoid, bend)), gate + i);
            TLanes.Store(TLanes.Multiply(given, gelu), up + i);
        }
    }

    /// <summary>gelu_tanh(gate) · up, as <see cref="RowKernels.GatedGeluScalar"/>.</summary>
    public static void Gate<TLanes>(float* gate, float* up, int n, float* result) where TLanes : struct, ILanes<TLanes>
    {
        TLanes cubic = TLanes.Broadcast(GeluCubic), scale = TLanes.Broadcast(-2 * GeluScale), one = TLanes.Broadcast(1);
        for (int i = 0; i < n; i += Lanes)
        {
            TLanes x = TLanes.Load(gate + i);
            TLanes inner = TLanes.MultiplyAdd(TLanes.Multiply(TLanes.Multiply(x, x), x), cubic, x);
            TLanes gelu = TLanes.Divide(x, TLanes.Add(one, Exponential.Of(TLanes.Multiply(inner, scale))));
            TLanes.Store(TLanes.Multiply(gelu, TLanes.Load(up + i)), result + i);
        }
    }

    public static void RopeScalar(float* x, float* cosines, float* sines, int half, float scale)
    {
        for (int i = 0; i < half; i++)
        {
            float a = x[i], b = x[i + half];
            x[i] = (a * cosines[i] + b * sines[i]) * scale;
            x[i + half] = (b * cosines[i] - a * sines[i]) * scale;
        }
    }

    public static void Rope<TLanes>(float* x, float* cosines, float* sines, int half, float scale) where TLanes : struct, ILanes<TLanes>
    {
        if (half % Lanes != 0)
        {
            RopeScalar(x, cosines, sines, half, scale);
            return;
        }
        TLanes factor = TLanes.Broadcast(scale);
        for (int i = 0; i < half; i += Lanes)
        {
            TLanes a = TLanes.Load(x + i), b = TLanes.Load(x + i + half), cos = TLanes.Load(cosines + i), sin = TLanes.Load(sines + i);
            TLanes.Store(TLanes.Multiply(TLanes.MultiplyAdd(a, cos, TLanes.Multiply(b, sin)), factor), x + i);
            TLanes.Store(TLanes.Multiply(TLanes.Subtract(TLanes.Multiply(b, cos), TLanes.Multiply(a, sin)), factor), x + i + half);
        }
    }

    public static void SoftCapScalar(float* y, float cap, int n, float* gradient)
    {
        for (int i = 0; i < n; i++)
        {
            float tanh = y[i] / cap;
            gradient[i] *= 1 - tanh * tanh;
        }
    }

    public static void SoftCap<TLanes>(float* y, float cap, int n, float* gradient) where TLanes : struct, ILanes<TLanes>
    {
        TLanes inverse = TLanes.Broadcast(1 / cap), one = TLanes.Broadcast(1);
        int i = 0;
        for (; i + Lanes <= n; i += Lanes)
        {
            TLanes tanh = TLanes.Multiply(TLanes.Load(y + i), inverse);
            TLanes.Store(TLanes.Multiply(TLanes.Load(gradient + i), TLanes.Subtract(one, TLanes.Multiply(tanh, tanh))), gradient + i);
        }
        SoftCapScalar(y + i, cap, n - i, gradient + i);
    }
}
