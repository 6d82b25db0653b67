using Gemma.Cpu;

namespace Gemma.Training.Cpu;

/// <summary>A parameter matrix w, [outputs, inputs], as panels for x · wᵀ and for dy · w, made anew when its values have changed.</summary>
internal sealed unsafe class PackedParameter : IDisposable
{
    private readonly ProductKernels _kernels;
    private readonly DenseMatrix _weight;
    private readonly NativeBuffer _forward, _backward;
    private int _forwardVersion = -1, _backwardVersion = -1;

    public PackedParameter(ProductKernels kernels, DenseMatrix weight)
    {
        _kernels = kernels;
        _weight = weight;
        ForwardBytes = (nint)kernels.Units(weight.Columns) * ProductKernels.PanelUnit;
        BackwardBytes = (nint)kernels.Units(weight.Rows) * ProductKernels.PanelUnit;
        ForwardCount = Panels(weight.Rows);
        BackwardCount = Panels(weight.Columns);
        _forward = new NativeBuffer((nuint)(ForwardCount * ForwardBytes), zeroed: false);
        _backward = new NativeBuffer((nuint)(BackwardCount * BackwardBytes), zeroed: false);
    }

    public nint ForwardBytes { get; }

    public nint BackwardBytes { get; }

    public int ForwardCount { get; }

    public int BackwardCount { get; }

    public long Bytes => (long)_forward.Size + (long)_backward.Size;

    /// <summary>Panels of output rows, k along the inputs.</summary>
    public byte* Forward(int version, ThreadTeam team)
    {
        if (_forwardVersion == version) return _forward.Pointer;
        _forwardVersion = version;
        var work = new ForwardWork(this);
        team.Run(ref work);
        return _forward.Pointer;
    }

    /// <summary>Panels of input columns, k along the outputs.</summary>
    public byte* Backward(int version, ThreadTeam team)
    {
        if (_backwardVersion == version) return _backward.Pointer;
        _backwardVersion = version;
        var work = new BackwardWork(this);
        team.Run(ref work);
        return _backward.Pointer;
    }

    public void Dispose()
    {
        _forward.Dispose();
        _backward.Dispose();
    }

    private static int Panels(int rows) => (rows + ProductKernels.PanelRows - 1) / ProductKernels.PanelRows;

    private readonly struct ForwardWork(PackedParameter packed) : IWork
    {
        public void Run(int part, int parts)
        {
            DenseMatrix weight = packed._weight;
            for (int panel = packed.ForwardCount * part / parts; panel < packed.ForwardCount * (part + 1) / parts; panel++)
            {
                int row = panel * ProductKernels.PanelRows;
                packed._kernels.PanelOfRows(weight.RowPointer(row), weight.Columns, Math.Min(ProductKernels.PanelRows, weight.Rows - row), weight.Columns,
                    packed._forward.Pointer + panel * packed.ForwardBytes);
            }
        }
    }

    private readonly struct BackwardWork(PackedParameter packed) : IWork
    {
        public void Run(int part, int parts)
        {
            DenseMatrix weight = packed._weight;
            for (int panel = packed.BackwardCount * part / parts; panel < packed.BackwardCount * (part + 1) / parts; panel++)
            {
                int column = panel * ProductKernels.PanelRows;
                packed._kernels.PanelOfColumns(weight.Data + column, weight.Columns, weight.Rows, Math.Min(ProductKernels.PanelRows, weight.Columns - column),
                    packed._backward.Pointer + panel * packed.BackwardBytes);
            }
        }
    }
}
