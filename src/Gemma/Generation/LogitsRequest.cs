using Gemma.Cpu;

namespace Gemma.Generation;

/// <summary>Takes the logits of one position: [vocabulary], valid during the call only.</summary>
public delegate void LogitsCallback(int position, ReadOnlySpan<float> logits);

/// <summary>A text whose logits are wanted at every position, handed out in order as they come.</summary>
internal sealed class LogitsRequest(KvSequence cache, ReadOnlySpan<int> ids, LogitsCallback callback, GemmaAdapter? adapter) : Request(cache, ids, adapter)
{
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _delivered;

    public Task Completion => _completion.Task;

    internal override bool WantsAllRows => true;

    private protected override int Delivered => _delivered;

    internal override bool Take(Matrix values, int firstRow, int count)
    {
        int first = Cache.Length - count;
        for (int position = _delivered; position < Cache.Length; position++) callback(position, values.Row(firstRow + position - first));
        _delivered = Cache.Length;
        return _delivered == Length;
    }

    internal override void Complete() => _completion.TrySetResult();

    internal override void CompleteCancelled() => _completion.TrySetCanceled();

    internal override void Fail(Exception error) => _completion.TrySetException(error);
}
