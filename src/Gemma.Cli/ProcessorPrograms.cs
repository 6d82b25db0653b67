using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Gemma.Cpu;
using Microsoft.Win32.SafeHandles;

namespace Gemma.Cli;

/// <summary>
/// What is compiled ahead of time is compiled for one level of processors: below AVX it may use no wider register, above it does not start elsewhere. So the
/// native executable is compiled for x86-64-v2, and holds itself compiled for -v3 (AVX2) and -v4 (AVX-512). It hands over to the best of them before it
/// computes anything. The program that the JIT compiles needs none of this.
/// </summary>
internal static unsafe partial class ProcessorPrograms
{
    private const string Prefix = "programs/", ProcessName = "gemma";
    private const uint CloseOnExec = 1, Executable = 0x10;
    private const int InvalidArgument = 22, SetName = 15;

    private static readonly (string Level, Isa Isa, string[] Flags)[] Levels =
    [
        ("x86-64-v4", Isa.Avx512, ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma", "bmi1", "bmi2", "movbe", "f16c"]),
        ("x86-64-v3", Isa.Avx2, ["avx2", "fma", "bmi1", "bmi2", "movbe", "f16c"]),
    ];

    /// <summary>The level this code is compiled for; null where the JIT compiles it for the processor it finds.</summary>
    public static string? Level => !IsNative ? null : Avx512BW.IsSupported ? "x86-64-v4" : Avx2.IsSupported ? "x86-64-v3" : "x86-64-v2";

    /// <summary>Why a better program inside could not be started; null where there is none or nothing went wrong.</summary>
    public static string? Refusal { get; private set; }

    /// <summary>The one part of the levels that some kernels leave out of their list.</summary>
    private static bool HasLeadingZeroCount => (X86Base.CpuId(unchecked((int)0x8000_0001), 0).Ecx >> 5 & 1) != 0;

    private static bool IsNative => !RuntimeFeature.IsDynamicCodeCompiled && RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>Replaces this process by the best program inside that the processor can run; comes back where this is it.</summary>
    public static void HandOver()
    {
        if (!IsNative || !OperatingSystem.IsLinux()) return;
        // Started from memory, the process would be called after a number.
        if (Level != "x86-64-v2") _ = SetProcessOption(SetName, ProcessName);
        if (!HasLeadingZeroCount) return;
        if (Choose(Machine.ProcessorFlags, Environment.GetEnvironmentVariable(IsaSelection.Variable)) is not string level) return;
        if (Assembly.GetExecutingAssembly().GetManifestResourceStream(Prefix + level) is not UnmanagedMemoryStream program) return;
        using (program) Refusal = $"the system does not start the program for {level} inside this one: {Start(new ReadOnlySpan<byte>(program.PositionPointer, checked((int)program.Length)))}";
    }

    /// <summary>The level for a processor with these flags, and where a slower tier of kernels is asked for by name, one that serves it.</summary>
    internal static string? Choose(IReadOnlySet<string> processor, string? isa)
    {
        bool isForced = Enum.TryParse(isa, ignoreCase: true, out Isa forced);
        foreach ((string level, Isa tier, string[] flags) in Levels)
            if ((!isForced || forced >= tier) && processor.IsSupersetOf(flags)) return level;
        return null;
    }

    /// <summary>Comes back only with a reason.</summary>
    private static string Start(ReadOnlySpan<byte> program)
    {
        // The arguments as they came: text that is not UTF-8 stays what it is.
        byte[] words = File.ReadAllBytes("/proc/self/cmdline");
        int file = CreateMemoryFile(ProcessName, CloseOnExec | Executable);
        // Kernels before 6.3 do not know the second flag, and need none.
        if (file < 0 && Marshal.GetLastPInvokeError() == InvalidArgument) file = CreateMemoryFile(ProcessName, CloseOnExec);
        if (file < 0) return Marshal.GetLastPInvokeErrorMessage();
        using var handle = new SafeFileHandle(file, ownsHandle: true);
        try
        {
            RandomAccess.Write(handle, program, 0);
        }
        catch (IOException failure)
        {
            return failure.Message;
        }
        byte*[] arguments = new byte*[words.AsSpan().Count((byte)0) + 1]; // the last is null
        fixed (byte* text = words)
        fixed (byte** first = arguments)
        {
            int count = 0;
            for (int i = 0; i < words.Length; i++)
                if (i == 0 || words[i - 1] == 0) arguments[count++] = text + i;
            _ = Execute(FormattableString.Invariant($"/proc/self/fd/{file}"), first);
            return Marshal.GetLastPInvokeErrorMessage();
        }
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int CreateMemoryFile(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "execv", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Execute(string path, byte** arguments);

    [LibraryImport("libc", EntryPoint = "prctl", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetProcessOption(int option, string value);
}
