using Gemma.Formats;

namespace Gemma.Tests.Formats;

public class TypeMixTests
{
    [Theory]
    [InlineData("gemma-2b", 18, 9)] // one value head for eight query heads
    [InlineData("gemma-2-2b", 13, 13)] // one for two
    [InlineData("gemma-7b", 14, 14)] // each its own
    public void Of_q4_k_m_values_that_many_query_heads_share_and_some_others_keep_more_bits(string preset, int values, int downs)
    {
        GemmaConfig config = GemmaConfig.Presets[preset];
        Assert.Equal(values, Count(TensorRole.Value));
        Assert.Equal(downs, Count(TensorRole.Down));
        Assert.Equal(1, Count(TensorRole.Embedding));
        Assert.Equal(0, Count(TensorRole.Query) + Count(TensorRole.Key) + Count(TensorRole.Gate) + Count(TensorRole.Up) + Count(TensorRole.AttentionOutput));

        int Count(TensorRole role) => TensorTable.For(config).Count(spec => spec.Role == role && TypeMix.Of(TensorType.Q4_K, spec, config) == TensorType.Q6_K);
    }
}
