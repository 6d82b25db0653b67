using CsCheck;
using Gemma.Generation;

namespace Gemma.Tests.Generation;

public class PromptLookupTests
{
    [Fact]
    public void The_latest_of_the_longest_earlier_occurrences_is_found() => Gen.Int[0, 3].Array[0, 80].Sample(ids =>
    {
        (int Next, int Length) expected = (0, 0);
        for (int next = 1; next < ids.Length; next++)
        {
            int common = 0;
            while (common < PromptLookup.LongestMatch && common < next && ids[next - 1 - common] == ids[ids.Length - 1 - common]) common++;
            if (common >= PromptLookup.ShortestMatch && common >= expected.Length) expected = (next, common);
        }
        Assert.Equal(expected, PromptLookup.Find(ids));
    }, seed: "0000000000004", iter: 3000, threads: 1);

    [Fact]
    public void A_draft_is_what_followed_and_what_repeats_itself_goes_on()
    {
        int[] ids = [9, 1, 2, 3, 4, 5, 1, 2];
        (int next, int length) = PromptLookup.Find(ids);
        Assert.Equal((3, 2), (next, length));
        List<int> draft = [2];
        PromptLookup.Draft(ids, next, 9, draft);
        Assert.Equal([2, 3, 4, 5, 1, 2, 3, 4, 5, 1], draft);

        int[] same = [7, 7, 7];
        Assert.Equal((2, 2), PromptLookup.Find(same));
        draft = [];
        PromptLookup.Draft(same, 2, 4, draft);
        Assert.Equal([7, 7, 7, 7], draft);
        Assert.Equal((0, 0), PromptLookup.Find([1, 2, 3, 2]));
    }
}
