namespace Gemma.Recipes.Tiny;

/// <summary>So many of so many, and what is asked for.</summary>
internal sealed record Proportion(string Name, int Right, int Count, double? Bar)
{
    public double Share => Count == 0 ? 0 : (double)Right / Count;

    public bool IsMet => Bar is not double bar || Share >= bar;

    /// <summary>Wilson's score interval at 95 %.</summary>
    public (double Low, double High) Interval()
    {
        const double z = 1.959964;
        if (Count == 0) return (0, 1);
        double center = Share + z * z / (2 * Count), margin = z * Math.Sqrt(Share * (1 - Share) / Count + z * z / (4.0 * Count * Count)), scale = 1 + z * z / Count;
        return (Math.Max(0, (center - margin) / scale), Math.Min(1, (center + margin) / scale));
    }
}
