namespace Gemma.Training;

/// <summary>One published tensor of a model in training: a stretch of the flat buffers of its <see cref="ParameterSet"/>.</summary>
public sealed unsafe class Parameter
{
    private readonly ParameterSet _set;
    private readonly bool _isTransposed;

    internal Parameter(ParameterSet set, TensorSpec spec, long offset, bool isTransposed)
    {
        _set = set;
        _isTransposed = isTransposed;
        Spec = spec;
        Offset = offset;
        Count = checked(spec.Rows * spec.Columns);
    }

    /// <summary>Names, shape and use.</summary>
    public TensorSpec Spec { get; }

    /// <summary>Its name in safetensors files, by which checkpoints and reports know it; no other parameter of the set has it.</summary>
    public string Name => Spec.HuggingFaceName;

    /// <summary>Where it begins in the flat buffers, in numbers.</summary>
    public long Offset { get; }

    /// <summary>Rows times columns.</summary>
    public int Count { get; }

    /// <summary>Whether the optimizer shrinks it: matrices, not norms.</summary>
    public bool Decays => !Spec.IsNorm;

    /// <summary>
    /// The numbers in training, [rows, columns]; an adapter's B matrix is [columns, rows]. A norm's are gains, its published weights plus one: what GGUF holds, and
    /// safetensors do not.
    /// </summary>
    /// <remarks>Whoever writes them calls <see cref="ParameterSet.MarkChanged"/>.</remarks>
    public Span<float> Values => new(_set.Values + Offset, Count);

    /// <summary>What the backward passes since the last optimizer step have added up.</summary>
    public Span<float> Gradients => new(_set.Gradients + Offset, Count);

    /// <summary>Writes the numbers as safetensors hold them: a norm without its one.</summary>
    public void CopyPublished(Span<float> destination)
    {
        if (_isTransposed)
        {
            Turn(Values, Spec.Columns, Spec.Rows, destination);
            return;
        }
        Values.CopyTo(destination);
        if (!Spec.IsNorm) return;
        for (int i = 0; i < Count; i++) destination[i] -= 1;
    }

    /// <summary>Takes the numbers as safetensors hold them.</summary>
    public void SetPublished(ReadOnlySpan<float> source)
    {
        if (source.Length != Count)
            throw new ArgumentException(FormattableString.Invariant($"{Spec.HuggingFaceName}: expected {Count} numbers, found {source.Length}"), nameof(source));
        if (_isTransposed) Turn(source, Spec.Rows, Spec.Columns, Values);
        else source.CopyTo(Values);
        if (Spec.IsNorm)
            foreach (ref float value in Values) value += 1;
        _set.MarkChanged();
    }

    private static void Turn(ReadOnlySpan<float> source, int rows, int columns, Span<float> destination)
    {
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++) destination[column * rows + row] = source[row * columns + column];
    }
}
