using System.Text;

namespace Gemma.Recipes.Tiny;

/// <summary>
/// What a model must not see before it is asked. It depends on nothing but the content: sums by their two numbers, in whichever order, and whether they are asked as a
/// sum or as the difference that undoes it; stories by plot, hero and subject, however they are worded. So no seed, size or order of a run can let one slip over.
/// </summary>
internal static class HeldOut
{
    /// <summary>One in so many.</summary>
    public const int Sums = 8, Stories = 40;

    public static bool IsHeldOut(int first, int second) => Chance.Mix((ulong)(Math.Min(first, second) * 1000 + Math.Max(first, second)) ^ 0x5D5UL << 40) % Sums == 0;

    public static bool IsHeldOut(Story story) => Chance.Mix(Hash(story.Key)) % Stories == 0;

    /// <summary>FNV-1a.</summary>
    public static ulong Hash(string text)
    {
        ulong hash = 14695981039346656037;
        foreach (byte b in Encoding.UTF8.GetBytes(text)) hash = unchecked((hash ^ b) * 1099511628211);
        return hash;
    }
}
