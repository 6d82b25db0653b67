using CsCheck;
using Gemma.Generation;

namespace Gemma.Tests.Generation;

public class SelectionTests
{
    [Fact]
    public void Keys_order_by_value_then_by_lower_id_and_give_both_back()
    {
        Gen.Select(Gen.Float.Where(float.IsFinite), Gen.Float.Where(float.IsFinite), Gen.Int[0, 1 << 20], Gen.Int[0, 1 << 20]).Sample((a, b, i, j) =>
        {
            ulong x = Selection.Key(a, i), y = Selection.Key(b, j);
            Assert.Equal((a + 0f, i), (Selection.Value(x), Selection.Id(x)));
            int expected = a != b ? a.CompareTo(b) : j.CompareTo(i);
            Assert.Equal(Math.Sign(expected), Math.Sign(x.CompareTo(y)));
        }, seed: "0000000000001", iter: 5000);
    }

    [Fact]
    public void The_largest_by_count_are_those_of_a_sort_whatever_the_order()
    {
        Gen<int[]> orders = Gen.OneOf(
            Gen.Int[-50, 50].Array[1, 500],
            Gen.Int[1, 3000].Select(n => Enumerable.Range(0, n).ToArray()),
            Gen.Int[1, 3000].Select(n => Enumerable.Range(0, n).Select(i => -i).ToArray()),
            Gen.Int[1, 3000].Select(n => Enumerable.Range(0, n).Select(i => Math.Min(i, n - i)).ToArray()));
        Gen.Select(orders, Gen.Int[1, 3000]).Sample((values, k) =>
        {
            ulong[] keys = [.. values.Select((v, i) => Selection.Key(v, i))];
            ulong[] expected = [.. keys.OrderDescending().Take(k)];
            float[] ones = [.. values.Select(_ => 1f)];
            int count = Selection.Largest(keys, ones, k);
            Assert.Equal(Math.Min(k, values.Length), count);
            Assert.Equal(expected, keys.Take(count).OrderDescending());
        }, seed: "0000000000001", iter: 500);
    }

    [Fact]
    public void The_largest_by_mass_are_the_fewest_that_reach_it()
    {
        Gen.Select(Gen.Int[0, 30].Array[1, 400], Gen.Double[0, 1.1]).Sample((values, share) =>
        {
            // Whole numbers as weights: sums are exact in any order.
            ulong[] keys = [.. values.Select((v, i) => Selection.Key(v, i))];
            float[] weights = [.. values.Select(v => (float)v)];
            double target = Math.Floor(share * values.Sum());
            int count = Selection.Largest(keys, weights, target);
            Assert.Equal(keys.OrderDescending().Take(count), keys.Take(count).OrderDescending());
            double mass = keys.Take(count).Sum(k => Selection.Value(k));
            Assert.Equal(mass, weights.Take(count).Sum());
            if (count < values.Length) Assert.True(mass >= target);
            double without = mass - Selection.Value(keys.Take(count).Min());
            Assert.True(count == 1 || without < target || count == values.Length);
        }, seed: "0000000000001", iter: 2000);
    }
}
