namespace Gemma.Formats;

/// <summary>Which matrices get more bits than the rest where a whole model is brought to a few.</summary>
internal static class TypeMix
{
    /// <summary>
    /// Q4_0: the tied embedding, which is also the head, is Q8_0. Q4_K: it is Q6_K, and so are value and down projections of the first and the last eighth of the
    /// layers and of every third between, which is the rule of the files that are called Q4_K_M, and all value projections whose heads serve four query heads or
    /// more: each error there counts as often, and they are a thousandth of the weights. Other types: all the same.
    /// </summary>
    public static TensorType Of(TensorType type, TensorSpec spec, GemmaConfig config) => (type, spec.Role) switch
    {
        (TensorType.Q4_0, TensorRole.Embedding) => TensorType.Q8_0,
        (TensorType.Q4_K, TensorRole.Embedding) => TensorType.Q6_K,
        (TensorType.Q4_K, TensorRole.Value) when config.HeadCount >= 4 * config.KeyValueHeadCount => TensorType.Q6_K,
        (TensorType.Q4_K, TensorRole.Value or TensorRole.Down) when MattersMore(spec.Layer, config.LayerCount) => TensorType.Q6_K,
        _ => type,
    };

    private static bool MattersMore(int layer, int layers) => layer < layers / 8 || layer >= layers * 7 / 8 || (layer - layers / 8) % 3 == 2;
}
