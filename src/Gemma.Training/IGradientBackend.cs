namespace Gemma.Training;

/// <summary>
/// A backend that a <see cref="Tape{T}"/> can run backwards: for each operation of <see cref="IBackend{T}"/> its gradient. Of the operations themselves only
/// <see cref="IBackend{T}.Rope"/> and <see cref="IBackend{T}.SoftCap"/> compute in place here, since a backward pass reads the arguments of the others.
/// </summary>
/// <remarks>
/// Where a gradient has a parameter <c>sum</c>, it is added to that matrix, which is returned; where it is null a new one is. Which values to keep, and when they
/// are no longer needed, the tape decides: it gives each back through <see cref="Free"/> exactly once.
/// </remarks>
/// <typeparam name="T">A matrix on this backend, activation, weight or gradient.</typeparam>
public interface IGradientBackend<T> : IBackend<T> where T : class
{
    /// <summary>As <see cref="IBackend{T}.GatedLinear(T, T)"/>, also giving x · gateUpᵀ, which its gradient reads.</summary>
    T GatedLinear(T x, T gateUp, out T products);

    /// <summary>gelu_tanh(left half) ⊙ right half.</summary>
    T Gate(T products);

    /// <summary>Adds to a linear map's result what an adapter makes of the same input: scale · dropout(x) · downᵀ · up.</summary>
    /// <param name="x">[tokens, inputs]</param>
    /// <param name="update">The adapter's matrices.</param>
    /// <param name="seed">What dropout is drawn from; null drops nothing.</param>
    /// <param name="result">[tokens, outputs]</param>
    /// <returns>scale · dropout(x) · downᵀ, which the gradient reads.</returns>
    T AddLowRank(T x, LowRankUpdate<T> update, ulong? seed, T result);

    /// <summary>Adds the gradients of an adapter's matrices to theirs, and that of the input to <paramref name="sum"/> unless it is null.</summary>
    void LowRankGradient(T x, T projected, LowRankUpdate<T> update, ulong? seed, T gradient, T? sum);

    /// <summary>As <see cref="IBackend{T}.Attention(T, Batch, in AttentionShape)"/>, also giving ln Σ e^score of each head and token, from which the gradient computes the weights anew.</summary>
    T Attention(T qkv, Batch batch, in AttentionShape shape, out T logSums);

    /// <summary>Adds scale · gradient to the rows of the table's gradient that the tokens name.</summary>
    void EmbedGradient(T gradient, ReadOnlySpan<int> tokens, float scale, T tableSum);

    /// <summary>The gradient of the input; that of the gain is added to <paramref name="gainSum"/> unless it is null.</summary>
    T RmsNormGradient(T x, T gain, T gradient, T? sum, T? gainSum);

    /// <summary>gradient · weight.</summary>
    T LinearGradient(T weight, T gradient, T? sum);

    /// <summary>gradientᵀ · x.</summary>
    T WeightGradient(T x, T gradient, T? sum);

    /// <summary>The gradient of <paramref name="products"/>, written over them; <paramref name="gradient"/> is that of the gated result.</summary>
    T GateGradient(T products, T gradient);

    /// <summary>The gradient of the input, written over <paramref name="gradient"/>.</summary>
    T HeadNormGradient(T qkv, T queryGain, T keyGain, T gradient, in AttentionShape shape, T? queryGainSum, T? keyGainSum);

    /// <summary>The gradient of the input, written over <paramref name="gradient"/>.</summary>
    T RopeGradient(T gradient, ReadOnlySpan<int> positions, in AttentionShape shape);

    /// <summary>The gradient of queries, keys and values.</summary>
    T AttentionGradient(T qkv, T result, T logSums, T gradient, Batch batch, in AttentionShape shape);

    /// <summary>Adds the rows of the gradient to those rows, of <paramref name="count"/>, that they were taken from.</summary>
    T RowsGradient(T gradient, ReadOnlySpan<int> rows, int count, T? sum);

    /// <summary>The gradient of the input, written over <paramref name="gradient"/>; <paramref name="result"/> is the operation's.</summary>
    T SoftCapGradient(T result, float cap, T gradient);

    /// <summary>
    /// The loss of predicting the targets from hidden · headᵀ, a few rows at a time: logits of all rows never exist together. Gradients are computed at once, while
    /// the logits are there.
    /// </summary>
    /// <param name="hidden">[rows, width]</param>
    /// <param name="head">[vocabulary, width]</param>
    /// <param name="targets">For each row an id.</param>
    /// <param name="weights">For each row the factor on its loss.</param>
    /// <param name="softCap">cap · tanh(logit / cap); 0 is none.</param>
    /// <param name="gradientScale">Factor on the gradients: 1 / (weights of the whole step) for those of its mean. 0 computes none.</param>
    /// <param name="hiddenGradient">The gradient of <paramref name="hidden"/>; null where none is computed.</param>
    /// <param name="headSum">The head's gradient is added to it unless it is null.</param>
    /// <param name="rowLosses">Takes each row's loss, not weighted, unless it is empty.</param>
    Loss CrossEntropy(T hidden, T head, ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, float softCap, float gradientScale, out T? hiddenGradient, T? headSum,
        Span<double> rowLosses);

    /// <summary>sum += added.</summary>
    void AddTo(T sum, T added);

    T Copy(T x);

    int RowCount(T x);

    /// <summary>Gives back a value that an operation returned.</summary>
    void Free(T value);
}
