using System.Diagnostics;
using Gemma.Formats;

namespace Gemma.Tests.Formats;

public class KilledWriterTests
{
    [Theory]
    [InlineData("model.gguf", 8)]
    [InlineData("model", 8)]
    public void A_writer_that_is_killed_leaves_a_whole_model_old_or_new(string destination, int kills) => Run(destination, kills);

    [Theory(Explicit = true)]
    [Trait("Category", "Long")]
    [InlineData("model.gguf")]
    [InlineData("model")]
    public void However_often_a_writer_is_killed_it_leaves_a_whole_model_old_or_new(string destination) => Run(destination, 60);

    private static void Run(string destination, int kills)
    {
        // Elsewhere a folder is replaced in two steps: see NewFolder.
        Assert.SkipUnless(OperatingSystem.IsLinux() || destination.EndsWith(".gguf", StringComparison.Ordinal), "only Linux swaps two folders in one step");
        using var temporary = new TemporaryFolder();
        GemmaConfig config = SmallModels.Config(GemmaArchitecture.Gemma1, width: 256, layers: 8, vocabulary: 2048);
        SmallModels.WriteFolder(temporary["a"], config, seed: 1);
        SmallModels.WriteFolder(temporary["b"], config, seed: 2);
        var random = new Random(kills);
        int interrupted = 0;
        for (int kill = 0; kill < kills; kill++)
        {
            using Process child = ChildProgram.Start("convert", temporary["a"], temporary["b"], temporary[destination]);
            WaitForWriting(child, temporary, destination);
            Thread.Sleep(random.Next(60));
            child.Kill();
            child.WaitForExit();
            if (temporary.Names.Any(name => name.EndsWith(".tmp", StringComparison.Ordinal))) interrupted++;
            if (!Path.Exists(temporary[destination])) continue; // killed before the first was whole
            using ModelFiles a = ModelFiles.Open(temporary["a"]), b = ModelFiles.Open(temporary["b"]), found = ModelFiles.Open(temporary[destination]);
            ModelContents.AssertSame(IsA(a, found) ? a : b, found);
        }
        Assert.True(interrupted > 0, "no writer was killed at work");
        ModelConverter.Convert(temporary["a"], temporary[destination], new ConvertOptions { Force = true });
        Assert.Equal(["a", "b", destination], temporary.Names); // the next writer takes the leftovers away
    }

    /// <summary>Until something of it is there that was not before the child began.</summary>
    private static void WaitForWriting(Process child, TemporaryFolder temporary, string destination)
    {
        string[] before = temporary.Names;
        DateTime written = File.GetLastWriteTimeUtc(temporary[destination]);
        var time = Stopwatch.StartNew();
        while (temporary.Names.SequenceEqual(before) && File.GetLastWriteTimeUtc(temporary[destination]) == written)
        {
            if (child.HasExited) Assert.Fail($"the child ended: {child.StandardError.ReadToEnd()}");
            Assert.True(time.Elapsed < TimeSpan.FromSeconds(30), "the child wrote nothing");
            Thread.Sleep(1);
        }
    }

    private static bool IsA(ModelFiles a, ModelFiles found)
    {
        TensorSpec spec = TensorTable.For(a.Config)[0];
        float[] left = new float[spec.Columns], right = new float[spec.Columns];
        a.ReadRow(spec, 0, left);
        found.ReadRow(spec, 0, right);
        return left.AsSpan().SequenceEqual(right);
    }
}
