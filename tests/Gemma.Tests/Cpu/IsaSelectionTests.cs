using Gemma.Cpu;

namespace Gemma.Tests.Cpu;

public class IsaSelectionTests
{
    [Theory]
    [InlineData("sse9")]
    [InlineData("7")]
    [InlineData("1")]
    [InlineData("avx512,avx2")]
    [InlineData(" ")]
    public void A_tier_that_is_none_is_refused_in_one_line(string forced)
    {
        var refused = Assert.Throws<UsageException>(() => IsaSelection.Resolve(forced));
        Assert.Contains("GEMMA_ISA", refused.Message);
        Assert.Contains("expected scalar, vector128, avx2, avx512 or vnni", refused.Message);
        Assert.DoesNotContain('\n', refused.Message);
    }

    [Fact]
    public void A_tier_this_processor_has_is_taken_and_a_better_one_refused()
    {
        foreach (Isa isa in Enum.GetValues<Isa>())
        {
            if (isa <= IsaSelection.Best)
            {
                Assert.Equal(isa, IsaSelection.Resolve(isa.ToString().ToLowerInvariant()));
                Assert.Equal(isa, IsaSelection.Resolve(isa.ToString()));
            }
            else
            {
                var refused = Assert.Throws<UsageException>(() => IsaSelection.Resolve(isa.ToString()));
                Assert.Contains($"its best is {IsaSelection.Best}", refused.Message);
            }
        }
        Assert.Equal(IsaSelection.Best, IsaSelection.Resolve(null));
        Assert.Equal(IsaSelection.Best, IsaSelection.Resolve(""));
    }
}
