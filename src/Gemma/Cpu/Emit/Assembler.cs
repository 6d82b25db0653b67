using System.Buffers.Binary;

namespace Gemma.Cpu.Emit;

/// <summary>The general registers, by their number in the encoding.</summary>
internal enum Gp
{
    Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15,
}

/// <summary>A 512-bit register, 0 … 31.</summary>
internal readonly record struct Zmm(int Number);

/// <summary>base + index · scale + displacement. A broadcast operand is one 32-bit value, repeated in all lanes.</summary>
internal readonly record struct Memory(Gp Base, int Displacement = 0, Gp? Index = null, int Scale = 1)
{
    public bool IsBroadcast { get; init; }

    public Memory Broadcast => this with { IsBroadcast = true };

    public static Memory operator +(Memory memory, int bytes) => memory with { Displacement = memory.Displacement + bytes };
}

/// <summary>A place in the code that jumps go to; forward jumps are filled in when it is marked.</summary>
internal sealed class Label
{
    public int Position { get; set; } = -1;

    public List<int> Jumps { get; } = [];
}

/// <summary>
/// Writes the few x86-64 instructions that the emitted kernels are made of: AVX-512 arithmetic on whole registers (EVEX, vector length 512, no masks) and the
/// loop around it. The encodings are those of Intel's Software Developer's Manual, volume 2; the tests read them back with another project's disassembler.
/// </summary>
internal sealed class Assembler
{
    // "pp" of the EVEX prefix: which legacy prefix the opcode had.
    private const int PrefixNone = 0, Prefix66 = 1, PrefixF3 = 2;

    // "mmm" of the EVEX prefix: which page of opcodes.
    private const int Map0F = 1, Map0F38 = 2, Map0F3A = 3;

    private const int Register = 64;

    private byte[] _code = new byte[1 << 12];
    private int _length;

    public ReadOnlySpan<byte> Code => _code.AsSpan(0, _length);

    public int Position => _length;

    /// <summary>destination += Σ of four products of unsigned with signed bytes, in each lane.</summary>
    public void Vpdpbusd(Zmm destination, Zmm unsigned, Zmm signed) => Evex(Map0F38, Prefix66, 0x50, destination, unsigned, signed);

    public void Vpdpbusd(Zmm destination, Zmm unsigned, Memory signed) => Evex(Map0F38, Prefix66, 0x50, destination, unsigned, signed);

    /// <summary>destination += the sum of two products of bfloat16, in each lane.</summary>
    public void Vdpbf16ps(Zmm destination, Zmm x, Zmm y) => Evex(Map0F38, PrefixF3, 0x52, destination, x, y);

    public void Vdpbf16ps(Zmm destination, Zmm x, Memory y) => Evex(Map0F38, PrefixF3, 0x52, destination, x, y);

    /// <summary>destination += x · y.</summary>
    public void Vfmadd231ps(Zmm destination, Zmm x, Zmm y) => Evex(Map0F38, Prefix66, 0xB8, destination, x, y);

    public void Vfmadd231ps(Zmm destination, Zmm x, Memory y) => Evex(Map0F38, Prefix66, 0xB8, destination, x, y);

    public void Vmulps(Zmm destination, Zmm x, Zmm y) => Evex(Map0F, PrefixNone, 0x59, destination, x, y);

    public void Vmulps(Zmm destination, Zmm x, Memory y) => Evex(Map0F, PrefixNone, 0x59, destination, x, y);

    public void Vcvtdq2ps(Zmm destination, Zmm source) => Evex(Map0F, PrefixNone, 0x5B, destination, default, source);

    /// <summary>Sixteen fp16 numbers to fp32.</summary>
    public void Vcvtph2ps(Zmm destination, Memory source) => Evex(Map0F38, Prefix66, 0x13, destination, default, source, Register / 2);

    /// <summary>Sixteen unsigned bytes to 32-bit lanes.</summary>
    public void Vpmovzxbd(Zmm destination, Memory source) => Evex(Map0F38, Prefix66, 0x31, destination, default, source, Register / 4);

    /// <summary>Sixteen signed bytes to 32-bit lanes.</summary>
    public void Vpmovsxbd(Zmm destination, Memory source) => Evex(Map0F38, Prefix66, 0x21, destination, default, source, Register / 4);

    public void Vpbroadcastd(Zmm destination, Memory source) => Evex(Map0F38, Prefix66, 0x58, destination, default, source, sizeof(int));

    public void Vpbroadcastd(Zmm destination, Gp source)
    {
        WriteEvex(Map0F38, Prefix66, destination.Number, default, (int)source, 0, false);
        Write(0x7C, ModRm(3, destination.Number, (int)source));
    }

    public void Vmovdqu32(Zmm destination, Memory source) => Evex(Map0F, PrefixF3, 0x6F, destination, default, source);

    public void Vmovdqa32(Zmm destination, Zmm source) => Evex(Map0F, Prefix66, 0x6F, destination, default, source);

    public void Vmovups(Zmm destination, Memory source) => Evex(Map0F, PrefixNone, 0x10, destination, default, source);

    public void Vmovups(Memory destination, Zmm source) => Evex(Map0F, PrefixNone, 0x11, source, default, destination);

    public void Vpandd(Zmm destination, Zmm x, Zmm y) => Evex(Map0F, Prefix66, 0xDB, destination, x, y);

    public void Vpxord(Zmm destination, Zmm x, Zmm y) => Evex(Map0F, Prefix66, 0xEF, destination, x, y);

    /// <summary>32-bit lanes, zeros shifted in.</summary>
    public void Vpsrld(Zmm destination, Zmm source, byte count)
    {
        Evex(Map0F, Prefix66, 0x72, new Zmm(2), destination, source);
        Write(count);
    }

    public void Vpslld(Zmm destination, Zmm source, byte count)
    {
        Evex(Map0F, Prefix66, 0x72, new Zmm(6), destination, source);
        Write(count);
    }

    /// <summary>Bit by bit the entry of <paramref name="table"/> at 4 · destination + 2 · x + y.</summary>
    public void Vpternlogd(Zmm destination, Zmm x, Zmm y, byte table)
    {
        Evex(Map0F3A, Prefix66, 0x25, destination, x, y);
        Write(table);
    }

    public void Prefetcht0(Memory address)
    {
        if (address.Base >= Gp.R8 || address.Index >= Gp.R8) Write((byte)(0x40 | HighBit(address.Index) << 1 | HighBit(address.Base)));
        Write(0x0F, 0x18);
        WriteAddress(1, address, 1);
    }

    public void Vzeroupper() => Write(0xC5, 0xF8, 0x77);

    public void Mov(Gp destination, Gp source) => General(0x89, source, destination);

    public void Mov(Gp destination, Memory source) => General(0x8B, destination, source);

    public void Mov(Gp destination, int value)
    {
        Write((byte)(0x48 | (int)destination >> 3), 0xC7, ModRm(3, 0, (int)destination));
        WriteInt(value);
    }

    public void Lea(Gp destination, Memory address) => General(0x8D, destination, address);

    public void Add(Gp destination, Gp source) => General(0x01, source, destination);

    public void Add(Gp destination, int value) => General(0, destination, value);

    public void Add(Gp destination, Memory source) => General(0x03, destination, source);

    public void Sub(Gp destination, int value) => General(5, destination, value);

    public void Test(Gp x, Gp y) => General(0x85, y, x);

    public void Push(Gp register) => PushOrPop(0x50, register);

    public void Pop(Gp register) => PushOrPop(0x58, register);

    public void Ret() => Write(0xC3);

    public void Jz(Label target) => Jump(target, 0x0F, 0x84);

    public void Jnz(Label target) => Jump(target, 0x0F, 0x85);

    public void Js(Label target) => Jump(target, 0x0F, 0x88);

    public void Jns(Label target) => Jump(target, 0x0F, 0x89);

    public void Jmp(Label target) => Jump(target, 0xE9);

    public void Mark(Label label)
    {
        label.Position = _length;
        foreach (int jump in label.Jumps) Fill(jump, label.Position);
    }

    /// <summary>Starts a loop or a kernel on a line of the instruction cache.</summary>
    public void Align()
    {
        while (_length % 64 != 0) Write(0x90);
    }

    private void Jump(Label target, params ReadOnlySpan<byte> opcode)
    {
        Write(opcode);
        WriteInt(0);
        if (target.Position >= 0) Fill(_length - sizeof(int), target.Position);
        else target.Jumps.Add(_length - sizeof(int));
    }

    private void Fill(int field, int target) => BinaryPrimitives.WriteInt32LittleEndian(_code.AsSpan(field), target - field - sizeof(int));

    private void General(byte opcode, Gp reg, Gp rm) => Write((byte)(0x48 | (int)reg >> 3 << 2 | (int)rm >> 3), opcode, ModRm(3, (int)reg, (int)rm));

    private void General(byte opcode, Gp reg, Memory memory)
    {
        Write((byte)(0x48 | (int)reg >> 3 << 2 | HighBit(memory.Index) << 1 | HighBit(memory.Base)), opcode);
        WriteAddress((int)reg, memory, 1);
    }

    private void General(int operation, Gp register, int value)
    {
        Write((byte)(0x48 | (int)register >> 3), 0x81, ModRm(3, operation, (int)register));
        WriteInt(value);
    }

    private void PushOrPop(int opcode, Gp register)
    {
        if (register >= Gp.R8) Write(0x41);
        Write((byte)(opcode | (int)register & 7));
    }

    private void Evex(int map, int prefix, byte opcode, Zmm reg, Zmm vvvv, Zmm rm)
    {
        // The fifth bit of the register in rm goes where an index would be.
        WriteEvex(map, prefix, reg.Number, vvvv.Number, rm.Number & 15, rm.Number >> 4, false);
        Write(opcode, ModRm(3, reg.Number, rm.Number));
    }

    private void Evex(int map, int prefix, byte opcode, Zmm reg, Zmm vvvv, Memory memory, int operandBytes = Register)
    {
        WriteEvex(map, prefix, reg.Number, vvvv.Number, (int)memory.Base, HighBit(memory.Index), memory.IsBroadcast);
        Write(opcode);
        WriteAddress(reg.Number, memory, memory.IsBroadcast ? sizeof(int) : operandBytes);
    }

    /// <summary>62 [R̄ X̄ B̄ R̄' 0 mmm] [W v̄v̄v̄v̄ 1 pp] [z L'L b V̄' aaa]; W, z and aaa are 0 here, L'L is 512 bits.</summary>
    private void WriteEvex(int map, int prefix, int reg, int vvvv, int rmOrBase, int xBit, bool broadcast)
    {
        int first = (~reg >> 3 & 1) << 7 | (~xBit & 1) << 6 | (~rmOrBase >> 3 & 1) << 5 | (~reg >> 4 & 1) << 4 | map;
        int second = (~vvvv & 15) << 3 | 1 << 2 | prefix;
        int third = 2 << 5 | (broadcast ? 1 << 4 : 0) | (~vvvv >> 4 & 1) << 3;
        Write(0x62, (byte)first, (byte)second, (byte)third);
    }

    /// <summary>ModRM, SIB and displacement; one byte holds displacements that are multiples of <paramref name="unit"/> up to 127 of them.</summary>
    private void WriteAddress(int reg, Memory memory, int unit)
    {
        bool isShort = memory.Displacement % unit == 0 && memory.Displacement / unit is >= sbyte.MinValue and <= sbyte.MaxValue;
        int mode = memory.Displacement == 0 && ((int)memory.Base & 7) != (int)Gp.Rbp ? 0 : isShort ? 1 : 2;
        bool needsSib = memory.Index is not null || ((int)memory.Base & 7) == (int)Gp.Rsp;
        Write(ModRm(mode, reg, needsSib ? 4 : (int)memory.Base));
        if (needsSib) Write(ModRm(int.Log2(memory.Scale), (int)(memory.Index ?? Gp.Rsp), (int)memory.Base));
        if (mode == 1) Write((byte)(memory.Displacement / unit));
        else if (mode == 2) WriteInt(memory.Displacement);
    }

    private static byte ModRm(int mode, int reg, int rm) => (byte)(mode << 6 | (reg & 7) << 3 | rm & 7);

    private static int HighBit(Gp? register) => (int)(register ?? 0) >> 3;

    private void WriteInt(int value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        Write(bytes);
    }

    private void Write(params ReadOnlySpan<byte> bytes)
    {
        if (_length + bytes.Length > _code.Length) Array.Resize(ref _code, 2 * _code.Length);
        bytes.CopyTo(_code.AsSpan(_length));
        _length += bytes.Length;
    }
}
