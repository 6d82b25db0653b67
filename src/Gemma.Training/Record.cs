namespace Gemma.Training;

internal enum Operation
{
    Embed,
    RmsNorm,
    Linear,
    GatedLinear,
    HeadNorm,
    Rope,
    Attention,
    Add,
    Rows,
    SoftCap,
    Layer,
}

/// <summary>One operation that ran: what its gradient needs. Used again from step to step.</summary>
internal sealed class Record<T> where T : class
{
    public Operation Operation { get; set; }

    public Variable<T> Result { get; set; } = null!;

    public Variable<T> Input { get; set; } = null!;

    /// <summary>The second argument: a weight, a gain, the other summand.</summary>
    public Variable<T>? Second { get; set; }

    public Variable<T>? Third { get; set; }

    /// <summary>The values that the gradient reads, held until it has.</summary>
    public Held<T>? InputValue { get; set; }

    public Held<T>? ResultValue { get; set; }

    /// <summary>What the operation has computed beside its result.</summary>
    public Held<T>? Extra { get; set; }

    /// <summary>What an adapter has added, and the part of that its gradient reads.</summary>
    public LowRankUpdate<T>? Update { get; set; }

    public Held<T>? Projected { get; set; }

    public AttentionShape Shape { get; set; }

    public Batch? Batch { get; set; }

    public LayerFunction<Variable<T>>? Function { get; set; }

    public int LayerIndex { get; set; }

    public float Factor { get; set; }

    /// <summary>Where on the tape the tokens, positions or rows are, and how many.</summary>
    public int FirstNumber { get; set; }

    public int NumberCount { get; set; }

    /// <summary>Rows of the input.</summary>
    public int Rows { get; set; }
}
