using System.Globalization;
using CsCheck;
using Gemma.Cpu;
using Gemma.Cpu.Emit;
using Gemma.Cpu.Kernels;
using Iced.Intel;
using Assembler = Gemma.Cpu.Emit.Assembler;

namespace Gemma.Tests.Cpu.Emit;

/// <summary>The tier of emitted machine code: what it is made of, what it gives, and what happens where it cannot be had.</summary>
public unsafe class EmittedKernelsTests
{
    // What a function may change under the System V calling convention.
    private static readonly Register[] Scratch = [Register.RAX, Register.RCX, Register.RDX, Register.RSI, Register.RDI, Register.R8, Register.R9, Register.R10, Register.R11];

    private sealed class Wrong() : VectorKernels<Lanes512>(Isa.Avx512)
    {
        public override void Multiply(WeightType type, byte* panels, nint panelBytes, int panelCount, int columns, byte* x, nint stride, int rows, float* result,
            nint resultStride)
        {
            base.Multiply(type, panels, panelBytes, panelCount, columns, x, stride, rows, result, resultStride);
            if (type == WeightType.Q4 && rows == 5 && panelCount == 2) result[4 * resultStride + 31]++;
        }
    }

    private static void SkipWithout() => Assert.SkipWhen(EmittedKernels.Shared is null, $"no emitted kernels here: {EmittedKernels.Refusal}");

    [Fact]
    public void They_run_where_the_processor_has_the_instructions()
    {
        Assert.SkipWhen(!Cpuid.HasVnni || !ExecutableMemory.IsKnown, "the processor lacks AVX-512 with VNNI, or emitted code does not speak this system's calling convention");
        Assert.NotNull(EmittedKernels.Shared);
        Assert.Equal("", EmittedKernels.Refusal);
        Assert.Equal(Isa.Vnni, IsaSelection.Best);
        Assert.Equal(Isa.Avx512, IsaSelection.Resolve("avx512"));
    }

    [Fact]
    public void Their_code_is_valid_and_changes_only_what_a_function_may()
    {
        SkipWithout();
        Instruction[] instructions = AssemblerTests.Read(Written());
        Assert.DoesNotContain(instructions, instruction => instruction.IsInvalid);
        var factory = new InstructionInfoFactory();
        // A register that belongs to the caller may change between being pushed and popped.
        Register kept = Register.None;
        foreach (Instruction instruction in instructions)
        {
            if (instruction.Mnemonic is Mnemonic.Push or Mnemonic.Pop)
            {
                Assert.Equal(instruction.Mnemonic == Mnemonic.Push ? Register.None : instruction.Op0Register, kept);
                kept = instruction.Mnemonic == Mnemonic.Push ? instruction.Op0Register : Register.None;
                continue;
            }
            if (instruction.Mnemonic == Mnemonic.Ret)
            {
                Assert.Equal(Register.None, kept);
                continue;
            }
            foreach (UsedRegister used in factory.GetInfo(instruction).GetUsedRegisters())
            {
                bool isChanged = used.Access is OpAccess.Write or OpAccess.ReadWrite or OpAccess.CondWrite;
                Register register = used.Register.GetFullRegister();
                if (isChanged && register.IsGPR64() && register != kept) Assert.Contains(register, Scratch);
            }
            if (instruction.FlowControl is FlowControl.ConditionalBranch or FlowControl.UnconditionalBranch)
                Assert.Contains(instructions, target => target.IP == instruction.NearBranchTarget);
        }
    }

    [Fact]
    public void Products_with_8_and_4_bits_have_the_bits_of_the_avx512_tier()
    {
        SkipWithout();
        (from type in Gen.OneOf(WeightType.Q8, WeightType.Q4)
         from rows in Gen.Int[1, 40]
         from outputs in Gen.Int[1, 48]
         from columns in Gen.Frequency((4, Gen.Int[1, 80]), (1, Gen.Int[120, 200])).Select(i => i * 32)
         from seed in Gen.ULong
         select (type, rows, outputs, columns, seed)).Sample(sample =>
         {
             float[] x = Noise(sample.rows * sample.columns, sample.seed), weights = Noise(sample.outputs * sample.columns, sample.seed + 1);
             Assert.Equal(Multiply(CpuKernels.For(Isa.Avx512), sample.type, sample.outputs, sample.columns, x, weights),
                 Multiply(EmittedKernels.Shared!, sample.type, sample.outputs, sample.columns, x, weights));
         }, iter: 60);
    }

    [Fact]
    public void Bf16_products_are_those_of_activations_rounded_to_bf16()
    {
        SkipWithout();
        Assert.SkipWhen(!Cpuid.HasBFloat16, "the processor lacks AVX512-BF16");
        (from rows in Gen.Int[1, 40]
         from outputs in Gen.Int[1, 48]
         from columns in Gen.Int[1, 1300]
         from seed in Gen.ULong
         select (rows, outputs, columns, seed)).Sample(sample =>
         {
             float[] x = Noise(sample.rows * sample.columns, sample.seed), weights = Noise(sample.outputs * sample.columns, sample.seed + 1);
             float[] actual = Multiply(EmittedKernels.Shared!, WeightType.BF16, sample.outputs, sample.columns, x, weights);
             float[] rounded = [.. x.Select(value => BFloat16.ToSingle(BFloat16.FromSingle(value)))];
             float[] expected = Multiply(new ScalarKernels(), WeightType.BF16, sample.outputs, sample.columns, rounded, weights);
             for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-6f * sample.columns);
         }, iter: 60);
    }

    [Fact]
    public void What_the_operating_system_refuses_is_said()
    {
        SkipWithout();
        EmittedKernels? kernels = EmittedKernels.Create((ReadOnlySpan<byte> _, out string refusal) =>
        {
            refusal = "the operating system does not let this process execute what it wrote: Permission denied";
            return null;
        }, SelfTest.Run, out string reason);
        Assert.Null(kernels);
        Assert.Equal("the operating system does not let this process execute what it wrote: Permission denied", reason);
    }

    [Fact]
    public void Code_that_computes_something_else_is_found_and_not_used()
    {
        SkipWithout();
        ExecutableMemory? placed = null;
        EmittedKernels? kernels = EmittedKernels.Create((ReadOnlySpan<byte> code, out string refusal) =>
        {
            // The last kernel for Q6_K shifts by 3 where it should shift by 2.
            byte[] changed = code.ToArray();
            Instruction shift = AssemblerTests.Read(changed).Last(instruction => instruction.Mnemonic == Mnemonic.Vpsrld);
            changed[(int)shift.NextIP - 1] = 3;
            return placed = ExecutableMemory.Create(changed, out refusal);
        }, SelfTest.Run, out string reason);
        Assert.Null(kernels);
        Assert.StartsWith("their self-test failed: Q6_K, 17 rows times 2 panels: row 6 output ", reason, StringComparison.Ordinal);
        Assert.True(placed is not null && placed.Pointer is null, "the code is still in memory");
    }

    [Fact]
    public void The_self_test_passes_every_right_set_and_names_a_wrong_value()
    {
        foreach (CpuKernels kernels in CpuKernels.Available) Assert.Null(SelfTest.Run(kernels));
        Assert.SkipWhen(IsaSelection.Best < Isa.Avx512, "the wrong set is an AVX-512 set");
        Assert.StartsWith("Q4, 5 rows times 2 panels: row 4 output 31 is ", SelfTest.Run(new Wrong()), StringComparison.Ordinal);
    }

    [Fact]
    public void Code_lies_in_pages_that_are_executable_and_not_writable()
    {
        Assert.SkipWhen(!OperatingSystem.IsLinux(), "reads /proc/self/maps");
        SkipWithout();
        var assembler = new Assembler();
        assembler.Mov(Gp.Rax, 42);
        assembler.Ret();
        using ExecutableMemory memory = ExecutableMemory.Create(assembler.Code, out _)!;
        Assert.Equal(42, ((delegate* unmanaged<long>)memory.Pointer)());
        nint address = (nint)memory.Pointer;
        string line = File.ReadLines("/proc/self/maps").Single(line =>
        {
            string[] range = line.Split(' ')[0].Split('-');
            return long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture) <= address && address < long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        });
        Assert.Equal("r-xp", line.Split(' ')[1]);
    }

    private static byte[] Written()
    {
        byte[] written = [];
        EmittedKernels.Create((ReadOnlySpan<byte> code, out string refusal) =>
        {
            written = code.ToArray();
            refusal = "only looked at";
            return null;
        }, _ => null, out _);
        return written;
    }

    private static float[] Noise(int count, ulong seed)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            seed = seed * 6364136223846793005 + 1442695040888963407;
            values[i] = (int)(seed >> 40) / (float)(1 << 23) - 1;
        }
        return values;
    }

    private static float[] Multiply(CpuKernels kernels, WeightType type, int outputs, int columns, float[] x, float[] values)
    {
        using var team = new ThreadTeam(1);
        using PackedWeights weights = PackedWeights.Pack(type, outputs, columns, (row, destination) => values.AsSpan(row * columns, columns).CopyTo(destination), kernels, team);
        using var buffers = new Buffers();
        int rows = x.Length / columns;
        nint stride = Math.Max(kernels.PreparedBytes(type, weights.PaddedColumns), weights.PaddedColumns * sizeof(float));
        byte* prepared = buffers.Bytes((int)stride * rows);
        float* result = buffers.Floats(rows * outputs);
        for (int row = 0; row < rows; row++)
        {
            fixed (float* source = &x[row * columns])
            {
                if (kernels.Prepares(type))
                {
                    kernels.Prepare(type, source, columns, weights.PaddedColumns, prepared + row * stride);
                    continue;
                }
                new Span<float>(prepared + row * stride, weights.PaddedColumns).Clear();
                new ReadOnlySpan<float>(source, columns).CopyTo(new Span<float>(prepared + row * stride, columns));
            }
        }
        var product = new ProductWork(kernels, weights, prepared, stride, rows, false, result, outputs, 1);
        product.Run(0, 1);
        return new Span<float>(result, rows * outputs).ToArray();
    }
}
