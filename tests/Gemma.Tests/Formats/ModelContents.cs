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
}
