using System.Numerics;
using System.Runtime.InteropServices;

namespace Gemma.Formats;

/// <summary>What a conversion did to the numbers: how many came out different, and by how much. Thread-safe.</summary>
internal sealed class Rounding
{
    private readonly Lock _lock = new();
    private double _squares, _errorSquares;

    public long Count { get; private set; }

    /// <summary>Numbers that came out different.</summary>
    public long Changed { get; private set; }

    /// <summary>Root mean square of the errors, as a part of that of the numbers.</summary>
    public double RelativeError => _squares == 0 ? 0 : Math.Sqrt(_errorSquares / _squares);

    public void Add(ReadOnlySpan<float> wanted, ReadOnlySpan<float> held)
    {
        ReadOnlySpan<Vector<float>> left = MemoryMarshal.Cast<float, Vector<float>>(wanted), right = MemoryMarshal.Cast<float, Vector<float>>(held);
        Vector<float> squares = default, errorSquares = default;
        Vector<int> same = default; // −1 for each equal pair
        for (int i = 0; i < left.Length; i++)
        {
            Vector<float> error = left[i] - right[i];
            squares += left[i] * left[i];
            errorSquares += error * error;
            same += Vector.Equals(left[i], right[i]);
        }
        long changed = (long)left.Length * Vector<float>.Count + Vector.Sum(same);
        double sum = Vector.Sum(squares), errorSum = Vector.Sum(errorSquares);
        for (int i = left.Length * Vector<float>.Count; i < wanted.Length; i++)
        {
            double error = (double)wanted[i] - held[i];
            sum += (double)wanted[i] * wanted[i];
            errorSum += error * error;
            if (wanted[i] != held[i]) changed++;
        }
        lock (_lock)
        {
            Count += wanted.Length;
            Changed += changed;
            _squares += sum;
            _errorSquares += errorSum;
        }
    }
}
