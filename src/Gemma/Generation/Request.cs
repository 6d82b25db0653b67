using System.Runtime.InteropServices;
using Gemma.Cpu;

namespace Gemma.Generation;

/// <summary>
/// Ids in an <see cref="Engine"/>: a <see cref="Sequence"/> to be continued, or a text whose logits or hidden states are wanted. What is computed of it and
/// what is not says its cache alone, so that forgetting the cache is all there is to a preemption.
/// </summary>
public abstract class Request
{
    private volatile bool _cancelled;
    private CancellationTokenRegistration _registration;
    private bool _released;

    private protected Request(KvSequence cache, ReadOnlySpan<int> ids, GemmaAdapter? adapter)
    {
        Cache = cache;
        Adapter = adapter;
        Ids.AddRange(ids);
    }

    /// <summary>Ends this request within one step. What it has made so far stays; after its end this does nothing.</summary>
    public void Cancel() => _cancelled = true;

    internal bool IsCancelled => _cancelled;

    internal KvSequence Cache { get; }

    /// <summary>Held from the request's arrival to its end.</summary>
    internal GemmaAdapter? Adapter { get; }

    /// <summary>Ids to compute, of which the cache holds the first.</summary>
    private protected List<int> Ids { get; } = [];

    /// <summary>All ids so far.</summary>
    internal int Length => Ids.Count;

    /// <summary>Ids not computed yet.</summary>
    internal int Remaining => Ids.Count - Cache.Length;

    /// <summary>Ids the scheduler takes into the next pass.</summary>
    internal int Planned { get; set; }

    /// <summary>Guessed ids behind the planned ones: rows of the pass, but no ids of the request yet.</summary>
    internal virtual int Drafted => 0;

    /// <summary>Sits this pass out, as an older request computes what it can take over.</summary>
    internal bool Waits { get; set; }

    /// <summary>Wants hidden states rather than logits.</summary>
    internal virtual bool WantsHidden => false;

    /// <summary>Wants logits of every position rather than of the last.</summary>
    internal virtual bool WantsAllRows => false;

    /// <summary>Puts the planned ids into a batch and returns how many rows it will get back.</summary>
    internal virtual int AddTo(Batch batch)
    {
        int first = Cache.Length, end = first + Planned;
        LogitRows rows = WantsHidden || end <= Delivered ? LogitRows.None : WantsAllRows ? LogitRows.All : end == Ids.Count ? LogitRows.Last : LogitRows.None;
        batch.Add(Cache, CollectionsMarshal.AsSpan(Ids).Slice(first, Planned), rows, Adapter);
        OnComputing();
        return WantsHidden || rows == LogitRows.All ? Planned : rows == LogitRows.Last ? 1 : 0;
    }

    /// <summary>Takes over what the prefix cache holds of the ids to be computed next. Those whose every position is wanted take nothing over.</summary>
    internal virtual void Extend(PrefixCache prefixes) { }

    /// <summary>Leaves the pages filled so far to those who come later.</summary>
    internal virtual void Publish(PrefixCache prefixes) { }

    /// <summary>Whether an older request is about to compute so much of what this one needs next that waiting for it is the shorter way.</summary>
    internal virtual bool WaitsFor(Request older) => false;

    /// <summary>Guesses what follows the one id planned, at most so many ids, where that may pay.</summary>
    internal virtual void Draft(int most, PassTime time, int answers) { }

    internal virtual void DropDraft() { }

    /// <summary>Positions whose rows have been taken already, before a preemption.</summary>
    private protected virtual int Delivered => 0;

    /// <summary>A pass with ids of this request is about to begin.</summary>
    private protected virtual void OnComputing() { }

    /// <summary>Takes the rows of a pass, for the positions up to the end of the cache. Returns whether this was the last that was wanted.</summary>
    internal abstract bool Take(Matrix values, int firstRow, int count);

    /// <summary>All has been taken. The cache is free already.</summary>
    internal abstract void Complete();

    /// <summary>It was cancelled, by its caller or with the engine.</summary>
    internal abstract void CompleteCancelled();

    internal abstract void Fail(Exception error);

    internal void CancelWith(CancellationToken token) => _registration = token.UnsafeRegister(static request => ((Request)request!).Cancel(), this);

    /// <summary>Forgets the caller's token, not waiting for a callback that runs just now, and the adapter.</summary>
    internal void Release()
    {
        _registration.Unregister();
        if (!_released) Adapter?.Release();
        _released = true;
    }
}
