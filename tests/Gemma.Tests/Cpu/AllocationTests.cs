using Gemma.Cpu;
using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Cpu;

public class AllocationTests
{
    /// <summary>
    /// What each thread of a team has allocated so far. The caller's part waits until the others are begun: it would take those of threads that come late.
    /// </summary>
    private readonly struct Allocated(long[] bytes, int[] begun) : IWork
    {
        public void Run(int part, int parts)
        {
            bytes[part] = GC.GetAllocatedBytesForCurrentThread();
            Interlocked.Increment(ref begun[0]);
            while (part == 0 && Volatile.Read(ref begun[0]) < parts) Thread.Yield();
        }
    }

    private readonly int[] _begun = new int[1];

    private void Count(GemmaModel model, long[] bytes)
    {
        _begun[0] = 0;
        var count = new Allocated(bytes, _begun);
        model.Team.Run(ref count);
    }

    [Theory]
    [InlineData(WeightType.F32)]
    [InlineData(WeightType.BF16)]
    [InlineData(WeightType.Q8)]
    [InlineData(WeightType.Q4)]
    public void Decode_allocates_nothing_on_any_thread(WeightType type)
    {
        foreach (string name in Golden.Models)
        {
            using GemmaModel model = Golden.Load(name, type: type);
            using KvCache cache = model.CreateCache(128);
            using KvSequence sequence = cache.CreateSequence();
            var batch = new Batch();
            long[] before = new long[model.Threads], after = new long[model.Threads];
            // The first passes make the arena, the lists and the table of angles; a page of 32 positions is taken before and none within the measured ones. What the
            // runtime allocates once, when it compiles a method anew, is no token's: of three stretches one has to be free of it.
            int token = 0;
            foreach (int begin in (int[])[38, 66, 98])
            {
                while (token < begin) Pass(token++);
                Count(model, before);
                while (token < begin + 20) Pass(token++);
                Count(model, after);
                if (before.SequenceEqual(after)) break;
            }
            Assert.Equal(before, after);

            void Pass(int token)
            {
                batch.Clear();
                batch.Add(sequence, [token + 5], LogitRows.Last);
                model.Forward(batch);
            }
        }
    }

    /// <summary>
    /// Once the cache is full, so that pages and what the prefix cache notes of them are used again, and the lists of the ids have their size. What the text of an
    /// answer takes is the answer's own.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public void Answers_of_an_engine_allocate_nothing_on_any_thread(int draftTokens)
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        using var engine = new Engine(model, new EngineOptions { RunInBackground = false, CachePositions = 4 * 256 });
        // Half of all tokens are one of two, so that guesses are right now and then.
        var options = new GenerationOptions
        {
            TopP = 0.95f,
            TopK = 40,
            IgnoreEos = true,
            DraftTokens = draftTokens,
            LogitBias = new Dictionary<int, float> { [100] = 5, [101] = 5 },
        };
        long[] before = new long[model.Threads], after = new long[model.Threads];
        for (int round = 0; round < 4; round++)
        {
            Sequence[] sequences = [.. Enumerable.Range(0, 4).Select(i => engine.Submit([2, 3 + i], options with { Seed = (ulong)(10 * round + i) }))];
            IAsyncEnumerator<GeneratedToken>[] streams = [.. sequences.Select(sequence => sequence.GetAsyncEnumerator(TestContext.Current.CancellationToken))];
            int[] read = new int[sequences.Length];
            while (sequences.Any(sequence => sequence.Length < 130)) Step();
            int accepted = sequences.Sum(sequence => sequence.AcceptedTokens), first = sequences.Sum(sequence => sequence.Length);
            Count(model, before);
            for (int step = 0; step < (draftTokens == 0 ? 100 : 10); step++) Step();
            Count(model, after);
            Assert.All(sequences, sequence => Assert.False(sequence.Completion.IsCompleted));
            Assert.True(sequences.Sum(sequence => sequence.Length) - first >= (draftTokens == 0 ? 400 : 40));
            if (draftTokens > 0) Assert.True(sequences.Sum(sequence => sequence.AcceptedTokens) > accepted);
            foreach (Sequence sequence in sequences) sequence.Cancel();
            engine.Step();
            if (round >= 2) Assert.Equal(before, after);

            void Step()
            {
                engine.Step();
                for (int i = 0; i < sequences.Length; i++)
                {
                    for (; read[i] < sequences[i].Length - 2; read[i]++)
                    {
                        ValueTask<bool> next = streams[i].MoveNextAsync();
                        if (!next.IsCompletedSuccessfully || !next.Result) throw new InvalidOperationException("a token that was made is not in the stream");
                    }
                }
            }
        }
    }
}
