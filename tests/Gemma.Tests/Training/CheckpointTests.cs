using Gemma.Tests.Formats;
using Gemma.Training;

namespace Gemma.Tests.Training;

public sealed class CheckpointTests : IDisposable
{
    private readonly TrainingRun _run = new();

    [Fact]
    public void It_holds_a_model_that_others_load_and_hashes_that_others_check()
    {
        Trainer trainer = _run.Train(_run.Options());
        string[] files = [.. Directory.GetFiles(trainer.CheckpointPath).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        Assert.Equal(["SHA256SUMS", "config.json", "generation_config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json", "trainer.json", "training.safetensors"], files);
        using GemmaModel model = GemmaModel.Load(trainer.CheckpointPath);
        Assert.Equal(TrainingRun.Config.Width, model.Config.Width);
        string[] sums = File.ReadAllLines(Path.Combine(trainer.CheckpointPath, "SHA256SUMS"));
        Assert.Equal(files[1..], sums.Select(line => line[66..]));
        Assert.All(sums, line => Assert.Equal(line[..64], Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(Path.Combine(trainer.CheckpointPath, line[66..]))))));
    }

    [Fact]
    public void A_damaged_one_is_named_and_the_one_before_is_taken_with_a_warning()
    {
        TrainerOptions options = _run.Options();
        Trainer whole = _run.Train(options);
        byte[] numbers = TrainingRun.Numbers(whole.CheckpointPath);
        foreach (string name in (string[])["SHA256SUMS", "trainer.json", "training.safetensors", "model.safetensors"])
        {
            string file = Path.Combine(whole.CheckpointPath, name);
            byte[] bytes = File.ReadAllBytes(file);
            if (name == "trainer.json") File.Delete(file);
            else File.WriteAllBytes(file, name == "model.safetensors" ? bytes[..(bytes.Length / 2)] : Flipped(bytes));
            _run.Warnings.Clear();
            Trainer again = _run.Trainer(options);
            Assert.Equal(Checkpoint.NameOf(15), again.Resume());
            Assert.Equal(2, _run.Warnings.Count);
            Assert.Contains(Path.Combine("checkpoints", Checkpoint.NameOf(20)), _run.Warnings[0], StringComparison.Ordinal);
            Assert.EndsWith("; the checkpoint is damaged", _run.Warnings[0], StringComparison.Ordinal);
            Assert.StartsWith($"the run goes on from {Checkpoint.NameOf(15)}, ", _run.Warnings[1], StringComparison.Ordinal);
            again.Run();
            again.Dispose();
            // What was damaged is there again.
            Assert.Equal(numbers, TrainingRun.Numbers(whole.CheckpointPath));
            Checkpoint.Open(whole.CheckpointPath);
        }
        Assert.Equal(4, Directory.GetDirectories(Path.Combine(_run.Output, "checkpoints"), "*.damaged").Length);
    }

    [Fact]
    public void Where_all_are_damaged_nothing_begins_anew_in_silence()
    {
        _run.Train(_run.Options());
        foreach (string folder in Directory.GetDirectories(Path.Combine(_run.Output, "checkpoints"))) File.Delete(Path.Combine(folder, "SHA256SUMS"));
        Trainer again = _run.Trainer(_run.Options());
        Assert.Contains("2 damaged ones", Assert.Throws<GemmaException>(() => again.Resume()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void However_it_is_damaged_it_is_refused_in_one_line_or_nothing_of_it_is_lost()
    {
        Trainer trainer = _run.Train(_run.Options());
        string copy = _run.Folder["copy"];
        int refused = 0;
        for (int seed = 0; seed < 300; seed++)
        {
            if (Directory.Exists(copy)) Directory.Delete(copy, recursive: true);
            Directory.CreateDirectory(copy);
            string[] files = Directory.GetFiles(trainer.CheckpointPath);
            foreach (string file in files) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
            string victim = Path.Combine(copy, Path.GetFileName(files[seed % files.Length]));
            byte[] bytes = File.ReadAllBytes(victim), mutant = new Mutator(seed).Mutate(bytes, 512);
            File.WriteAllBytes(victim, mutant);
            try
            {
                Checkpoint opened = Checkpoint.Open(copy);
                // Only lines of files that going on does not need can be lost.
                Assert.Equal(trainer.Step, opened.State.Step);
                Assert.Equal(TrainingRun.Numbers(trainer.CheckpointPath), TrainingRun.Numbers(copy));
            }
            catch (GemmaException failure)
            {
                Assert.DoesNotContain(failure.Message, char.IsControl);
                refused++;
            }
        }
        Assert.InRange(refused, 240, 300);
    }

    public void Dispose() => _run.Dispose();

    private static byte[] Flipped(byte[] bytes)
    {
        byte[] copy = [.. bytes];
        copy[copy.Length / 2] ^= 4;
        return copy;
    }
}
