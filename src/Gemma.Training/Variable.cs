namespace Gemma.Training;

/// <summary>A value on a <see cref="Tape{T}"/> and, once the tape has run backwards past it, its gradient.</summary>
/// <typeparam name="T">A matrix on the tape's backend.</typeparam>
public sealed class Variable<T> where T : class
{
    internal Variable() { }

    /// <summary>A parameter: a value that lives longer than the tape's records, and where its gradient is added up.</summary>
    /// <param name="value">The value.</param>
    /// <param name="gradient">A matrix of the same shape; null for a parameter that is not trained.</param>
    public Variable(T value, T? gradient)
    {
        ArgumentNullException.ThrowIfNull(value);
        Data = new Held<T>(value);
        Sum = gradient is null ? null : new Held<T>(gradient);
        NeedsGradient = gradient is not null;
    }

    /// <exception cref="InvalidOperationException">An operation that computes in place has taken it.</exception>
    public T Value => Data?.Value ?? throw new InvalidOperationException("the value was given to an operation that computes in place, or its layer is done");

    /// <summary>Null before the backward pass, and after it but for parameters.</summary>
    public T? Gradient => Sum?.Value;

    /// <summary>Whether a parameter in training has a part in it.</summary>
    public bool NeedsGradient { get; internal set; }

    /// <summary>What an adapter adds to products with this weight; null where there is none.</summary>
    public LowRankUpdate<T>? Update { get; init; }

    internal Held<T>? Data { get; set; }

    internal Held<T>? Sum { get; set; }

    /// <summary>As new, for use again.</summary>
    internal void Reset(Held<T> data, bool needsGradient)
    {
        Data = data;
        Sum = null;
        NeedsGradient = needsGradient;
    }
}

/// <summary>A matrix and how many hold it: at zero it goes back to the backend.</summary>
internal sealed class Held<T>(T value) where T : class
{
    public T Value { get; set; } = value;

    public int Holders { get; set; } = 1;
}
