using CsCheck;

namespace Gemma.Tests.Cpu;

/// <summary>Kinds of numbers that kernels meet: what models hold, and what breaks careless code.</summary>
internal static class Numbers
{
    private static readonly Gen<float> Ordinary = Gen.Float[-4, 4];
    private static readonly Gen<float> Wide = Gen.Select(Gen.Float[-1, 1], Gen.Int[-50, 50], (x, power) => MathF.ScaleB(x, power));
    private static readonly Gen<float> Denormal = Gen.Int[-100, 100].Select(i => i * float.Epsilon);
    private static readonly Gen<float> Whole = Gen.Int[-127, 127].Select(i => (float)i);

    private static readonly Gen<float> Sparse = Gen.Frequency((9, Gen.Const(0f)), (1, Ordinary));
    private static readonly Gen<float> Outliers = Gen.Frequency((30, Ordinary), (1, Gen.Float[-1e4f, 1e4f]));
    private static readonly Gen<float>[] Kinds = [Ordinary, Wide, Denormal, Gen.Const(0f), Whole, Sparse, Outliers];
    private static readonly Gen<float>[] WeightKinds = [Ordinary, Denormal, Gen.Const(0f), Whole, Sparse, Outliers, Ordinary.Select(x => x * 1e-6f)];

    /// <summary>An array all of one kind, sizes from 1e-45 to 1e15.</summary>
    public static Gen<float[]> Array(int length) => Gen.Int[0, Kinds.Length - 1].SelectMany(kind => Kinds[kind].Array[length]);

    /// <summary>As <see cref="Array"/>, within what 8- and 4-bit weights can hold: an fp16 scale.</summary>
    public static Gen<float[]> Weights(int length) => Gen.Int[0, WeightKinds.Length - 1].SelectMany(kind => WeightKinds[kind].Array[length]);

    public static string Show(float[] values) => string.Join(' ', values.Take(40).Select(x => x.ToString("R", System.Globalization.CultureInfo.InvariantCulture)));
}
