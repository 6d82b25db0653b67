namespace Gemma.Cpu.Kernels;

/// <summary>
/// One step of a softmax that sees its scores block by block (Milakov and Gimelshein, arXiv 1805.02867; Dao et al., arXiv 2205.14135): the running maximum and
/// sum are corrected as larger scores appear.
/// </summary>
internal static unsafe class SoftmaxKernel
{
    private const int Lanes = 16;

    /// <param name="scores">[count] scores of a block, replaced by e^(score − maximum), 0 outside [first, end).</param>
    /// <param name="count">Positions of the block, a multiple of 16.</param>
    /// <param name="first">First position of the block that is seen.</param>
    /// <param name="end">One past the last position that is seen.</param>
    /// <param name="softCap">Soft cap of the scores, or 0.</param>
    /// <param name="maximum">Running maximum; −∞ before the first block.</param>
    /// <param name="sum">Running sum of exponentials.</param>
    /// <returns>The factor that what was accumulated so far must be multiplied by.</returns>
    public static float Scalar(float* scores, int count, int first, int end, float softCap, ref float maximum, ref float sum)
    {
        float largest = maximum;
        for (int i = first; i < end; i++)
        {
            if (softCap > 0) scores[i] = softCap * MathF.Tanh(scores[i] / softCap);
            largest = MathF.Max(largest, scores[i]);
        }
        float correction = maximum == largest ? 1 : MathF.Exp(maximum - largest), added = 0;
        for (int i = 0; i < count; i++)
        {
            scores[i] = i >= first && i < end ? MathF.Exp(scores[i] - largest) : 0;
            added += scores[i];
        }
        maximum = largest;
        sum = sum * correction + added;
        return correction;
    }

    /// <inheritdoc cref="Scalar"/>
    public static float Vector<TLanes>(float* scores, int count, int first, int end, float softCap, ref float maximum, ref float sum)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes nothing = TLanes.Broadcast(float.NegativeInfinity), most = nothing;
        for (int i = 0; i < count; i += Lanes)
        {
            TLanes value = TLanes.Load(scores + i);
            if (softCap > 0) value = RowKernels.SoftCap(value, softCap);
            value = TLanes.KeepFirst(nothing, first - i, TLanes.KeepFirst(value, end - i, nothing));
            TLanes.Store(value, scores + i);
            most = TLanes.Max(most, value);
        }
        float largest = MathF.Max(maximum, TLanes.MaxLane(most));
        if (float.IsNegativeInfinity(largest))
        {
            // Nothing of this block is seen and nothing was before it: −∞ − (−∞) would be NaN.
            new Span<float>(scores, count).Clear();
            return 1;
        }
        TLanes shift = TLanes.Broadcast(largest), added = TLanes.Zero;
        for (int i = 0; i < count; i += Lanes)
        {
            TLanes exponential = TLanes.Exp(TLanes.Subtract(TLanes.Load(scores + i), shift));
            TLanes.Store(exponential, scores + i);
            added = TLanes.Add(added, exponential);
        }
        float correction = maximum == largest ? 1 : MathF.Exp(maximum - largest);
        maximum = largest;
        sum = sum * correction + TLanes.Sum(added);
        return correction;
    }

    public static void AccumulateScalar(float* accumulated, float correction, float* added, float weight, int n)
    {
        for (int i = 0; i < n; i++) accumulated[i] = accumulated[i] * correction + added[i] * weight;
    }

    /// <summary>accumulated · correction + added · weight.</summary>
    public static void Accumulate<TLanes>(float* accumulated, float correction, float* added, float weight, int n) where TLanes : struct, ILanes<TLanes>
    {
        TLanes left = TLanes.Broadcast(correction), right = TLanes.Broadcast(weight);
        for (int i = 0; i < n; i += Lanes)
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(accumulated + i), left, TLanes.Multiply(TLanes.Load(added + i), right)), accumulated + i);
    }
}
