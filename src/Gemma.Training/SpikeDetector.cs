using System.Collections.Immutable;

namespace Gemma.Training;

/// <summary>
/// Knows a leap of the loss: one above the median of the last losses by so many of their deviations. The deviation is the median distance from the median, times
/// 1.4826 (that of a normal distribution), which a few wild losses among them do not move; at least a hundredth of the median, as losses that hardly vary would
/// make a leap of nothing.
/// </summary>
internal sealed class SpikeDetector(double deviations, int window)
{
    // Of fewer losses nothing can be said.
    private const int Fewest = 16;

    private const double NormalDeviation = 1.4826, SmallestShare = 0.01;

    private readonly List<double> _losses = [];
    private readonly double[] _sorted = new double[window];

    public ImmutableArray<double> Losses
    {
        get => [.. _losses];
        set
        {
            _losses.Clear();
            _losses.AddRange(value);
        }
    }

    /// <summary>A loss above it is a leap; null while too little is known, or where none is looked for.</summary>
    public double? Limit
    {
        get
        {
            if (deviations <= 0 || _losses.Count < Math.Min(Fewest, window)) return null;
            Span<double> sorted = _sorted.AsSpan(0, _losses.Count);
            _losses.CopyTo(_sorted);
            double median = Median(sorted);
            foreach (ref double loss in sorted) loss = Math.Abs(loss - median);
            return median + deviations * Math.Max(NormalDeviation * Median(sorted), SmallestShare * Math.Abs(median));
        }
    }

    public void Add(double loss)
    {
        if (_losses.Count == window) _losses.RemoveAt(0);
        _losses.Add(loss);
    }

    private static double Median(Span<double> values)
    {
        values.Sort();
        return (values[values.Length / 2] + values[(values.Length - 1) / 2]) / 2;
    }
}
