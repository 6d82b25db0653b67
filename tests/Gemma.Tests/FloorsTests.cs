using System.Xml.Linq;

namespace Gemma.Tests;

/// <summary>The plan of docs/architecture.md: a project knows only those on floors below it.</summary>
public class FloorsTests
{
    private static readonly Dictionary<string, int> Floors = new()
    {
        ["Gemma"] = 0,
        ["Gemma.Training"] = 1,
        ["Gemma.Gpu"] = 1,
        ["Gemma.Safety"] = 1,
        ["Gemma.Server"] = 2,
        ["Gemma.Evaluation"] = 2,
        ["Gemma.Data"] = 2,
        ["Gemma.Cli"] = 3,
    };

    private static IEnumerable<(string Project, XDocument File)> Projects => Directory.GetFiles(Path.Combine(Repository.Root, "src"), "*.csproj", SearchOption.AllDirectories)
        .Select(file => (Path.GetFileNameWithoutExtension(file), XDocument.Load(file)));

    [Fact]
    public void References_point_down_the_floors_only()
    {
        Assert.NotEmpty(Projects);
        foreach ((string project, XDocument file) in Projects)
        {
            Assert.True(Floors.TryGetValue(project, out int floor), $"{project} stands on no floor: add it to the plan, or do without it");
            foreach (string reference in References(file, "ProjectReference").Select(path => Path.GetFileNameWithoutExtension(path.Replace('\\', '/'))))
                Assert.True(Floors[reference] < floor, $"{project} (floor {floor}) must not refer to {reference} (floor {Floors[reference]})");
        }
    }

    [Fact]
    public void The_ground_floor_brings_its_users_almost_nothing()
    {
        XDocument ground = Projects.Single(project => project.Project == "Gemma").File;
        Assert.Equal(["Microsoft.Extensions.AI.Abstractions"], References(ground, "PackageReference"));
    }

    private static IEnumerable<string> References(XDocument file, string kind) => file.Descendants(kind).Select(element => element.Attribute("Include")!.Value);
}
