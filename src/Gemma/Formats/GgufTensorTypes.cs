namespace Gemma.Formats;

/// <summary>GGML's numbers for tensor types, as GGUF files hold them.</summary>
internal static class GgufTensorTypes
{
    private static readonly Dictionary<uint, TensorType> Known = new()
    {
        [0] = TensorType.F32,
        [1] = TensorType.F16,
        [2] = TensorType.Q4_0,
        [6] = TensorType.Q5_0,
        [8] = TensorType.Q8_0,
        [12] = TensorType.Q4_K,
        [13] = TensorType.Q5_K,
        [14] = TensorType.Q6_K,
        [30] = TensorType.BF16,
    };

    private static readonly Dictionary<uint, string> Unread = new()
    {
        [3] = "Q4_1",
        [7] = "Q5_1",
        [9] = "Q8_1",
        [10] = "Q2_K",
        [11] = "Q3_K",
        [15] = "Q8_K",
        [16] = "IQ2_XXS",
        [17] = "IQ2_XS",
        [18] = "IQ3_XXS",
        [19] = "IQ1_S",
        [20] = "IQ4_NL",
        [21] = "IQ3_S",
        [22] = "IQ2_S",
        [23] = "IQ4_XS",
        [24] = "I8",
        [25] = "I16",
        [26] = "I32",
        [27] = "I64",
        [28] = "F64",
        [29] = "IQ1_M",
        [34] = "TQ1_0",
        [35] = "TQ2_0",
        [39] = "MXFP4",
        [40] = "NVFP4",
    };

    public static string Names { get; } = string.Join(", ", Known.Values);

    public static TensorType? Find(uint number) => Known.TryGetValue(number, out TensorType type) ? type : null;

    public static uint NumberOf(TensorType type) => Known.First(pair => pair.Value == type).Key;

    /// <summary>Name of a type that is not read here.</summary>
    public static string NameOf(uint number) => Unread.TryGetValue(number, out string? name) ? name : FormattableString.Invariant($"type number {number}");

    /// <summary><c>general.file_type</c>: what most tensors are.</summary>
    public static uint FileType(TensorType type) => type switch
    {
        TensorType.F32 => 0,
        TensorType.F16 => 1,
        TensorType.Q4_0 => 2,
        TensorType.Q8_0 => 7,
        TensorType.Q5_0 => 8,
        TensorType.Q4_K => 15,
        TensorType.Q5_K => 17,
        TensorType.Q6_K => 18,
        TensorType.BF16 => 32,
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };
}
