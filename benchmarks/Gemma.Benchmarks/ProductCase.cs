using Gemma.Cpu;
using Gemma.Cpu.Kernels;

namespace Gemma.Benchmarks;

/// <summary>One product of synthetic weights with some rows: everything but the product itself is done before.</summary>
internal sealed unsafe class ProductCase : IDisposable
{
    private readonly CpuKernels _kernels;
    private readonly ThreadTeam _team;
    private readonly PackedWeights _weights;
    private readonly NativeBuffer _prepared, _result;
    private readonly nint _stride;
    private readonly int _rows, _outputs;

    /// <param name="kernels">The tier.</param>
    /// <param name="type">Type of the weights.</param>
    /// <param name="bytes">How many of them, about: what a cache holds, or far more.</param>
    /// <param name="rows">Rows that they are multiplied with.</param>
    /// <param name="threads">0 is one for each processor.</param>
    /// <param name="columns">Their input features.</param>
    public ProductCase(CpuKernels kernels, WeightType type, long bytes, int rows, int threads, int columns = 2048)
    {
        _kernels = kernels;
        _rows = rows;
        _team = new ThreadTeam(threads);
        _outputs = Math.Max(32, (int)(bytes * 8 / Bits(type) / columns) / 32 * 32);
        var random = new SyntheticWeights(1);
        var spec = new TensorSpec(TensorRole.Query, 0, "", "", _outputs, columns);
        _weights = PackedWeights.Pack(type, _outputs, columns, (row, destination) => random.ReadRow(spec, row, destination), kernels, _team);
        _result = new NativeBuffer((nuint)((long)rows * _outputs * sizeof(float)));
        using var x = new NativeBuffer((nuint)(rows * columns * sizeof(float)));
        random.ReadRow(spec, 0, new Span<float>(x.Pointer, rows * columns));
        _stride = (kernels.PreparedBytes(type, columns) + 63) & ~63;
        _prepared = new NativeBuffer((nuint)(_stride * rows));
        for (int row = 0; row < rows; row++)
        {
            var source = (float*)x.Pointer + row * columns;
            byte* destination = _prepared.Pointer + row * _stride;
            if (kernels.Prepares(type)) kernels.Prepare(type, source, columns, columns, destination);
            else new ReadOnlySpan<float>(source, columns).CopyTo(new Span<float>(destination, columns));
        }
    }

    /// <summary>Bits of a weight in the panels, its part of the scales included.</summary>
    public static double Bits(WeightType type) => type switch
    {
        WeightType.F32 => 32,
        WeightType.BF16 => 16,
        WeightType.Q8 => 8.5,
        WeightType.Q6_K => 6.625,
        WeightType.Q4_K => 4.625,
        _ => 4.5,
    };

    /// <summary>Bytes of weights that one product reads.</summary>
    public long Bytes => _weights.ByteCount;

    /// <summary>Multiplications and additions of one product.</summary>
    public double Operations => 2.0 * _outputs * _weights.Columns * _rows;

    public void Run()
    {
        var work = new ProductWork(_kernels, _weights, _prepared.Pointer, _stride, _rows, false, (float*)_result.Pointer, _outputs, _team.Count);
        _team.Run(ref work);
    }

    public void Dispose()
    {
        _weights.Dispose();
        _prepared.Dispose();
        _result.Dispose();
        _team.Dispose();
    }
}
