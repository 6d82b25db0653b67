using System.Globalization;
using System.Text.Json;
using Gemma.Formats;

namespace Gemma.Tests.Cli;

/// <summary><c>gemma tune</c>, as people call it, with the embedded model.</summary>
public sealed class TuneVerbTests : IDisposable
{
    private readonly GemmaProgram _gemma = new();

    public TuneVerbTests()
    {
        // Little to say, so that little learning shows.
        string[] names = ["Tom", "Anna", "Ben", "Lily", "Max", "Mia", "Sam", "Zoe"];
        File.WriteAllLines(_gemma.PathOf("chats.jsonl"), Enumerable.Range(0, 40).Select(i =>
            JsonSerializer.Serialize(new { prompt = $"What does {names[i % 8]} want?", completion = $"{names[i % 8]} wants a red ball." })));
        File.WriteAllLines(_gemma.PathOf("pairs.jsonl"), Enumerable.Range(0, 16).Select(i =>
            JsonSerializer.Serialize(new { prompt = $"What does {names[i % 8]} want?", chosen = "A blue boat.", rejected = "A red ball." })));
    }

    public void Dispose() => _gemma.Dispose();

    [Fact]
    public void From_a_file_of_conversations_to_a_chat_with_the_tuned_model()
    {
        // A base model learns to take turns, all of it: its adapter could not tell the end of a turn from other tokens that it has never seen.
        ProgramResult whole = _gemma.Run("tune", "chats.jsonl", "-o", "whole", "--method", "full", "--epochs", "12", "--learning-rate", "0.002", "--set", "batch_tokens=256", "--json").AssertWorks();
        Assert.Equal("finished", whole.Json.GetProperty("outcome").GetString());
        Assert.True(whole.Json.GetProperty("training_loss").GetDouble() < 0.5, whole.Json.ToString());
        Assert.Contains(whole.ErrorLines, line => line.Contains("gemma chat -m", StringComparison.Ordinal));
        string[] ask = ["--temperature", "0", "--max-tokens", "20", "--quiet", "What does Anna want?"];
        Assert.Equal("Anna wants a red ball.", Answer("-m", "whole/model"));

        // An adapter teaches it something else.
        File.WriteAllText(_gemma.PathOf("others.jsonl"), File.ReadAllText(_gemma.PathOf("chats.jsonl")).Replace("red ball", "big dog", StringComparison.Ordinal));
        ProgramResult tuned = _gemma.Run("tune", "others.jsonl", "-m", "whole/model", "-o", "tuned", "--epochs", "12", "--learning-rate", "0.005", "--set", "batch_tokens=256", "--json").AssertWorks();
        Assert.Contains(tuned.ErrorLines, line => line.Contains("an adapter of rank 8", StringComparison.Ordinal));
        Assert.Contains(tuned.ErrorLines, line => line.Contains("--adapter", StringComparison.Ordinal));
        Assert.Equal("Anna wants a big dog.", Answer("-m", "whole/model", "--adapter", "tuned/model"));
        Assert.Equal("Anna wants a red ball.", Answer("-m", "whole/model"));
        Assert.Contains("big dog", _gemma.RunWith("What does Tom want?\n/bye\n", "chat", "-m", "whole/model", "--adapter", "tuned/model", "--temperature", "0", "--max-tokens", "20").AssertWorks().Output, StringComparison.Ordinal);

        // Merged it is a model like any other.
        _gemma.Run("convert", "whole/model", "merged.gguf", "--adapter", "tuned/model", "--type", "f32").AssertWorks();
        _gemma.Run("convert", "whole/model", "merged", "--adapter", "tuned/model").AssertWorks();
        foreach (string merged in (string[])["merged.gguf", "merged"])
        {
            Assert.Equal("Anna wants a big dog.", Answer("-m", merged));
            using ModelFiles files = ModelFiles.Open(_gemma.PathOf(merged));
            Assert.Contains(files.ReadTokenizer()!.EndOfTurnId!.Value, files.Config.EosIds);
            Assert.NotNull(files.ChatTemplate);
        }

        string Answer(params string[] model) => _gemma.Run(["run", .. model, .. ask]).AssertWorks().Output.Trim();
    }

    [Fact]
    public void A_run_that_was_interrupted_goes_on_to_the_same_bits_and_only_with_the_same_settings()
    {
        string[] settings = ["--set", "batch_tokens=256", "--set", "checkpoint_every=2", "--dropout", "0.1", "--quiet"];
        _gemma.Run(["tune", "chats.jsonl", "-o", "whole", "--epochs", "2", .. settings]).AssertWorks();
        _gemma.Run(["tune", "chats.jsonl", "-o", "parted", "--epochs", "2", "--max-minutes", "0.000001", .. settings]).AssertWorks();
        _gemma.Run(["tune", "chats.jsonl", "-o", "parted", "--epochs", "2", "--resume", .. settings]).AssertWorks();
        Assert.Equal(File.ReadAllBytes(_gemma.PathOf("whole/model/adapter_model.safetensors")), File.ReadAllBytes(_gemma.PathOf("parted/model/adapter_model.safetensors")));
        ProgramResult other = _gemma.Run(["tune", "pairs.jsonl", "--dpo", "-o", "parted", "--epochs", "2", "--resume", .. settings]);
        Assert.Equal(2, other.ExitCode);
        Assert.Contains("data: file", other.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void All_weights_can_learn_and_the_best_on_what_was_held_out_is_kept()
    {
        File.WriteAllText(_gemma.PathOf("tune.json"), """
            {
              "data": "chats.jsonl", "output": "full", "method": "full", // all of it
              "epochs": 6, "learning_rate": { "peak": 0.001, "shape": "linear" }, "batch_tokens": 256, "hold_out": 0.2, "patience": 2, "seed": 4,
            }
            """);
        ProgramResult tuned = _gemma.Run("tune", "--settings", "tune.json", "--json").AssertWorks();
        double best = tuned.Json.GetProperty("best_loss").GetDouble();
        Assert.True(best < 2, best.ToString(CultureInfo.InvariantCulture));
        Assert.Contains(tuned.ErrorLines, line => line.Contains("32 conversations", StringComparison.Ordinal) && line.Contains("8 to validate with", StringComparison.Ordinal));
        using ModelFiles files = ModelFiles.Open(_gemma.PathOf("full/model"));
        Assert.Contains(files.ReadTokenizer()!.EndOfTurnId!.Value, files.Config.EosIds);
        Assert.Contains("wants", _gemma.Run("run", "-m", "full/model", "--temperature", "0", "--quiet", "What does Ben want?").AssertWorks().Output, StringComparison.Ordinal);
        string log = File.ReadAllText(_gemma.PathOf("full/log.jsonl"));
        Assert.Contains("validation_loss", log, StringComparison.Ordinal);
    }

    [Fact]
    public void Preferences_are_learnt_and_their_reference_is_computed_once()
    {
        string[] settings = ["--dpo", "--learning-rate", "0.002", "--epochs", "4", "--set", "batch_tokens=256", "--json"];
        ProgramResult tuned = _gemma.Run(["tune", "pairs.jsonl", "-o", "preferred", .. settings]).AssertWorks();
        Assert.True(tuned.Json.GetProperty("training_loss").GetDouble() < Math.Log(2));
        string log = File.ReadAllText(_gemma.PathOf("preferred/log.jsonl"));
        Assert.Contains("\"rewards/accuracies\":1", log, StringComparison.Ordinal);
        Assert.Contains("\"rewards/margins\"", log, StringComparison.Ordinal);
        Assert.True(File.Exists(_gemma.PathOf("preferred/reference.json")));
        File.Delete(_gemma.PathOf("preferred/reference.json"));
        ProgramResult again = _gemma.Run(["tune", "pairs.jsonl", "-o", "preferred", "--resume", .. settings]);
        Assert.Equal(1, again.ExitCode);
        Assert.Contains("before it was tuned", again.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no-such.jsonl", 1, "cannot be read", "-o", "x")]
    [InlineData("chats.jsonl", 2, "output", "--epochs", "1")]
    [InlineData("chats.jsonl", 2, "--rank: expected", "-o", "x", "--rank", "0")]
    [InlineData("chats.jsonl", 2, "q_projj", "-o", "x", "--targets", "q_projj")]
    [InlineData("chats.jsonl", 2, "either steps or epochs", "-o", "x", "--steps", "3", "--epochs", "1")]
    [InlineData("chats.jsonl", 2, "--rank: expected the method lora", "-o", "x", "--rank", "4", "--method", "full")]
    [InlineData("chats.jsonl", 2, "something to validate with", "-o", "x", "--patience", "2")]
    [InlineData("chats.jsonl", 2, "there is no such setting", "-o", "x", "--set", "rnak=3")]
    [InlineData("chats.jsonl", 1, "line 1: expected a \"chosen\" and a \"rejected\" answer", "-o", "x", "--dpo")]
    [InlineData("chats.jsonl", 2, "sequence_length", "-o", "x", "--set", "sequence_length=100000")]
    public void What_cannot_work_is_said_in_one_line(string data, int code, string problem, params string[] flags)
    {
        ProgramResult result = _gemma.Run(["tune", data, .. flags]);
        Assert.Equal(code, result.ExitCode);
        Assert.Contains(problem, Assert.Single(result.ErrorLines), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_gemma.PathOf("x/model")));
    }
}
