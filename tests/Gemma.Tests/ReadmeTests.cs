namespace Gemma.Tests;

/// <summary>What the README shows is what the project does.</summary>
public class ReadmeTests
{
    private static readonly string[] Readme = File.ReadAllLines(Path.Combine(Repository.Root, "README.md"));

    [Fact]
    public void It_is_short() => Assert.True(Readme.Length <= 250, $"{Readme.Length} lines; move some to docs/");

    [Fact]
    public void Its_program_is_the_one_that_a_test_compiles_and_runs()
    {
        string[] source = File.ReadAllLines(Path.Combine(Repository.Root, "tests", "Gemma.Tests", "Chat", "GemmaChatClientTests.cs"));
        int begin = Array.FindIndex(source, line => line.Trim() == "// README: begin"), end = Array.FindIndex(source, line => line.Trim() == "// README: end");
        Assert.Equal(source[(begin + 1)..end].Select(line => line[8..]), Block("```csharp"));
    }

    [Fact]
    public void Its_first_two_commands_are_those_that_ci_checks()
    {
        string ci = File.ReadAllText(Path.Combine(Repository.Root, ".ci", "run"));
        string[] commands = [.. Block("```").Select(line => line.Split("   #")[0].Trim())];
        Assert.Equal(2, commands.Length);
        Assert.Contains("dotnet run -c Release --project src/Gemma.Cli -- run", commands[0], StringComparison.Ordinal);
        Assert.Contains("dotnet run -c Release --project src/Gemma.Cli -- run", ci, StringComparison.Ordinal);
        Assert.Contains(commands[1], ci, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_file_it_links_to_is_there()
    {
        foreach (string line in Readme)
            foreach (string link in line.Split("](").Skip(1).Select(rest => rest[..rest.IndexOf(')', StringComparison.Ordinal)]).Where(link => !link.StartsWith("http", StringComparison.Ordinal)))
                Assert.True(File.Exists(Path.Combine(Repository.Root, link)), $"{link} is not there");
    }

    /// <summary>The lines of the first block that begins with this fence.</summary>
    private static IEnumerable<string> Block(string fence) => Readme.SkipWhile(line => line != fence).Skip(1).TakeWhile(line => line != "```");
}
