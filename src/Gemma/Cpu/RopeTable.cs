namespace Gemma.Cpu;

/// <summary>
/// Cosines and sines of the rotary embedding for one base: [position][cos, sin][half]. Grows as positions are asked for. Frequencies and angles are rounded to
/// fp32 as the official code rounds them: at position 8,000 that is a difference of half a thousandth of a radian, which trained weights have seen.
/// </summary>
internal sealed unsafe class RopeTable(float rotaryBase, float scale, int headDimension) : IDisposable
{
    private readonly int _half = headDimension / 2;
    private NativeBuffer? _table;
    private int _positions;

    public bool Is(float otherBase, float otherScale) => otherBase == rotaryBase && otherScale == scale;

    public float* Cosines(int position) => (float*)_table!.Pointer + (nint)position * 2 * _half;

    public float* Sines(int position) => Cosines(position) + _half;

    /// <summary>Makes the table hold all positions below this; not while other threads read it.</summary>
    public void Reserve(int positions)
    {
        if (positions <= _positions) return;
        int size = Math.Max(256, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)positions));
        var table = new NativeBuffer((nuint)size * (nuint)(2 * _half) * 4, zeroed: false);
        var values = (float*)table.Pointer;
        for (int i = 0; i < _half; i++)
        {
            float frequency = 1 / MathF.Pow(rotaryBase, 2 * i / (float)headDimension) / scale;
            for (int position = 0; position < size; position++)
            {
                (double sin, double cos) = Math.SinCos((double)(position * frequency));
                values[(nint)position * 2 * _half + i] = (float)cos;
                values[(nint)position * 2 * _half + _half + i] = (float)sin;
            }
        }
        _table?.Dispose();
        _table = table;
        _positions = size;
    }

    public void Dispose() => _table?.Dispose();
}
