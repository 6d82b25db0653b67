using Gemma.Cli;

namespace Gemma.Tests.Cli;

/// <summary>Which of the programs inside the native executable starts.</summary>
public class ProcessorProgramsTests
{
    private const string Haswell = "fpu sse4_2 avx avx2 fma bmi1 bmi2 movbe f16c", Skylake = Haswell + " avx512f avx512bw avx512cd avx512dq avx512vl";

    [Theory]
    [InlineData("", null, null)]
    [InlineData("fpu sse4_2 avx", null, null)]
    [InlineData(Haswell, null, "x86-64-v3")]
    [InlineData(Haswell, "vnni", "x86-64-v3")]
    [InlineData(Skylake, null, "x86-64-v4")]
    [InlineData(Skylake, "nonsense", "x86-64-v4")]
    [InlineData(Skylake, "AVX512", "x86-64-v4")]
    [InlineData(Skylake, "avx2", "x86-64-v3")]
    [InlineData(Skylake, "vector128", null)]
    [InlineData(Skylake, "scalar", null)]
    // Knights Landing: AVX-512 without the parts that kernels need.
    [InlineData(Haswell + " avx512f avx512cd avx512er", null, "x86-64-v3")]
    // A hypervisor that hides one.
    [InlineData("fpu sse4_2 avx avx2 fma bmi1 bmi2 f16c", null, null)]
    public void The_processor_and_the_variable_choose(string flags, string? isa, string? expected) =>
        Assert.Equal(expected, ProcessorPrograms.Choose(flags.Split(' ').ToHashSet(), isa));

    [Fact]
    public void The_program_that_the_jit_compiles_has_no_level()
    {
        ProcessorPrograms.HandOver();
        Assert.Null(ProcessorPrograms.Level);
        Assert.Null(ProcessorPrograms.Refusal);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("--version", true)]
    [InlineData("--help", true)]
    [InlineData("run -h", true)]
    [InlineData("run --help", true)]
    [InlineData("run", false)]
    [InlineData("run Once", false)]
    // A text that looks like a flag, and a flag's value that does.
    [InlineData("run -- --help", false)]
    [InlineData("run --system --help", false)]
    [InlineData("doctor", false)]
    public void What_computes_nothing_needs_no_better_program(string args, bool expected) =>
        Assert.Equal(expected, Program.AsksForText(args.Split(' ', StringSplitOptions.RemoveEmptyEntries)));

    [Fact]
    public void Every_verb_is_found_by_its_name() => Assert.All(Program.Verbs, verb => Assert.Equal(verb.Name, verb.Create().Name));
}
