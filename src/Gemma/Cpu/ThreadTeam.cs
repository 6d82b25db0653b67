using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Gemma.Cpu;

/// <summary>Work that a <see cref="ThreadTeam"/> does in parts, each on a thread of its own.</summary>
internal interface IWork
{
    /// <summary>Does part <paramref name="part"/> of <paramref name="parts"/>; runs on all threads at once.</summary>
    void Run(int part, int parts);
}

/// <summary>
/// Threads that start together and are waited for. A pass forks and joins some hundred times a token, so waiting threads spin for a while before they park:
/// an empty round takes under a microsecond, one from parked threads some fifty.
/// </summary>
internal sealed unsafe class ThreadTeam : IDisposable
{
    // About 50 µs of spinning, which bridges the serial parts of a pass; then the processor is given back.
    private const int SpinRounds = 2000;

    private readonly Thread[] _workers;
    private readonly object _parking = new();
    private delegate*<void*, int, int, void> _body;
    private void* _work;
    private int _generation, _pending, _parked, _busy;
    private volatile bool _stopping;
    private Exception? _failure;

    /// <param name="threads">Threads, the caller's included; 0 is one for each processor this process may use.</param>
    public ThreadTeam(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        // More threads than processors only wait for each other.
        Count = threads == 0 ? Environment.ProcessorCount : Math.Min(threads, Environment.ProcessorCount);
        _workers = new Thread[Count - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            int part = i + 1;
            _workers[i] = new Thread(() => Work(part)) { IsBackground = true, Name = $"gemma {part}" };
            _workers[i].Start();
        }
    }

    /// <summary>Threads, the caller's included.</summary>
    public int Count { get; }

    /// <summary>Runs all parts and returns when the last is done; what a part throws, this throws.</summary>
    public void Run<TWork>(ref TWork work) where TWork : struct, IWork
    {
        if (_workers.Length == 0)
        {
            work.Run(0, 1);
            return;
        }
        ObjectDisposedException.ThrowIf(_stopping, this);
        if (Interlocked.Exchange(ref _busy, 1) != 0) throw new InvalidOperationException("a thread team runs one piece of work at a time, and none when it is disposed");
        // The work is a local of some caller: it stays where it is until the last part is done.
        _work = Unsafe.AsPointer(ref work);
        _body = &Invoke<TWork>;
        _pending = _workers.Length;
        Interlocked.Increment(ref _generation);
        if (Volatile.Read(ref _parked) > 0)
            lock (_parking) Monitor.PulseAll(_parking);
        try
        {
            work.Run(0, Count);
        }
        catch (Exception failure)
        {
            _failure = failure;
        }
        for (int round = 0; Volatile.Read(ref _pending) != 0; round++)
        {
            // On a busy machine the missing part may be waiting for this very processor.
            if (round < SpinRounds) Thread.SpinWait(4);
            else Thread.Yield();
        }
        Exception? thrown = Interlocked.Exchange(ref _failure, null);
        Volatile.Write(ref _busy, 0);
        if (thrown is not null) ExceptionDispatchInfo.Throw(thrown);
    }

    /// <summary>Waits for work that runs.</summary>
    public void Dispose()
    {
        if (_stopping) return;
        // A worker that left now would not do its part, and who runs the work would wait for ever.
        while (Interlocked.Exchange(ref _busy, 1) != 0) Thread.Yield();
        _stopping = true;
        Interlocked.Increment(ref _generation);
        lock (_parking) Monitor.PulseAll(_parking);
        foreach (Thread worker in _workers) worker.Join();
    }

    private static void Invoke<TWork>(void* work, int part, int parts) where TWork : struct, IWork => Unsafe.AsRef<TWork>(work).Run(part, parts);

    private void Work(int part)
    {
        for (int seen = 0; ;)
        {
            seen = WaitForChange(seen);
            if (_stopping) return;
            try
            {
                _body(_work, part, Count);
            }
            catch (Exception failure)
            {
                Interlocked.CompareExchange(ref _failure, failure, null);
            }
            Interlocked.Decrement(ref _pending);
        }
    }

    private int WaitForChange(int seen)
    {
        for (int round = 0; round < SpinRounds; round++)
        {
            int now = Volatile.Read(ref _generation);
            if (now != seen) return now;
            Thread.SpinWait(4);
        }
        lock (_parking)
        {
            // Counted before the last look: the caller either sees the count and pulses, or has moved the generation already.
            Interlocked.Increment(ref _parked);
            while (Volatile.Read(ref _generation) == seen) Monitor.Wait(_parking);
            Interlocked.Decrement(ref _parked);
        }
        return Volatile.Read(ref _generation);
    }
}
