using System.Diagnostics;
using Gemma.Hub;

namespace Gemma.Tests.Hub;

/// <summary>This test program once more, as another process that pulls; it ends when it is killed.</summary>
public class PullingChild
{
    private const string Endpoint = "GEMMA_TESTS_PULL_FROM";

    internal static Process Start(HubOptions options)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        string program = typeof(PullingChild).Assembly.Location;
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") start.ArgumentList.Add(program);
        string[] arguments = ["-method", $"{typeof(PullingChild).FullName}.{nameof(Pull)}", "-explicit", "only"];
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        start.Environment[Endpoint] = options.Endpoint;
        start.Environment["HF_HUB_CACHE"] = options.CacheFolder;
        Process child = Process.Start(start)!;
        child.OutputDataReceived += (_, _) => { };
        child.ErrorDataReceived += (_, _) => { };
        child.BeginOutputReadLine();
        child.BeginErrorReadLine();
        return child;
    }

    [Fact(Explicit = true)]
    public async Task Pull()
    {
        string? endpoint = Environment.GetEnvironmentVariable(Endpoint);
        Assert.SkipWhen(endpoint is null, "runs only as the child of another test");
        await FakeFiles.PullAsync(HubOptions.FromEnvironment() with { Endpoint = endpoint!, Token = null, Offline = false });
    }
}
