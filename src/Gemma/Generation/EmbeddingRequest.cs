using Gemma.Cpu;

namespace Gemma.Generation;

/// <summary>A text whose final hidden states are wanted, their mean scaled to length 1.</summary>
internal sealed class EmbeddingRequest(KvSequence cache, ReadOnlySpan<int> ids, int width, GemmaAdapter? adapter) : Request(cache, ids, adapter)
{
    private readonly TaskCompletionSource<float[]> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly double[] _sum = new double[width];
    private int _delivered;

    public Task<float[]> Completion => _completion.Task;

    internal override bool WantsHidden => true;

    internal override bool Take(Matrix values, int firstRow, int count)
    {
        int first = Cache.Length - count;
        for (int position = Math.Max(first, _delivered); position < Cache.Length; position++)
        {
            ReadOnlySpan<float> hidden = values.Row(firstRow + position - first);
            for (int i = 0; i < _sum.Length; i++) _sum[i] += hidden[i];
        }
        _delivered = Math.Max(_delivered, Cache.Length);
        return _delivered == Length;
    }

    internal override void Complete()
    {
        double norm = Math.Sqrt(_sum.Sum(x => x * x));
        if (!double.IsFinite(norm) || norm == 0)
        {
            _completion.TrySetException(new GemmaException(FormattableString.Invariant(
                $"the hidden states have length {norm}, expected a positive number; the weights are damaged or overflow in the chosen type")));
            return;
        }
        _completion.TrySetResult([.. _sum.Select(x => (float)(x / norm))]);
    }

    internal override void CompleteCancelled() => _completion.TrySetCanceled();

    internal override void Fail(Exception error) => _completion.TrySetException(error);
}
