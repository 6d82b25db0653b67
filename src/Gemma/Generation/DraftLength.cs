using System.Numerics;

namespace Gemma.Generation;

/// <summary>
/// How far ahead it pays to guess in one sequence: each token of a draft costs a row of the pass and, if it and all before it turn out right, saves a token's
/// share of a pass. How often drafts turn out right is counted by how long a match they come from.
/// </summary>
internal sealed class DraftLength
{
    /// <summary>Longest draft.</summary>
    public const int Most = 16;

    /// <summary>Drafts that did not seem to pay until one is tried all the same: texts change, and so do times.</summary>
    private const int Patience = 64;

    private const int Trial = 2;

    /// <summary>What a guess must save for each second it costs: where it hardly pays, what was measured is not good enough to tell.</summary>
    private const double Margin = 1.3;

    private const double Inertia = 7 / 8.0;

    // By the logarithm of the match's length: 2, 4, 8, 16 ids and more.
    private readonly double[] _acceptance = [0, 0.3, 0.5, 0.7, 0.85];
    private int _skipped;

    /// <summary>Tokens to draft, 0 where it does not pay.</summary>
    /// <param name="match">Ids in common with the place that the draft is taken from.</param>
    /// <param name="time">What passes take.</param>
    /// <param name="answers">Sequences that get a token each from the pass anyway.</param>
    public int Choose(int match, PassTime time, int answers)
    {
        if (!time.IsKnown) return 0;
        double token = time.Seconds(answers) / answers, row = Margin * time.SecondsPerRow, acceptance = _acceptance[Class(match)];
        int count = 0;
        double right = acceptance; // that all up to this one are
        while (count < Most && right * token > row)
        {
            count++;
            right *= acceptance;
        }
        if (count == 0 && ++_skipped == Patience) count = Trial;
        if (count > 0) _skipped = 0;
        return count;
    }

    /// <summary>How many of a draft turned out right.</summary>
    public void Learn(int match, int drafted, int accepted)
    {
        ref double acceptance = ref _acceptance[Class(match)];
        for (int i = 0; i < accepted; i++) acceptance = Inertia * acceptance + (1 - Inertia);
        if (accepted < drafted) acceptance *= Inertia;
    }

    private static int Class(int match) => BitOperations.Log2((uint)match);
}
