using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Gemma.Cpu;

/// <summary>Work that a <see cref="ThreadTeam"/> does in parts.</summary>
internal interface IWork
{
    /// <summary>
    /// Does part <paramref name="part"/> of <paramref name="parts"/>. Parts run at the same time, or one after another on the caller's thread where the other threads
    /// come late: none may rely on a thread of its own.
    /// </summary>
    void Run(int part, int parts);
}

/// <summary>
/// Threads that start together and are waited for. A pass forks and joins some hundred times a token, so waiting threads spin for a while before they park:
/// an empty round takes under a microsecond, one from parked threads some fifty.
/// </summary>
/// <remarks>
/// Each thread has its own part, but the caller, when it is done with its own, takes the parts of those that have not begun. So it waits for threads that compute,
/// never for one that the system has yet to wake or to give a processor: on a machine that is busy otherwise, that would be a time slice for each of the rounds.
/// </remarks>
internal sealed unsafe class ThreadTeam : IDisposable
{
    private const int Idle = 0, Working = 1, Disposed = 2;

    // Part p's entry of _begun is at p · Line, so that each has a cache line of its own.
    private const int Line = 8;

    // Looks at the clock are dearer than looks at the flag.
    private const int LooksPerClock = 16;

    /// <summary>How long a thread that waits spins. It bridges the serial parts of a pass and the uneven ends of its parallel ones; then the processor is given back.</summary>
    public static readonly TimeSpan Spin = TimeSpan.FromMicroseconds(50);

    private static readonly long SpinTicks = (long)(Spin.TotalSeconds * Stopwatch.Frequency);

    private readonly Thread?[] _workers;
    private readonly object _parking = new(), _joining = new();

    // The last round in which each part was begun.
    private readonly long[] _begun;
    private Shared _shared;
    private delegate*<void*, int, int, void> _body;
    private void* _work;
    private int _state, _parked;
    private bool _joinParked;
    private Exception? _failure;

    /// <param name="threads">Threads, the caller's included; 0 is one for each processor this process may use.</param>
    public ThreadTeam(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        // More threads than processors only wait for each other.
        Count = threads == 0 ? Environment.ProcessorCount : Math.Min(threads, Environment.ProcessorCount);
        _begun = new long[(Count + 1) * Line];
        _workers = new Thread?[Count - 1];
        try
        {
            for (int i = 0; i < _workers.Length; i++)
            {
                int part = i + 1;
                var worker = new Thread(() => Work(part)) { IsBackground = true, Name = $"gemma {part}" };
                worker.Start();
                _workers[i] = worker;
            }
        }
        catch
        {
            Dispose(); // those that have started would wait for ever
            throw;
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
        int state = Interlocked.CompareExchange(ref _state, Working, Idle);
        ObjectDisposedException.ThrowIf(state == Disposed, this);
        if (state == Working) throw new InvalidOperationException("a thread team runs one piece of work at a time");
        // The caller's may lie on the heap (a lambda's local does), where a collection moves it: threads share one on this stack.
        TWork shared = work;
        _work = Unsafe.AsPointer(ref shared);
        _body = &Invoke<TWork>;
        _shared.Pending = _workers.Length;
        long round = _shared.Round + 1;
        Interlocked.Exchange(ref _shared.Round, round);
        bool interrupted = Volatile.Read(ref _parked) > 0 && !TryWake();
        Do(0);
        for (int part = 1; part < Count; part++)
            if (TryBegin(part, round)) End(part);
        interrupted |= !TryJoin();
        work = shared;
        Exception? failure = _failure;
        _failure = null;
        Volatile.Write(ref _state, Idle);
        if (interrupted) Thread.CurrentThread.Interrupt();
        if (failure is not null) ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Ends the threads; waits for work that runs.</summary>
    public void Dispose()
    {
        var wait = new SpinWait();
        int state;
        while ((state = Interlocked.CompareExchange(ref _state, Disposed, Idle)) == Working) wait.SpinOnce();
        if (state == Disposed) return;
        Interlocked.Exchange(ref _shared.Round, -1);
        lock (_parking) Monitor.PulseAll(_parking);
        foreach (Thread? worker in _workers) worker?.Join();
    }

    private static void Invoke<TWork>(void* work, int part, int parts) where TWork : struct, IWork => Unsafe.AsRef<TWork>(work).Run(part, parts);

    private void Work(int part)
    {
        for (long round = 0; (round = WaitForRoundAfter(round)) > 0;)
            if (TryBegin(part, round)) End(part);
    }

    /// <summary>
    /// Whether the part is left to begin in this round. A thread that comes late, even rounds late, finds it begun, and touches nothing of work that may be gone.
    /// </summary>
    private bool TryBegin(int part, long round) => Interlocked.CompareExchange(ref _begun[part * Line], round, round - 1) == round - 1;

    private void Do(int part)
    {
        try
        {
            _body(_work, part, Count);
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
        }
    }

    private void End(int part)
    {
        Do(part);
        if (Interlocked.Decrement(ref _shared.Pending) > 0 || !Volatile.Read(ref _joinParked)) return;
        lock (_joining) Monitor.Pulse(_joining);
    }

    private long WaitForRoundAfter(long seen)
    {
        long now, end = Stopwatch.GetTimestamp() + SpinTicks;
        do
        {
            for (int look = 0; look < LooksPerClock; look++)
            {
                if ((now = Volatile.Read(ref _shared.Round)) != seen) return now;
                Thread.SpinWait(1);
            }
        }
        while (Stopwatch.GetTimestamp() < end);
        lock (_parking)
        {
            // Counted before the last look: the caller either sees the count and pulses, or has moved the round already.
            Interlocked.Increment(ref _parked);
            while ((now = Volatile.Read(ref _shared.Round)) == seen) Monitor.Wait(_parking);
            Interlocked.Decrement(ref _parked);
        }
        return now;
    }

    /// <summary>False where <see cref="Thread.Interrupt"/> came between; the parts of those that sleep on are then the caller's.</summary>
    private bool TryWake()
    {
        try
        {
            lock (_parking) Monitor.PulseAll(_parking);
            return true;
        }
        catch (ThreadInterruptedException)
        {
            return false;
        }
    }

    /// <summary>Waits for the parts that other threads have begun. They read the caller's stack, so an interruption has to wait as well: false where there was one.</summary>
    private bool TryJoin()
    {
        long end = Stopwatch.GetTimestamp() + SpinTicks;
        do
        {
            for (int look = 0; look < LooksPerClock; look++)
            {
                if (Volatile.Read(ref _shared.Pending) == 0) return true;
                Thread.SpinWait(1);
            }
        }
        while (Stopwatch.GetTimestamp() < end);
        // Parked rather than yielding: the missing thread may wait behind another program, and it is an idle processor that the system moves it to.
        bool interrupted = false;
        while (Volatile.Read(ref _shared.Pending) > 0)
        {
            try
            {
                lock (_joining)
                {
                    Volatile.Write(ref _joinParked, true);
                    Interlocked.MemoryBarrier();
                    while (Volatile.Read(ref _shared.Pending) > 0) Monitor.Wait(_joining);
                }
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true;
            }
        }
        _joinParked = false;
        return !interrupted;
    }

    /// <summary>What threads look at while they spin, away from what others write.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 192)]
    private struct Shared
    {
        /// <summary>Rounds so far; −1 when the threads are to end.</summary>
        [FieldOffset(64)]
        public long Round;

        /// <summary>Parts of this round, the caller's own aside, that are not done.</summary>
        [FieldOffset(128)]
        public int Pending;
    }
}
