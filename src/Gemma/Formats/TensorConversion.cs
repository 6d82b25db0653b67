using System.Buffers;

namespace Gemma.Formats;

/// <summary>
/// One tensor on its way from a model's files into another file. Rows whose type stays are copied byte for byte; norms change by 1 between the formats;
/// what a narrower type does to the numbers is measured, not guessed.
/// </summary>
/// <remarks>
/// GGUF norms hold 1 + w rounded to fp32, exactly the gain that the official code computes, so no conversion here ever changes what the model computes in
/// F32. Back again, gain − 1 is exact for every gain that came from an fp32 w (Sterbenz: the subtraction is exact from ½ to 2, and the addition was where
/// w lies from −2 to −½). So gains survive any number of round trips, and so does w but for its bits below half an ulp of 1 + w, which GGUF cannot hold:
/// a w that bf16 holds is kept from 2⁻¹⁶ on.
/// </remarks>
internal sealed class TensorConversion(ModelFiles files, TensorSpec spec, TensorType type, bool toGguf, Rounding rounding, LoraAdapter? adapter = null)
{
    private readonly TensorInfo _source = files.Find(spec);

    /// <summary>What the norm has to change by.</summary>
    private float Shift => !spec.IsNorm || files.NormsHoldGain == toGguf ? 0 : toGguf ? 1 : -1;

    public TensorContent Content() => new(toGguf ? spec.GgufName : spec.HuggingFaceName, type, TensorContent.ShapeOf(spec), Encode)
    {
        Done = (first, count) => _source.File.Forget(_source.Offset + first * _source.RowLength, count * _source.RowLength),
    };

    private void Encode(long row, Span<byte> destination)
    {
        float[] rented = ArrayPool<float>.Shared.Rent(2 * spec.Columns);
        Span<float> values = rented.AsSpan(0, spec.Columns), held = rented.AsSpan(spec.Columns, spec.Columns);
        files.ReadPublishedRow(spec, row, values); // even where bytes are copied: damaged weights are not passed on
        float shift = Shift;
        bool isMerged = adapter?.Matrices.ContainsKey(spec) == true;
        if (isMerged) adapter!.AddTo(spec, row, values);
        if (_source.Type == type && shift == 0 && !isMerged) files.Tensors.RowBytes(_source, row).CopyTo(destination);
        else
        {
            for (int i = 0; i < values.Length; i++) held[i] = values[i] + shift;
            RowCodec.Encode(type, held, destination);
            if (type != TensorType.F32 || shift != 0) Compare(row, values, destination, held, shift);
        }
        ArrayPool<float>.Shared.Return(rented);
    }

    private void Compare(long row, Span<float> values, Span<byte> destination, Span<float> held, float shift)
    {
        RowCodec.Decode(type, destination, held);
        if (!RowCodec.AllFinite(held))
        {
            float largest = 0;
            foreach (float value in values) largest = MathF.Max(largest, MathF.Abs(value));
            throw new BadFileException(files.Tensors.PathOf(_source), FormattableString.Invariant($"{_source.Name} row {row}"),
                FormattableString.Invariant($"magnitudes up to {RowCodec.LargestMagnitude(type)} for {type}"), FormattableString.Invariant($"{largest}"),
                $"write {(type == TensorType.BF16 ? "F32" : "BF16 or F32")} instead");
        }
        foreach (ref float value in held) value -= shift;
        rounding.Add(values, held);
    }
}
