namespace Gemma.Cpu;

/// <summary>
/// Cosines and sines of the rotary embedding for one base: [position][cos, sin][half], in chunks that are added as positions are asked for. Frequencies and
/// angles are rounded to fp32 as the official code rounds them: at position 8,000 that is a difference of half a thousandth of a radian, which trained weights
/// have seen.
/// </summary>
internal sealed unsafe class RopeTable(float rotaryBase, float scale, int headDimension) : IDisposable
{
    private const int ChunkPositions = 256;

    private readonly int _half = headDimension / 2;
    private readonly List<NativeBuffer> _chunks = [];

    public bool Is(float otherBase, float otherScale) => otherBase == rotaryBase && otherScale == scale;

    public float* Cosines(int position) => (float*)_chunks[position / ChunkPositions].Pointer + (nint)(position % ChunkPositions) * 2 * _half;

    public float* Sines(int position) => Cosines(position) + _half;

    /// <summary>Makes the table hold all positions below this; not while other threads read it.</summary>
    public void Reserve(int positions)
    {
        while (_chunks.Count * ChunkPositions < positions) _chunks.Add(Chunk(_chunks.Count * ChunkPositions));
    }

    public void Dispose()
    {
        foreach (NativeBuffer chunk in _chunks) chunk.Dispose();
    }

    private NativeBuffer Chunk(int firstPosition)
    {
        var chunk = new NativeBuffer((nuint)(ChunkPositions * 2 * _half * sizeof(float)), zeroed: false);
        var values = (float*)chunk.Pointer;
        for (int i = 0; i < _half; i++)
        {
            float frequency = 1 / MathF.Pow(rotaryBase, 2 * i / (float)headDimension) / scale;
            for (int position = 0; position < ChunkPositions; position++)
            {
                (double sin, double cos) = Math.SinCos((double)((firstPosition + position) * frequency));
                values[position * 2 * _half + i] = (float)cos;
                values[position * 2 * _half + _half + i] = (float)sin;
            }
        }
        return chunk;
    }
}
