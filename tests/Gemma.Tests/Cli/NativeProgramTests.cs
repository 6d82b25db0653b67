using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Gemma.Cli;
using Gemma.Tests.Data;
using Gemma.Tests.Hub;
using Gemma.Tests.Model;
using Parquet;

namespace Gemma.Tests.Cli;

/// <summary>The one native executable, published as its users publish it, does what the built program does.</summary>
public class NativeProgramTests
{
    private static readonly string[] Same = ["--quiet", "--seed", "7", "--max-tokens", "40"];

    [Fact(Explicit = true)]
    [Trait("Category", "Long")]
    public async Task The_published_executable_does_what_the_built_program_does()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.OSArchitecture == Architecture.X64, "what is compiled ahead of time and tested is linux-x64");
        Assert.SkipUnless(HasLinker, "compiling ahead of time needs a linker (Debian: apt-get install clang, or gcc libc6-dev)");
        string executable = Publish();
        using var hub = new FakeHub();
        hub.Commit("google/gemma-2b-it", Directory.GetFiles(Repository.TinyModel).ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes));
        using GemmaProgram built = new(), native = new() { Executable = executable };
        foreach (GemmaProgram program in (GemmaProgram[])[built, native])
        {
            program.Environment["HF_ENDPOINT"] = hub.Endpoint;
            Directory.CreateDirectory(program.PathOf("tuned"));
            foreach (string file in Directory.GetFiles(Repository.TinyModel)) File.Copy(file, Path.Combine(program.PathOf("tuned"), Path.GetFileName(file)));
            File.WriteAllText(program.PathOf("tuned/generation_config.json"), """{"eos_token_id": [1, 5]}""");
            File.WriteAllText(program.PathOf("lines.jsonl"), "{\"text\": \"The sky is blue. İstanbul ﬁ é\"}\n");
            // Parquet.Net makes types as it goes, which a native program cannot: what reading needs of it is tried here.
            foreach (CompressionMethod compression in (CompressionMethod[])[CompressionMethod.None, CompressionMethod.Snappy, CompressionMethod.Gzip, CompressionMethod.Zstd])
                await ParquetFiles.Write(program.PathOf($"{compression}.parquet"), compression, groups: 2, rows: 40);
        }

        AssertSame("", "--version");
        AssertSame("");
        foreach ((string verb, _) in Program.Verbs) AssertSame("", verb, "--help");
        AssertSame("", "--help");
        Assert.Equal($"gemma {VersionText.Version}\n", native.Run("--version").AssertWorks().Output);
        AssertSame("", ["run", .. Same, "Once upon a time"]);
        AssertSame("İstanbul’da bir ağaç\n", ["run", .. Same]);
        foreach (string type in (string[])["f32", "bf16", "q8", "q4"]) AssertSame("", ["run", "--quant", type, .. Same, "The little girl"]);
        AssertSame("", ["run", "-m", "tuned", "--system", "Be brief.", .. Same, "Hello"]);
        AssertSame("Hello\n/set top-k 3\n/show effective\nMore\n/show prompt\n/bye\n", ["chat", "-m", "tuned", .. Same]);
        AssertSame("", "tokenize", "--json", "Why is the sky blue?");
        AssertSame("", "tokenize", "Why is the sky blue?");
        AssertSame("", "tokenize", "-m", Path.Combine(Repository.Tokenizer, "tokenizer.model"), "--jsonl", "--file", "lines.jsonl");
        AssertSame("", "score", "--json", "Once upon a time there was a girl.");
        AssertSame("a cat\na dog\n", "embed");
        AssertSame("", "show", Repository.TinyModel);
        AssertSame("", "show", "--effective", "--temperature", "0.25", "--json");
        AssertSame("", "pull", "gemma-2b-it");
        AssertSame("", "list");
        AssertSame("", "list", "--aliases");
        AssertSame("", ["run", "--offline", "-m", "gemma-2b-it", .. Same, "Once"]);
        AssertSame("", "rm", "gemma-2b-it");
        AssertSame("", "convert", Repository.TinyModel, "tiny.gguf", "--quiet");
        AssertSame("", "convert", "tiny.gguf", "back", "--quiet");
        AssertSame("", "quantize", "tiny.gguf", "tiny-q8.gguf", "--type", "q8", "--quiet");
        AssertSame("", "quantize", "tiny.gguf", "tiny-q4.gguf", "--type", "q4", "--quiet");
        AssertSame("", "data", "tokenize", "lines.jsonl", "-o", "tokens", "--quiet", "--json");
        AssertSame("", "data", "tokenize", "None.parquet", "Snappy.parquet", "Gzip.parquet", "Zstd.parquet", "--field", "body", "-o", "rows", "--quiet", "--json");
        AssertSame("", "tokenizer", "train", "None.parquet", "--field", "body", "--runs", "2", "--vocab-size", "300", "-o", "own.model", "--quiet");
        AssertSame("", "runn");
        AssertSame("", "run", "--temprature", "1", "x");
        AssertSame("", "run", "-m", "nowhere", "hello");
        foreach (string type in (string[])["f32", "bf16", "q8", "q4"]) AssertSame("", "logits", "--quant", type, "--ids", "2,2339,834,266,581", "--out", $"{type}.f32");
        AssertSameFiles();

        // The executable holds a program for each of these levels, and each computes what the JIT's code computes.
        foreach ((string isa, string level) in ((string, string)[])[("vector128", "x86-64-v2"), ("avx2", "x86-64-v3"), ("avx512", "x86-64-v4"), ("", "x86-64-v4")])
        {
            built.Environment["GEMMA_ISA"] = native.Environment["GEMMA_ISA"] = isa;
            if (built.Run("logits", "--ids", "2", "--out", "probe.f32").ExitCode != 0) continue; // not on this processor
            AssertSame("", "logits", "--ids", "2,2339,834,266,581", "--out", $"isa-{isa}.f32");
            AssertSame("", ["run", .. Same, "Once upon a time"]);
            string program = Finding("program"), kernels = Finding("kernels");
            if (isa.Length > 0) Assert.Contains(level, program, StringComparison.Ordinal);
            // Which tier runs is the same; the best there is depends on the program.
            Assert.Equal(FindingOf(built, "kernels").Split(':')[0], kernels.Split(':')[0]);
        }
        File.Delete(built.PathOf("probe.f32"));
        // x86-64-v2 has no fused multiply-add, which the JIT uses in the same tier: the last bits differ.
        AssertNearAndDelete("isa-vector128.f32");
        AssertSameFiles();

        JsonElement bench = native.Run("bench", "--prompt", "32", "--generate", "8", "--json").AssertWorks().Json;
        Assert.True(bench.GetProperty("decode_tokens_per_second").GetDouble() > 0);

        void AssertSame(string input, params string[] args)
        {
            ProgramResult expected = built.RunWith(input, args), actual = native.RunWith(input, args);
            string call = string.Join(' ', args);
            Assert.Equal((call, expected.ExitCode), (call, actual.ExitCode));
            Assert.Equal(expected.Output.Replace(built.Folder, "", StringComparison.Ordinal), actual.Output.Replace(native.Folder, "", StringComparison.Ordinal));
            Assert.Equal(expected.Errors.Replace(built.Folder, "", StringComparison.Ordinal), actual.Errors.Replace(native.Folder, "", StringComparison.Ordinal));
        }

        void AssertNearAndDelete(string file)
        {
            float[] expected = Floats(built), actual = Floats(native);
            Assert.True(Golden.LargestDifference(expected, actual) < 1e-4f, file);

            float[] Floats(GemmaProgram program)
            {
                byte[] bytes = File.ReadAllBytes(program.PathOf(file));
                File.Delete(program.PathOf(file));
                return MemoryMarshal.Cast<byte, float>(bytes).ToArray();
            }
        }

        void AssertSameFiles()
        {
            string[] files = Files(built.Folder);
            Assert.Equal(files, Files(native.Folder));
            foreach (string file in files.Where(file => !file.StartsWith("hf", StringComparison.Ordinal)))
                Assert.True(File.ReadAllBytes(built.PathOf(file)).AsSpan().SequenceEqual(File.ReadAllBytes(native.PathOf(file))), file);
        }

        string Finding(string name) => FindingOf(native, name);
    }

    private static bool HasLinker => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "clang")) || File.Exists(Path.Combine(folder, "gcc")));

    private static string FindingOf(GemmaProgram program, string name) => program.Run("doctor", "--json").Json.GetProperty("findings").EnumerateArray()
        .First(finding => finding.GetProperty("name").GetString() == name).GetProperty("value").GetString()!;

    private static string[] Files(string folder) => [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder, file)).Order(StringComparer.Ordinal)];

    /// <summary>With folders of its own: what is built elsewhere stays as it is.</summary>
    private static string Publish()
    {
        string folder = Path.Combine(Repository.Root, "artifacts", "native"), published = Path.Combine(folder, "published");
        using var process = Process.Start(new ProcessStartInfo("dotnet", ["publish", Path.Combine(Repository.Root, "src", "Gemma.Cli"), "-c", "Release", "-r", "linux-x64",
            "--artifacts-path", folder, "-o", published])
        { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, output);
        Assert.Equal(["gemma"], Directory.GetFileSystemEntries(published).Select(Path.GetFileName));
        return Path.Combine(published, "gemma");
    }
}
