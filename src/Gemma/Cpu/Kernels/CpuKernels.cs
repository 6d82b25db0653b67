using Gemma.Cpu.Emit;

namespace Gemma.Cpu.Kernels;

/// <summary>
/// The kernels of one tier. The scalar tier is the twin the others are tested against. A tier of emitted machine code overrides
/// <see cref="Multiply"/> and <see cref="Prepare"/> and inherits the rest.
/// </summary>
internal abstract unsafe class CpuKernels
{
    public abstract Isa Isa { get; }

    /// <summary>The tier, and what of the processor it uses beyond it.</summary>
    public virtual string Name => Isa.ToString().ToLowerInvariant();

    /// <summary>Every set of kernels that runs on this processor, slowest first.</summary>
    public static IEnumerable<CpuKernels> Available => Enum.GetValues<Isa>().Where(isa => isa <= IsaSelection.Best)
        .Select(isa => For(isa, roundActivations: true));

    /// <param name="isa">The tier.</param>
    /// <param name="roundActivations">Whether products with bf16 weights may round the activations to bf16.</param>
    public static CpuKernels For(Isa isa, bool roundActivations = false) => isa switch
    {
        Isa.Vnni => (roundActivations ? EmittedKernels.Shared : EmittedKernels.Shared?.WithoutRounding()) ?? throw new UsageException($"there are no emitted kernels: {EmittedKernels.Refusal}"),
        Isa.Avx512 => new VectorKernels<Lanes512>(isa),
        Isa.Avx2 => new VectorKernels<Lanes256>(isa),
        Isa.Vector128 => new VectorKernels<Lanes128>(isa),
        _ => new ScalarKernels(),
    };

    /// <summary>Whether <see cref="Multiply"/> reads rows that <see cref="Prepare"/> made, for this type of weights; otherwise fp32 rows as they are.</summary>
    public virtual bool Prepares(WeightType type) => PackedWeights.IsQuantised(type);

    /// <summary>Bytes of a row as <see cref="Multiply"/> reads it.</summary>
    public virtual int PreparedBytes(WeightType type, int columns) => type switch
    {
        WeightType.Q8 or WeightType.Q4 => QuantizedRow.Bytes(type, columns),
        WeightType.Q4_K or WeightType.Q6_K => SuperBlockRow.Bytes(type, columns),
        _ => columns * 4,
    };

    /// <summary>Brings one fp32 row of <paramref name="columns"/> values into the form that <see cref="Multiply"/> reads where it <see cref="Prepares"/> rows.</summary>
    public abstract void Prepare(WeightType type, float* x, int columns, int padded, byte* prepared);

    /// <summary>Whether <see cref="Multiply"/> lets long rows pass by once for all its panels; otherwise they are read again for each two.</summary>
    public virtual bool PassesRowsOnce(WeightType type) => false;

    /// <summary>Prepared rows times panels: result[row, 16 · panelCount].</summary>
    /// <param name="type">Type of the panels.</param>
    /// <param name="panels">First panel.</param>
    /// <param name="panelBytes">Bytes from panel to panel.</param>
    /// <param name="panelCount">Number of panels.</param>
    /// <param name="columns">k, padded.</param>
    /// <param name="x">Prepared rows.</param>
    /// <param name="stride">Bytes from a prepared row to the next.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="result">Where the product goes.</param>
    /// <param name="resultStride">Floats from a row of the result to the next.</param>
    public abstract void Multiply(WeightType type, byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result,
        nint resultStride);

    /// <summary>The same for fp32 rows and unquantised panels, whatever this tier does with weights; distances of rows are in floats.</summary>
    public virtual void MultiplySingles(WeightType type, byte* panels, nint panelBytes, int panelCount, int columns, float* x, nint stride, int rows, float* result,
        nint resultStride) => Multiply(type, panels, panelBytes, panelCount, columns, (byte*)x, stride * sizeof(float), rows, result, resultStride);

    /// <summary>Quantises and packs 16 rows of <paramref name="columns"/> (a multiple of 64) fp32 weights; Q8 and Q4.</summary>
    public abstract void Pack(WeightType type, float* rows, int columns, byte* panel);

    public abstract void RmsNorm(float* x, float* gain, float epsilon, int n, float* result);

    public abstract void GatedGelu(float* gate, float* up, int n, float* result);

    public abstract void SoftCap(float* x, float cap, int n, float* result);

    public abstract void Rope(float* x, float* cosines, float* sines, int half, float scale, float* result);

    public abstract void Add(float* x, float* y, int n, float* result);

    public abstract void Scale(float* x, float factor, int n, float* result);

    public abstract float Softmax(float* scores, int count, int first, int end, float softCap, ref float maximum, ref float sum);

    public abstract void Accumulate(float* accumulated, float correction, float* added, float weight, int n);
}

internal sealed unsafe class ScalarKernels : CpuKernels
{
    public override Isa Isa => Isa.Scalar;

    public override void Prepare(WeightType type, float* x, int columns, int padded, byte* prepared)
    {
        if (PackedWeights.IsSuperBlocked(type)) SuperBlockRow.Scalar(type, x, columns, prepared);
        else QuantizedRow.Scalar(type, x, columns, padded, prepared);
    }

    public override void Multiply(WeightType type, byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result,
        nint resultStride)
    {
        switch (type)
        {
            case WeightType.F32:
                DenseProduct.Scalar<SinglePanel>(panels, panelBytes, panelCount, columns, (float*)x, stride / 4, rows, result, resultStride);
                break;
            case WeightType.BF16:
                DenseProduct.Scalar<BFloat16Panel>(panels, panelBytes, panelCount, columns, (float*)x, stride / 4, rows, result, resultStride);
                break;
            case WeightType.Q8:
                Q8Product.Scalar(panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
                break;
            case WeightType.Q4_K:
                Q4KProduct.Scalar(panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
                break;
            case WeightType.Q6_K:
                Q6KProduct.Scalar(panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
                break;
            default:
                Q4Product.Scalar(panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
                break;
        }
    }

    public override void Pack(WeightType type, float* rows, int columns, byte* panel) => QuantizedPanel.PackScalar(type, rows, columns, panel);

    public override void RmsNorm(float* x, float* gain, float epsilon, int n, float* result) => RowKernels.RmsNormScalar(x, gain, epsilon, n, result);

    public override void GatedGelu(float* gate, float* up, int n, float* result) => RowKernels.GatedGeluScalar(gate, up, n, result);

    public override void SoftCap(float* x, float cap, int n, float* result) => RowKernels.SoftCapScalar(x, cap, n, result);

    public override void Rope(float* x, float* cosines, float* sines, int half, float scale, float* result) =>
        RowKernels.RopeScalar(x, cosines, sines, half, scale, result);

    public override void Add(float* x, float* y, int n, float* result) => RowKernels.AddScalar(x, y, n, result);

    public override void Scale(float* x, float factor, int n, float* result) => RowKernels.ScaleScalar(x, factor, n, result);

    public override float Softmax(float* scores, int count, int first, int end, float softCap, ref float maximum, ref float sum) =>
        SoftmaxKernel.Scalar(scores, count, first, end, softCap, ref maximum, ref sum);

    public override void Accumulate(float* accumulated, float correction, float* added, float weight, int n) =>
        SoftmaxKernel.AccumulateScalar(accumulated, correction, added, weight, n);
}

internal unsafe class VectorKernels<TLanes>(Isa isa) : CpuKernels where TLanes : struct, ILanes<TLanes>
{
    public override Isa Isa => isa;

    public override void Prepare(WeightType type, float* x, int columns, int padded, byte* prepared)
    {
        if (PackedWeights.IsSuperBlocked(type)) SuperBlockRow.Vector<TLanes>(type, x, columns, prepared);
        else QuantizedRow.Vector<TLanes>(type, x, columns, padded, prepared);
    }

    public override void Multiply(WeightType type, byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result,
        nint resultStride)
    {
        switch (type)
        {
            case WeightType.F32:
                DenseProduct.Vector<TLanes, SinglePanel>(panels, panelBytes, panelCount, columns, (float*)x, stride / 4, rows, result, resultStride);
                break;
            case WeightType.BF16:
                DenseProduct.Vector<TLanes, BFloat16Panel>(panels, panelBytes, panelCount, columns, (float*)x, stride / 4, rows, result, resultStride);
                break;
            case WeightType.Q8:
                Q8Product.Vector<TLanes>(panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
                break;
            case WeightType.Q4_K:
                Q4KProduct.Vector<TLanes>(panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
                break;
            case WeightType.Q6_K:
                Q6KProduct.Vector<TLanes>(panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
                break;
            default:
                Q4Product.Vector<TLanes>(panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
                break;
        }
    }

    public override void Pack(WeightType type, float* rows, int columns, byte* panel) => QuantizedPanel.Pack<TLanes>(type, rows, columns, panel);

    public override void RmsNorm(float* x, float* gain, float epsilon, int n, float* result) => RowKernels.RmsNorm<TLanes>(x, gain, epsilon, n, result);

    public override void GatedGelu(float* gate, float* up, int n, float* result) => RowKernels.GatedGelu<TLanes>(gate, up, n, result);

    public override void SoftCap(float* x, float cap, int n, float* result) => RowKernels.SoftCap<TLanes>(x, cap, n, result);

    public override void Rope(float* x, float* cosines, float* sines, int half, float scale, float* result) =>
        RowKernels.Rope<TLanes>(x, cosines, sines, half, scale, result);

    public override void Add(float* x, float* y, int n, float* result) => RowKernels.Add<TLanes>(x, y, n, result);

    public override void Scale(float* x, float factor, int n, float* result) => RowKernels.Scale<TLanes>(x, factor, n, result);

    public override float Softmax(float* scores, int count, int first, int end, float softCap, ref float maximum, ref float sum) =>
        SoftmaxKernel.Vector<TLanes>(scores, count, first, end, softCap, ref maximum, ref sum);

    public override void Accumulate(float* accumulated, float correction, float* added, float weight, int n) =>
        SoftmaxKernel.Accumulate<TLanes>(accumulated, correction, added, weight, n);
}
