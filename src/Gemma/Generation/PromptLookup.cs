namespace Gemma.Generation;

/// <summary>
/// Drafts by looking back: what followed the last ids when they stood in the text before is likely to follow again, where a text is summarised, edited, quoted
/// or continued as a list (prompt lookup decoding, after Saxena 2023; n-gram drafts of arXiv 2304.04487). Needs no second model and almost no time.
/// </summary>
internal static class PromptLookup
{
    /// <summary>Fewer ids in common say nothing of what follows.</summary>
    public const int ShortestMatch = 2;

    /// <summary>More ids in common say no more.</summary>
    public const int LongestMatch = 16;

    /// <summary>Where what came after the longest earlier occurrence of the last ids begins (of equally long ones the latest), and how many ids that have in
    /// common; a length of 0 where there is none of <see cref="ShortestMatch"/>.</summary>
    public static (int Next, int Length) Find(ReadOnlySpan<int> ids)
    {
        (int next, int length) = (0, 0);
        if (ids.Length <= ShortestMatch) return (next, length);
        ReadOnlySpan<int> pair = ids[^ShortestMatch..];
        // Of the pairs before the last, the latest first.
        for (int end = ids.Length - 1; length < LongestMatch && (end = ids[..end].LastIndexOf(pair) + ShortestMatch) >= ShortestMatch; end--)
        {
            int common = ShortestMatch, most = Math.Min(LongestMatch, end);
            while (common < most && ids[end - 1 - common] == ids[^(1 + common)]) common++;
            if (common > length) (next, length) = (end, common);
        }
        return (next, length);
    }

    /// <summary>Appends the ids from a place on to a draft. Past the end of the ids it goes on with the draft itself: what repeats itself is expected to do so
    /// further.</summary>
    public static void Draft(ReadOnlySpan<int> ids, int next, int count, List<int> draft)
    {
        int first = draft.Count;
        for (int i = 0; i < count; i++) draft.Add(next + i < ids.Length ? ids[next + i] : draft[first + next + i - ids.Length]);
    }
}
