using Gemma.Cpu.Kernels;

namespace Gemma.Training.Cpu;

/// <summary>A step of a softmax over blocks of scores, as <see cref="SoftmaxKernel"/>, that looks only at what is seen of a block and takes exponentials in fp32.</summary>
internal static unsafe class SoftmaxStep
{
    private const int Lanes = 16;

    /// <inheritdoc cref="SoftmaxKernel.Scalar"/>
    public static float Vector<TLanes>(float* scores, int count, int first, int end, float softCap, ref float maximum, ref float sum) where TLanes : struct, ILanes<TLanes>
    {
        if (first >= end)
        {
            new Span<float>(scores, count).Clear();
            return 1;
        }
        int begin = first / Lanes * Lanes, stop = (end + Lanes - 1) / Lanes * Lanes;
        new Span<float>(scores, begin).Clear();
        new Span<float>(scores + stop, count - stop).Clear();
        TLanes nothing = TLanes.Broadcast(float.NegativeInfinity), most = nothing, zero = TLanes.Zero;
        for (int i = begin; i < stop; i += Lanes)
        {
            TLanes value = TLanes.Load(scores + i);
            if (softCap > 0) TLanes.Store(value = Exponential.SoftCap(value, softCap), scores + i);
            if (i < first || i + Lanes > end) value = TLanes.KeepFirst(nothing, first - i, TLanes.KeepFirst(value, end - i, nothing));
            most = TLanes.Max(most, value);
        }
        float largest = MathF.Max(maximum, TLanes.MaxLane(most));
        TLanes shift = TLanes.Broadcast(largest), added = zero;
        for (int i = begin; i < stop; i += Lanes)
        {
            TLanes exponential = Exponential.Of(TLanes.Subtract(TLanes.Load(scores + i), shift));
            if (i < first || i + Lanes > end) exponential = TLanes.KeepFirst(zero, first - i, TLanes.KeepFirst(exponential, end - i, zero));
            TLanes.Store(exponential, scores + i);
            added = TLanes.Add(added, exponential);
        }
        float correction = maximum == largest ? 1 : MathF.Exp(maximum - largest);
        maximum = largest;
        sum = sum * correction + TLanes.Sum(added);
        return correction;
    }
}
