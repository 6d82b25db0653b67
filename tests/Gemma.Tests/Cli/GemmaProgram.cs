using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Gemma.Tests.Cli;

/// <summary>What a call of the program left behind.</summary>
internal sealed record ProgramResult(int ExitCode, string Output, string Errors)
{
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public string[] ErrorLines => Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>It failed in the way the user is promised: this code, one line that says all this, no stack.</summary>
    public void AssertFails(int exitCode, params string[] parts)
    {
        Assert.True(ExitCode == exitCode, $"exit code {ExitCode}, expected {exitCode}: {Errors}");
        string line = Assert.Single(ErrorLines);
        Assert.StartsWith("error: ", line, StringComparison.Ordinal);
        Assert.All(parts, part => Assert.Contains(part, line, StringComparison.Ordinal));
    }

    public ProgramResult AssertWorks()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}: {Errors}");
        return this;
    }
}

/// <summary>The built program, run as its users run it: a process of its own, with nothing of this machine's settings and caches.</summary>
internal sealed partial class GemmaProgram : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    public string Folder { get; } = Directory.CreateTempSubdirectory("gemma-cli-").FullName;

    /// <summary>The built program, or another that should do the same.</summary>
    public string Executable { get; init; } = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "Gemma.Cli.exe" : "Gemma.Cli");

    public Dictionary<string, string> Environment { get; } = [];

    public string PathOf(string name) => Path.Combine(Folder, name);

    public ProgramResult Run(params string[] args) => RunWith("", args);

    public ProgramResult RunWith(string input, params string[] args) => RunWith(Utf8.GetBytes(input), args);

    public ProgramResult RunWith(byte[] input, params string[] args)
    {
        using Process process = Start(args);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        try
        {
            process.StandardInput.BaseStream.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading, which its exit code explains.
        }
        return Wait(process, output, errors);
    }

    public Process Start(params string[] args)
    {
        // A shell's background jobs ignore interrupts, and so would their children.
        const string Env = "/usr/bin/env";
        string[] prefix = OperatingSystem.IsLinux() && File.Exists(Env) ? [Env, "--default-signal=INT", Executable] : [Executable];
        var start = new ProcessStartInfo(prefix[0], [.. prefix[1..], .. args])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Utf8,
            StandardErrorEncoding = Utf8,
            WorkingDirectory = Folder,
        };
        foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("GEMMA_", StringComparison.Ordinal) || name.StartsWith("HF_", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);
        start.Environment["XDG_CONFIG_HOME"] = PathOf("config");
        start.Environment["HF_HOME"] = PathOf("hf");
        foreach ((string name, string value) in Environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    public static ProgramResult Wait(Process process, Task<string> output, Task<string> errors)
    {
        if (process.WaitForExit(Patience)) return new ProgramResult(process.ExitCode, output.Result, errors.Result);
        process.Kill();
        throw new TimeoutException($"the program did not end: {errors.Result}");
    }

    /// <summary>Ctrl+C, or what else asks a program to end: 15 is what systems send.</summary>
    public static void Interrupt(Process process, int signal = 2) => Assert.Equal(0, Kill(process.Id, signal));

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Kill(int process, int signal);
}
