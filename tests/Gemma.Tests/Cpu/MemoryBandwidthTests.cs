using Gemma.Cpu;

namespace Gemma.Tests.Cpu;

public class MemoryBandwidthTests
{
    [Fact]
    public void A_measurement_is_quick_and_of_the_size_memory_has()
    {
        foreach (int threads in (int[])[1, 0]) Assert.InRange(MemoryBandwidth.Measure(threads), 0.2e9, 5e12);
        Assert.Throws<ArgumentOutOfRangeException>(() => MemoryBandwidth.Measure(-1));
    }
}
