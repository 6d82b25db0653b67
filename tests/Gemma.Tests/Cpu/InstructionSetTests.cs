using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Gemma.Cpu;
using Gemma.Cpu.Kernels;
using Gemma.Tests.Model;

namespace Gemma.Tests.Cpu;

/// <summary>
/// The kernel and golden tests once more in child processes in which instruction sets are switched off, as older processors lack them. What the JIT makes of a
/// narrower kernel is another program there: no AVX encoding (AVX2 off), no fused multiply-add, software fall-backs (SSE4.2 off takes SSSE3 with it).
/// </summary>
public partial class InstructionSetTests(ITestOutputHelper output)
{
    /// <summary>What a child is to find in use; absent in the parent.</summary>
    private const string ExpectedVariable = "GEMMA_TESTS_EXPECT_KERNELS";

    private static bool IsChild => Environment.GetEnvironmentVariable(ExpectedVariable) is not null;

    private static readonly string[] Kernels = ["ProductTests", "QuantizationTests", "RowKernelTests", "PagedAttentionTests", "ReferenceTests"];

    /// <summary>Variables of the child, the tier it must find, and whether kernel tests run again (GEMMA_ISA alone does not change them).</summary>
    public static TheoryData<string, Isa, bool> Sets => new()
    {
        { "DOTNET_EnableAVX512=0", Isa.Avx2, true },
        { "DOTNET_EnableAVX2=0", Isa.Vector128, true },
        { "DOTNET_EnableHWIntrinsic=0", Isa.Scalar, true },
        { "DOTNET_EnableSSE42=0", Isa.Vector128, true },
        { "GEMMA_ISA=avx512", Isa.Avx512, false },
        { "GEMMA_ISA=avx2", Isa.Avx2, false },
        { "GEMMA_ISA=vector128", Isa.Vector128, false },
        { "GEMMA_ISA=scalar", Isa.Scalar, false },
    };

    [Theory]
    [MemberData(nameof(Sets))]
    public void Kernel_and_golden_tests_pass_with_sets_switched_off(string setting, Isa expected, bool kernels)
    {
        Assert.SkipWhen(IsChild, "this process is a child already");
        Assert.SkipWhen(expected > IsaSelection.Best, $"this processor has no {expected}");
        string[] classes = ["Cpu.InstructionSetTests", "Model.GoldenTests", .. kernels ? Kernels.Select(name => "Cpu." + name) : []];
        string[] arguments = ["-noColor", "-noLogo", "-showLiveOutput", .. classes.SelectMany(name => (string[])["-class", "Gemma.Tests." + name])];
        (int exitCode, string text) = Run(arguments, (ExpectedVariable, expected.ToString()), (setting.Split('=')[0], setting.Split('=')[1]));
        if (exitCode != 0)
        {
            int failure = text.IndexOf("[FAIL]", StringComparison.Ordinal);
            Assert.Fail($"{setting}: exit code {exitCode}\n{(failure < 0 ? text : text[Math.Max(0, failure - 200)..Math.Min(text.Length, failure + 3000)])}");
        }
        Assert.Contains($"kernels in use: {expected.ToString().ToLowerInvariant()}", text);
        Match summary = Summary().Match(text);
        Assert.True(summary.Success && int.Parse(summary.Groups["total"].ValueSpan, CultureInfo.InvariantCulture) > (kernels ? 45 : 20) && summary.Groups["failed"].Value == "0", text);
        output.WriteLine($"{setting}: {expected}, {summary.Value}");
    }

    [Fact]
    public void A_child_runs_the_tier_it_was_started_for()
    {
        string? expected = Environment.GetEnvironmentVariable(ExpectedVariable);
        using GemmaModel model = Golden.Load("gemma1-mqa");
        output.WriteLine($"kernels in use: {CpuKernels.For(model.Isa).Name}; {IsaSelection.Reason}");
        if (expected is not null) Assert.Equal(expected, model.Isa.ToString());
    }

    [Fact]
    public void A_tier_that_is_none_stops_the_load_with_one_line()
    {
        Assert.SkipWhen(IsChild, "this process is a child already");
        (int exitCode, string text) = Run(["-noColor", "-noLogo", "-method", "Gemma.Tests.Cpu.InstructionSetTests.A_child_runs_the_tier_it_was_started_for"],
            (ExpectedVariable, "none"), (IsaSelection.Variable, "avx1024"));
        Assert.NotEqual(0, exitCode);
        Assert.Contains("Gemma.UsageException : GEMMA_ISA is 'avx1024'; expected scalar, vector128, avx2, avx512 or vnni", text);
    }

    private static (int ExitCode, string Text) Run(string[] arguments, params (string Name, string Value)[] variables)
    {
        // Where `dotnet` runs the test assembly, the assembly is its first argument; else the process is the test program.
        string program = Environment.ProcessPath!;
        bool hosted = Path.GetFileNameWithoutExtension(program).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
        var start = new ProcessStartInfo(program, [.. hosted ? (string[])["exec", typeof(InstructionSetTests).Assembly.Location] : [], .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = AppContext.BaseDirectory,
        };
        // A test host's own settings would make the child answer the host.
        foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("TESTINGPLATFORM", StringComparison.OrdinalIgnoreCase) || name == IsaSelection.Variable).ToArray())
            start.Environment.Remove(name);
        foreach ((string name, string value) in variables) start.Environment[name] = value;
        using Process child = Process.Start(start)!;
        Task<string> errors = child.StandardError.ReadToEndAsync(), lines = child.StandardOutput.ReadToEndAsync();
        if (!child.WaitForExit(TimeSpan.FromSeconds(120)))
        {
            child.Kill(entireProcessTree: true);
            Assert.Fail($"a child did not end within two minutes:\n{lines.Result}\n{errors.Result}");
        }
        return (child.ExitCode, lines.Result + errors.Result);
    }

    [GeneratedRegex(@"Total: (?<total>\d+), Errors: 0, Failed: (?<failed>\d+)")]
    private static partial Regex Summary();
}
