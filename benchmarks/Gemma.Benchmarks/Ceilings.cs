using System.Diagnostics;
using System.Runtime.Intrinsics;
using Gemma.Cpu;
using Gemma.Cpu.Emit;

namespace Gemma.Benchmarks;

/// <summary>What this machine can do at most: multiply-adds of each kind from registers, and reading memory.</summary>
internal static unsafe class Ceilings
{
    public static int Run()
    {
        foreach (int threads in (int[])[1, 2])
        {
            Print("fp32 FMA (512 bit)", threads, 32, (a, i) => a.Vfmadd231ps(new Zmm(i), new Zmm(30), new Zmm(31)));
            Print("vdpbf16ps", threads, 64, (a, i) => a.Vdpbf16ps(new Zmm(i), new Zmm(30), new Zmm(31)));
            Print("vpdpbusd", threads, 128, (a, i) => a.Vpdpbusd(new Zmm(i), new Zmm(30), new Zmm(31)));
            Print("vpdpbusd, broadcast from memory", threads, 128, (a, i) => a.Vpdpbusd(new Zmm(i), new Zmm(30), new Memory(Gp.Rsp, -64).Broadcast));
            Print("vdpbf16ps, broadcast from memory", threads, 64, (a, i) => a.Vdpbf16ps(new Zmm(i), new Zmm(30), new Memory(Gp.Rsp, -64).Broadcast));
            Print("vpbroadcastd load", threads, 1, (a, i) => a.Vpbroadcastd(new Zmm(i), new Memory(Gp.Rsp, -64)));
            Print("512-bit load", threads, 1, (a, i) => a.Vmovdqu32(new Zmm(i), new Memory(Gp.Rsp, -64)));
            Print("mul", threads, 1, (a, i) => a.Vmulps(new Zmm(i), new Zmm(30), new Zmm(31)));
            Print("cvtdq2ps", threads, 1, (a, i) => a.Vcvtdq2ps(new Zmm(i), new Zmm(31)));
            Print("cvtdq2ps+mul+fma+dp", threads, 4, (a, i) => { a.Vcvtdq2ps(new Zmm(i), new Zmm(31)); a.Vpdpbusd(new Zmm(i + 12), new Zmm(30), new Zmm(31)); }, 12);
            Print("zmm move", threads, 1, (a, i) => a.Vmovdqa32(new Zmm(i), new Zmm(31)));
            Print("and", threads, 1, (a, i) => a.Vpandd(new Zmm(i), new Zmm(30), new Zmm(31)));
            Print("shift", threads, 1, (a, i) => a.Vpsrld(new Zmm(i), new Zmm(30), 4));
            PrintMemory(threads);
        }
        return 0;
    }

    private static void Print(string name, int threads, int operations, Action<Assembler, int> instruction, int count = 24)
    {
        var assembler = new Assembler();
        var loop = new Label();
        for (int i = 0; i < 32; i++) assembler.Vpxord(new Zmm(i), new Zmm(i), new Zmm(i));
        assembler.Mark(loop);
        for (int i = 0; i < count; i++) instruction(assembler, i);
        assembler.Sub(Gp.Rdi, 1);
        assembler.Jnz(loop);
        assembler.Ret();
        using ExecutableMemory memory = ExecutableMemory.Create(assembler.Code, out string refusal) ?? throw new InvalidOperationException(refusal);
        byte* code = memory.Pointer;
        const long rounds = 2_000_000;
        double best = Best(threads, () => ((delegate* unmanaged<long, void>)code)(rounds));
        Console.WriteLine(FormattableString.Invariant($"{threads} thread(s)  {name,-36} {operations * (double)count * rounds * threads / best / 1e9,8:F1} G/s"));
    }

    private static void PrintMemory(int threads)
    {
        const int size = 512 << 20;
        using var buffer = new NativeBuffer(size);
        byte* memory = buffer.Pointer;
        int next = 0;
        double best = Best(threads, () =>
        {
            int part = Interlocked.Increment(ref next) % threads;
            long share = size / threads;
            Vector512<long> a = default, b = default, c = default, d = default;
            for (byte* p = memory + part * share, end = p + share; p < end; p += 256)
            {
                a ^= Vector512.Load((long*)p);
                b ^= Vector512.Load((long*)(p + 64));
                c ^= Vector512.Load((long*)(p + 128));
                d ^= Vector512.Load((long*)(p + 192));
            }
            if ((a ^ b ^ c ^ d) != Vector512<long>.Zero) throw new InvalidDataException();
        });
        Console.WriteLine(FormattableString.Invariant($"{threads} thread(s)  {"DRAM read",-36} {size / best / 1e9,8:F1} GB/s"));
    }

    /// <summary>The shortest of several times in seconds, all threads together.</summary>
    private static double Best(int threads, Action body)
    {
        double best = double.MaxValue;
        for (int round = 0; round < 7; round++)
        {
            using var start = new Barrier(threads);
            double[] times = new double[threads];
            Thread[] all = [.. Enumerable.Range(0, threads).Select(i => new Thread(() =>
            {
                start.SignalAndWait();
                long begin = Stopwatch.GetTimestamp();
                body();
                times[i] = Stopwatch.GetElapsedTime(begin).TotalSeconds;
            }))];
            foreach (Thread thread in all) thread.Start();
            foreach (Thread thread in all) thread.Join();
            best = Math.Min(best, times.Max());
        }
        return best;
    }
}
