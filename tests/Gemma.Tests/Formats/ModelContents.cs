using Gemma.Formats;

namespace Gemma.Tests.Formats;

/// <summary>All numbers of a model, for comparisons.</summary>
internal static class ModelContents
{
    public static void AssertSame(ModelFiles expected, ModelFiles actual)
    {
        foreach (TensorSpec spec in TensorTable.For(expected.Config))
        {
            float[] left = new float[spec.Columns], right = new float[spec.Columns];
            for (int row = 0; row < spec.Rows; row++)
            {
                expected.ReadRow(spec, row, left);
                actual.ReadRow(spec, row, right);
                Assert.True(left.AsSpan().SequenceEqual(right), $"{spec.HuggingFaceName} row {row} differs");
            }
        }
    }

    /// <summary>The same tensors with the same bytes in the files.</summary>
    public static void AssertSameBytes(ModelFiles expected, ModelFiles actual)
    {
        foreach (TensorSpec spec in TensorTable.For(expected.Config))
        {
            TensorInfo left = expected.Find(spec), right = actual.Find(spec);
            Assert.Equal((left.Name, left.Type, left.ShapeText), (right.Name, right.Type, right.ShapeText));
            for (int row = 0; row < left.Rows; row++)
                Assert.True(expected.Tensors.RowBytes(left, row).SequenceEqual(actual.Tensors.RowBytes(right, row)), $"{left.Name} row {row} differs");
        }
    }

    public static void AssertSameConfig(GemmaConfig expected, GemmaConfig actual)
    {
        Assert.Equal(expected with { WindowedLayers = actual.WindowedLayers, EosIds = actual.EosIds }, actual);
        Assert.Equal(expected.WindowedLayers, actual.WindowedLayers);
        Assert.Equal(expected.EosIds, actual.EosIds);
    }
}
