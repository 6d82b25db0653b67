using CsCheck;
using Gemma.Cpu.Emit;
using Iced.Intel;
using Assembler = Gemma.Cpu.Emit.Assembler;
using Label = Gemma.Cpu.Emit.Label;

namespace Gemma.Tests.Cpu.Emit;

/// <summary>What the assembler writes, read back with the disassembler of the Iced project.</summary>
public class AssemblerTests
{
    private static readonly Gen<Zmm> Vector = Gen.Int[0, 31].Select(i => new Zmm(i));
    private static readonly Gen<Gp> General = Gen.Int[0, 15].Select(i => (Gp)i);

    // Displacements around the borders of the one-byte form (±128 units of 1, 4, 16, 32 and 64 bytes), and far ones.
    private static readonly Gen<int> Displacement = Gen.OneOf(Gen.Const(0), Gen.Int[-130, 130], Gen.Int[-130, 130].Select(i => i * 4), Gen.Int[-130, 130].Select(i => i * 16), Gen.Int[-130, 130].Select(i => i * 32),
        Gen.Int[-130, 130].Select(i => i * 64), Gen.Int[-(1 << 30), 1 << 30]);

    private static readonly Gen<Memory> Address =
        from start in General
        from index in General.Where(register => register != Gp.Rsp)
        from hasIndex in Gen.Bool
        from scale in Gen.Int[0, 3]
        from displacement in Displacement
        select new Memory(start, displacement, hasIndex ? index : null, hasIndex ? 1 << scale : 1);

    [Fact]
    public void Arithmetic_on_registers_reads_back_as_written() => Gen.Select(Vector, Vector, Vector).Sample((x, y, z) =>
    {
        string text = $"zmm{x.Number},zmm{y.Number},zmm{z.Number}", two = $"zmm{x.Number},zmm{z.Number}";
        Check($"vpdpbusd {text}", code => code.Vpdpbusd(x, y, z));
        Check($"vdpbf16ps {text}", code => code.Vdpbf16ps(x, y, z));
        Check($"vfmadd231ps {text}", code => code.Vfmadd231ps(x, y, z));
        Check($"vmulps {text}", code => code.Vmulps(x, y, z));
        Check($"vpandd {text}", code => code.Vpandd(x, y, z));
        Check($"vpxord {text}", code => code.Vpxord(x, y, z));
        Check($"vcvtdq2ps {two}", code => code.Vcvtdq2ps(x, z));
        Check($"vmovdqa32 {two}", code => code.Vmovdqa32(x, z));
        Check($"vpsrld {two},4", code => code.Vpsrld(x, z, 4));
        Check($"vpslld {two},2", code => code.Vpslld(x, z, 2));
        Check($"vpternlogd {text},-8", code => code.Vpternlogd(x, y, z, 0xF8));
    });

    [Fact]
    public void Operands_in_memory_read_back_as_written() => Gen.Select(Vector, Vector, Address).Sample((x, y, memory) =>
    {
        string address = Show(memory), text = $"zmm{x.Number},zmm{y.Number},{address}", one = $"zmm{x.Number},{address}";
        Check($"vpdpbusd {text}", code => code.Vpdpbusd(x, y, memory));
        Check($"vpdpbusd {text}{{1to16}}", code => code.Vpdpbusd(x, y, memory.Broadcast));
        Check($"vdpbf16ps {text}", code => code.Vdpbf16ps(x, y, memory));
        Check($"vdpbf16ps {text}{{1to16}}", code => code.Vdpbf16ps(x, y, memory.Broadcast));
        Check($"vfmadd231ps {text}{{1to16}}", code => code.Vfmadd231ps(x, y, memory.Broadcast));
        Check($"vmulps {text}", code => code.Vmulps(x, y, memory));
        Check($"vmulps {text}{{1to16}}", code => code.Vmulps(x, y, memory.Broadcast));
        Check($"vcvtph2ps {one}", code => code.Vcvtph2ps(x, memory));
        Check($"vpbroadcastd {one}", code => code.Vpbroadcastd(x, memory));
        Check($"vpmovzxbd {one}", code => code.Vpmovzxbd(x, memory));
        Check($"vpmovsxbd {one}", code => code.Vpmovsxbd(x, memory));
        Check($"vmovdqu32 {one}", code => code.Vmovdqu32(x, memory));
        Check($"vmovups {one}", code => code.Vmovups(x, memory));
        Check($"vmovups {address},zmm{x.Number}", code => code.Vmovups(memory, x));
        Check($"prefetcht0 {address}", code => code.Prefetcht0(memory));
    });

    [Fact]
    public void General_instructions_read_back_as_written() => Gen.Select(General, General, Address, Gen.Int, Vector).Sample((x, y, memory, value, vector) =>
    {
        string a = Show(x), b = Show(y), immediate = value.ToString(System.Globalization.CultureInfo.InvariantCulture);
        Check($"mov {a},{b}", code => code.Mov(x, y));
        Check($"mov {a},{Show(memory)}", code => code.Mov(x, memory));
        Check($"mov {a},{immediate}", code => code.Mov(x, value));
        Check($"lea {a},{Show(memory)}", code => code.Lea(x, memory));
        Check($"add {a},{Show(memory)}", code => code.Add(x, memory));
        Check($"add {a},{b}", code => code.Add(x, y));
        Check($"add {a},{immediate}", code => code.Add(x, value));
        Check($"sub {a},{immediate}", code => code.Sub(x, value));
        Check($"test {a},{b}", code => code.Test(x, y));
        Check("vzeroupper", code => code.Vzeroupper());
        Check("ret", code => code.Ret());
        Check($"vpbroadcastd zmm{vector.Number},{(x >= Gp.R8 ? a + "d" : "e" + a[1..])}", code => code.Vpbroadcastd(vector, x));
    });

    [Fact]
    public void Jumps_go_where_the_label_is_marked_before_and_after()
    {
        var assembler = new Assembler();
        Label back = new(), ahead = new();
        assembler.Mark(back);
        assembler.Jz(ahead);
        assembler.Jnz(back);
        assembler.Js(ahead);
        assembler.Jns(back);
        assembler.Jmp(ahead);
        assembler.Align();
        assembler.Mark(ahead);
        assembler.Jmp(back);
        Instruction[] jumps = [.. Read(assembler.Code).Where(instruction => instruction.Mnemonic != Mnemonic.Nop)];
        Assert.Equal([Mnemonic.Je, Mnemonic.Jne, Mnemonic.Js, Mnemonic.Jns, Mnemonic.Jmp, Mnemonic.Jmp], jumps.Select(jump => jump.Mnemonic));
        Assert.Equal([64, 0, 64, 0, 64, 0], jumps.Select(jump => jump.NearBranchTarget));
    }

    internal static Instruction[] Read(ReadOnlySpan<byte> code)
    {
        var decoder = Decoder.Create(64, code.ToArray());
        var all = new List<Instruction>();
        while (decoder.IP < (ulong)code.Length) all.Add(decoder.Decode());
        return [.. all];
    }

    private static void Check(string expected, Action<Assembler> write)
    {
        var assembler = new Assembler();
        write(assembler);
        var formatter = new NasmFormatter();
        formatter.Options.NumberBase = NumberBase.Decimal;
        formatter.Options.MemorySizeOptions = MemorySizeOptions.Never;
        formatter.Options.RipRelativeAddresses = true;
        formatter.Options.SignedImmediateOperands = true;
        formatter.Options.ShowZeroDisplacements = false;
        formatter.Options.AlwaysShowScale = true;
        formatter.Options.SpaceAfterOperandSeparator = false;
        var output = new StringOutput();
        Instruction[] instructions = Read(assembler.Code);
        Assert.Single(instructions);
        formatter.Format(instructions[0], output);
        Assert.Equal(expected, output.ToStringAndReset());
    }

    private static string Show(Gp register) => register.ToString().ToLowerInvariant();

    private static string Show(Memory memory)
    {
        string index = memory.Index is { } register ? FormattableString.Invariant($"+{Show(register)}*{memory.Scale}") : "";
        string displacement = memory.Displacement == 0 ? "" : memory.Displacement.ToString("+0;-0", System.Globalization.CultureInfo.InvariantCulture);
        return $"[{Show(memory.Base)}{index}{displacement}]";
    }
}
