using Gemma.Cpu;
using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Cpu;

public class AllocationTests
{
    /// <summary>Adds up what each thread of a team has allocated so far.</summary>
    private readonly struct Allocated(long[] bytes) : IWork
    {
        public void Run(int part, int parts) => bytes[part] = GC.GetAllocatedBytesForCurrentThread();
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
            // The first passes make the arena, the lists and the table of angles; a page of 32 positions is taken before and none within the measured ones.
            for (int token = 0; token < 38; token++) Pass(token);
            var count = new Allocated(before);
            model.Team.Run(ref count);
            for (int token = 38; token < 58; token++) Pass(token);
            count = new Allocated(after);
            model.Team.Run(ref count);
            Assert.Equal(before, after);

            void Pass(int token)
            {
                batch.Clear();
                batch.Add(sequence, [token + 5], LogitRows.Last);
                model.Forward(batch);
            }
        }
    }
}
