namespace Gemma.Cpu.Kernels;

/// <summary>
/// One step of a softmax that sees its scores page by page (Milakov and Gimelshein, arXiv 1805.02867; Dao et al., arXiv 2205.14135): the running maximum and
/// sum are corrected as larger scores appear.
/// </summary>
internal static unsafe class SoftmaxKernel
{
    /// <param name="scores">[32] scores of a page, replaced by e^(score − maximum), 0 outside [first, end).</param>
    /// <param name="first">First position of the page that is seen.</param>
    /// <param name="end">One past the last position that is seen.</param>
    /// <param name="softCap">Soft cap of the scores, or 0.</param>
    /// <param name="maximum">Running maximum; −∞ before the first page.</param>
    /// <param name="sum">Running sum of exponentials.</param>
    /// <returns>The factor that what was accumulated so far must be multiplied by.</returns>
    public static float Scalar(float* scores, int first, int end, float softCap, ref float maximum, ref float sum)
    {
        float largest = maximum;
        for (int i = first; i < end; i++)
        {
            if (softCap > 0) scores[i] = softCap * MathF.Tanh(scores[i] / softCap);
            largest = MathF.Max(largest, scores[i]);
        }
        float correction = maximum == largest ? 1 : MathF.Exp(maximum - largest), added = 0;
        for (int i = 0; i < 32; i++)
        {
            scores[i] = i >= first && i < end ? MathF.Exp(scores[i] - largest) : 0;
            added += scores[i];
        }
        maximum = largest;
        sum = sum * correction + added;
        return correction;
    }

    /// <inheritdoc cref="Scalar"/>
    public static float Vector<TLanes>(float* scores, int first, int end, float softCap, ref float maximum, ref float sum) where TLanes : struct, ILanes<TLanes>
    {
        TLanes nothing = TLanes.Broadcast(float.NegativeInfinity);
        TLanes low = TLanes.Load(scores), high = TLanes.Load(scores + 16);
        if (softCap > 0)
        {
            low = RowKernels.SoftCap(low, softCap);
            high = RowKernels.SoftCap(high, softCap);
        }
        low = TLanes.KeepFirst(nothing, first, TLanes.KeepFirst(low, end, nothing));
        high = TLanes.KeepFirst(nothing, first - 16, TLanes.KeepFirst(high, end - 16, nothing));
        float largest = MathF.Max(maximum, TLanes.MaxLane(TLanes.Max(low, high)));
        if (float.IsNegativeInfinity(largest))
        {
            // Nothing of this page is seen and nothing was before it: −∞ − (−∞) would be NaN.
            TLanes.Store(TLanes.Zero, scores);
            TLanes.Store(TLanes.Zero, scores + 16);
            return 1;
        }
        TLanes shift = TLanes.Broadcast(largest);
        low = TLanes.Exp(TLanes.Subtract(low, shift));
        high = TLanes.Exp(TLanes.Subtract(high, shift));
        TLanes.Store(low, scores);
        TLanes.Store(high, scores + 16);
        float correction = maximum == largest ? 1 : MathF.Exp(maximum - largest);
        maximum = largest;
        sum = sum * correction + TLanes.Sum(TLanes.Add(low, high));
        return correction;
    }

    public static void AccumulateScalar(float* accumulated, float correction, float* added, int n)
    {
        for (int i = 0; i < n; i++) accumulated[i] = accumulated[i] * correction + added[i];
    }

    /// <summary>accumulated · correction + added.</summary>
    public static void Accumulate<TLanes>(float* accumulated, float correction, float* added, int n) where TLanes : struct, ILanes<TLanes>
    {
        TLanes factor = TLanes.Broadcast(correction);
        for (int i = 0; i < n; i += 16) TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(accumulated + i), factor, TLanes.Load(added + i)), accumulated + i);
    }
}
