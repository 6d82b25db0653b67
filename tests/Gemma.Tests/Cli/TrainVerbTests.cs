using System.Diagnostics;
using System.Text.Json;
using Gemma.Cli;
using Gemma.Tests.Tokenization;
using Gemma.Tests.Training;

namespace Gemma.Tests.Cli;

/// <summary><c>gemma train</c>, as people call it.</summary>
public sealed class TrainVerbTests : IClassFixture<TrainVerbTests.WholeRun>, IDisposable
{
    private const string Settings = """
        {
          "output": "run", // where it goes
          "tokenizer": "tokenizer.model",
          "model": { "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 64 },
          "data": ["train.tokens"],
          "validation": ["held-out.tokens"],
          "sequence_length": 48,
          "batch_tokens": 1024,
          "accumulation": 2,
          "steps": 100,
          "learning_rate": { "peak": 0.003, "warm_up": 10 },
          "checkpoint_every": 10,
          "seed": 1,
        }
        """;

    private readonly WholeRun _whole;
    private readonly GemmaProgram _gemma = Prepared();

    public TrainVerbTests(WholeRun whole) => _whole = whole;

    [Fact]
    public void A_hundred_steps_are_fifty_then_a_kill_then_fifty_bit_for_bit()
    {
        Assert.Equal("", _whole.Result.Errors);
        Assert.Equal(("finished", 100), (_whole.Result.Json.GetProperty("outcome").GetString(), _whole.Result.Json.GetProperty("step").GetInt32()));
        KillAfter("step-00000050", "-o", "killed");
        ProgramResult resumed = _gemma.Run("train", "pretrain.json", "-o", "killed", "--resume", "--json").AssertWorks();
        Assert.Contains(resumed.ErrorLines, line => line.StartsWith("goes on from step-000000", StringComparison.Ordinal));
        AssertSameAsWhole("killed");
        // Another number of threads computes the same.
        _gemma.Run("train", "pretrain.json", "-o", "single", "--threads", "1", "--quiet").AssertWorks();
        AssertSameAsWhole("single");
    }

    [Fact]
    public void However_often_it_is_killed_the_run_ends_with_the_same_bits()
    {
        string[] settings = ["--set", "checkpoint_every=2"];
        var random = new Random(1);
        for (int kill = 0; kill < 5; kill++)
        {
            using Process process = _gemma.Start(["train", "pretrain.json", "-o", "killed", "--resume", "--quiet", .. settings]);
            Thread.Sleep(random.Next(250, 700));
            process.Kill();
            process.WaitForExit();
        }
        _gemma.Run(["train", "pretrain.json", "-o", "killed", "--resume", "--quiet", .. settings]).AssertWorks();
        AssertSameAsWhole("killed", validation: false); // there is an evaluation with each checkpoint
        // What was half written is gone.
        Assert.All(Directory.GetFileSystemEntries(_gemma.PathOf("killed/checkpoints")), entry => Assert.StartsWith("step-", Path.GetFileName(entry), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(15)]
    public void Ctrl_C_or_a_request_to_end_saves_and_leaves_and_the_run_goes_on_to_the_same_bits(int signal)
    {
        using (Process process = _gemma.Start("train", "pretrain.json", "--json"))
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
            WaitFor("run/checkpoints/step-00000010", process);
            GemmaProgram.Interrupt(process, signal);
            ProgramResult result = GemmaProgram.Wait(process, output, errors);
            Assert.Equal(130, result.ExitCode);
            Assert.Equal("interrupted", result.Json.GetProperty("outcome").GetString());
            Assert.StartsWith("interrupted: ", result.ErrorLines[^1], StringComparison.Ordinal);
            Assert.EndsWith("saved, go on with: gemma train pretrain.json --resume", result.ErrorLines[^1], StringComparison.Ordinal);
            Assert.True(Directory.Exists(result.Json.GetProperty("checkpoint").GetString()));
        }
        _gemma.Run("train", "pretrain.json", "--resume", "--quiet").AssertWorks();
        AssertSameAsWhole("run");
    }

    [Fact]
    public void When_the_time_is_up_it_saves_and_says_how_to_go_on()
    {
        ProgramResult result = _gemma.Run("train", "pretrain.json", "--max-minutes", "0.001", "--json", "--quiet", "--steps", "100000").AssertWorks();
        Assert.Equal("out_of_time", result.Json.GetProperty("outcome").GetString());
        string line = Assert.Single(result.ErrorLines);
        Assert.StartsWith("the time is up: ", line, StringComparison.Ordinal);
        Assert.EndsWith("go on with: gemma train pretrain.json --steps 100000 --resume", line, StringComparison.Ordinal);
    }

    [Fact]
    public void The_model_works_with_the_other_verbs()
    {
        string model = _whole.PathOf("model");
        ProgramResult trained = _gemma.Run("run", "-m", model, "--ids", "2,10,12,14,16", "--max-tokens", "8", "--temperature", "0", "--json").AssertWorks();
        Assert.Equal(8, trained.Json.GetProperty("generated_tokens").GetInt32());
        // A checkpoint is a model too.
        _gemma.Run("convert", _whole.PathOf("checkpoints/step-00000100"), "model.gguf").AssertWorks();
        ProgramResult converted = _gemma.Run("run", "-m", "model.gguf", "--ids", "2,10,12,14,16", "--max-tokens", "8", "--temperature", "0", "--json").AssertWorks();
        Assert.Equal(trained.Json.GetProperty("ids").GetRawText(), converted.Json.GetProperty("ids").GetRawText());
        _gemma.Run("quantize", model, "model-q8.gguf", "--type", "q8").AssertWorks();
        _gemma.Run("run", "-m", "model-q8.gguf", "--ids", "2,10,12", "--max-tokens", "4", "--json").AssertWorks();
        // What was trained can be trained further.
        ProgramResult further = _gemma.Run("train", "pretrain.json", "-o", "further", "--set", $"from={model}", "--set", "learning_rate=0.00001", "--steps", "2", "--json", "--quiet").AssertWorks();
        Assert.True(further.Json.GetProperty("training_loss").GetDouble() < 4.5, further.Output);
        _gemma.Run("train", "pretrain.json", "-o", "other", "--set", $"from={model}", "--set", "model.hidden_size=48").AssertFails(2, "hidden_size: expected 48", "found 32");
    }

    [Fact]
    public void A_full_disk_loses_nothing_that_is_saved()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only Linux's shell limits the size of files");
        KillAfter("step-00000030", "-o", "full");
        string[] before = Directory.GetDirectories(_gemma.PathOf("full/checkpoints"), "step-*");
        // Files of at most 200 kB: the numbers of training are larger. The signal that comes with it must not end the program, and the runtime must not make its own memory a file.
        var start = new ProcessStartInfo("/bin/bash", ["-c", "trap '' XFSZ; ulimit -f 200; export DOTNET_EnableWriteXorExecute=0; exec \"$0\" train pretrain.json -o full --resume --quiet", _gemma.Executable])
        {
            WorkingDirectory = _gemma.Folder,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        using (Process process = Process.Start(start)!)
        {
            ProgramResult result = GemmaProgram.Wait(process, process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            result.AssertFails(1, "training.safetensors: cannot be written", "is not written, that of step ", " is there to go on from");
        }
        Assert.Equal(before.Order(), Directory.GetDirectories(_gemma.PathOf("full/checkpoints"), "step-*").Order());
        Assert.Empty(Directory.GetFileSystemEntries(_gemma.PathOf("full/checkpoints"), ".step*"));
        _gemma.Run("train", "pretrain.json", "-o", "full", "--resume", "--quiet").AssertWorks();
        AssertSameAsWhole("full");
    }

    [Fact]
    public void Settings_that_cannot_work_are_named()
    {
        // In this process: a start of the program takes longer than all of these.
        void Fails(string from, string to, params string[] parts)
        {
            Assert.Contains(from, Settings, StringComparison.Ordinal);
            File.WriteAllText(_gemma.PathOf("bad.json"), Settings.Replace(from, to, StringComparison.Ordinal));
            string message = Assert.Throws<UsageException>(() => PretrainingSettings.Read(RunFields.Load(_gemma.PathOf("bad.json"), []))).Message;
            Assert.All(parts, part => Assert.Contains(part, message, StringComparison.Ordinal));
        }
        Fails("\"steps\"", "\"stesp\"", "bad.json: \"steps\": expected the steps of the whole run");
        Fails("\"seed\": 1", "\"sed\": 1", "bad.json: \"sed\": there is no such setting (did you mean seed?)");
        Fails("\"peak\"", "\"peek\"", "bad.json: \"learning_rate.peek\": there is no such setting (did you mean peak?)", "those of learning_rate are peak, shape, warm_up, decay, final_share");
        Fails("\"hidden_size\"", "\"hidden_sise\"", "bad.json: \"model.hidden_sise\": there is no such setting (did you mean hidden_size?)");
        Fails("\"hidden_size\": 32, ", "", "\"model\"", "hidden_size");
        Fails("\"steps\": 100", "\"steps\": \"many\"", "bad.json: \"steps\": expected a whole number from 1, found \"many\"");
        Fails("\"accumulation\": 2", "\"accumulation\": 0", "\"accumulation\": expected a whole number from 1 to 65536, found 0");
        Fails("\"warm_up\": 10", "\"shape\": \"round\"", "\"learning_rate.shape\": expected constant, linear, cosine, wsd, found \"round\"");
        Fails("\"sequence_length\": 48", "\"sequence_length\": 65", "\"sequence_length\": expected a whole number from 1 to 64, found 65");
        Fails("\"batch_tokens\": 1024", "\"batch_tokens\": 40", "\"batch_tokens\": expected at least sequence_length, 48, found 40");
        Fails("\"data\": [\"train.tokens\"],", "", "\"data\": expected folders of token shards");
        Fails("{ \"peak\"", "{{ \"peak\"", "bad.json: expected JSON");
        _gemma.Run("train", "pretrain.json", "--set", "learning_rate.warm_up=101").AssertFails(2, "learning rate: warm-up: expected 0 to 100 steps");
        _gemma.Run("train", "pretrain.json", "--set", "data=nothing.tokens").AssertFails(2, "nothing.tokens: there are no token shards there");
        _gemma.Run("train", "pretrain.json", "--set", "learning_rate.peek=1").AssertFails(2, "--set learning_rate.peek: there is no such setting (did you mean peak?)");
        _gemma.Run("train", "pretrain.json", "--set", "steps").AssertFails(2, "--set: expected a field and its value");
        _gemma.Run("train", "pretrain.json", "--max-minutes", "0").AssertFails(2, "--max-minutes: expected a number above 0, found 0");
        _gemma.Run("train", "missing.json").AssertFails(2, "missing.json: the settings cannot be read");
        Assert.False(Directory.Exists(_gemma.PathOf("run")));
    }

    [Fact]
    public void Shards_that_are_cut_damaged_or_of_another_tokenizer_are_named()
    {
        byte[] shard = File.ReadAllBytes(_gemma.PathOf("train.tokens"));
        File.WriteAllBytes(_gemma.PathOf("cut.tokens"), shard[..^100]);
        shard[shard.Length / 2] ^= 1;
        File.WriteAllBytes(_gemma.PathOf("flipped.tokens"), shard);
        TrainingRun.WriteShard(_gemma.PathOf("foreign.tokens"), 10, 1, Vocabularies.Tiny.Model);
        Directory.CreateDirectory(_gemma.PathOf("empty"));
        _gemma.Run("train", "pretrain.json", "--set", "data=cut.tokens").AssertFails(4, "cut.tokens", "expected", "found");
        _gemma.Run("train", "pretrain.json", "--set", "data=flipped.tokens").AssertFails(4, "flipped.tokens: SHA-256 of the content");
        _gemma.Run("train", "pretrain.json", "--set", "validation=foreign.tokens").AssertFails(2, "foreign.tokens: expected ids of the tokenizer", "tokenizer.model");
        _gemma.Run("train", "pretrain.json", "--set", "data=empty").AssertFails(1, "empty: expected .tokens files, found none");
        _gemma.Run("train", "pretrain.json", "--set", "tokenizer=train.tokens").AssertFails(4, "train.tokens");
    }

    [Fact]
    public void Going_on_with_other_settings_is_refused_and_a_run_is_not_overwritten()
    {
        _gemma.Run("train", "pretrain.json", "--steps", "20", "--quiet").AssertWorks();
        _gemma.Run("train", "pretrain.json", "--steps", "20").AssertFails(2, "there is a run in this folder already", "--resume");
        _gemma.Run("train", "pretrain.json", "--steps", "30", "--resume", "--seed", "2", "--set", "model.hidden_size=48", "--set", "data=held-out.tokens").AssertFails(2, "run: the run was begun with other settings: ",
            "data: data seed: 1, now 2", "steps: 20, now 30", "weights at the begin: random, seed 1, now random, seed 2", "model: hidden_size: 32, now 48", "data: sets: train.tokens, now held-out.tokens");
        // What decides nothing may change.
        _gemma.Run("train", "pretrain.json", "--steps", "20", "--resume", "--threads", "1", "--set", "checkpoint_every=7", "--quiet").AssertWorks();
    }

    [Fact]
    public void Standard_error_tells_how_it_goes()
    {
        ProgramResult result = _gemma.Run("train", "pretrain.json", "--steps", "20").AssertWorks();
        Assert.Equal("", result.Output);
        Assert.Matches(@"^26,912 parameters, [\d,]+ tokens of data, 20 steps of 2048 tokens at most; fp32 on \d+ threads, which were measured to do \d+ GFLOP/s", result.ErrorLines[0]);
        Assert.Matches(@"^step 1/20 · loss 5\.\d{3} · \d+ tok/s · \d+ ?% of peak · rate 3\.00e-4 · gradient \d+\.\d\d · [\d.]+ MB · .* left$", result.ErrorLines[1]);
        Assert.Matches(@"^step 10: held-out loss \d\.\d{4}, the best so far$", result.ErrorLines[2]);
        Assert.Matches(@"^step 10: saved .*step-00000010$", result.ErrorLines[3]);
        Assert.Matches(@"model: 20 of 20 steps, [\d,]+ tokens in .*; loss \d\.\d{3}, held out \d\.\d{3}; try it with: gemma run -m .*model$", result.ErrorLines[^1]);
    }

    public void Dispose() => _gemma.Dispose();

    private void KillAfter(string checkpoint, params string[] args)
    {
        using Process process = _gemma.Start(["train", "pretrain.json", .. args]);
        WaitFor(Path.Combine(args[^1], "checkpoints", checkpoint), process);
        process.Kill();
        process.WaitForExit();
        Assert.False(Directory.Exists(_gemma.PathOf(Path.Combine(args[^1], "model"))), "it was killed too late");
    }

    private void WaitFor(string path, Process process)
    {
        for (var time = Stopwatch.StartNew(); !Path.Exists(_gemma.PathOf(path)); Thread.Sleep(1))
        {
            if (process.HasExited) Assert.Fail($"it ended before: {process.ExitCode}");
            Assert.True(time.Elapsed < TimeSpan.FromSeconds(60), "it does not come");
        }
    }

    private void AssertSameAsWhole(string run, bool validation = true)
    {
        foreach (string file in (string[])["model/model.safetensors", "checkpoints/step-00000100/training.safetensors"])
            Assert.Equal(File.ReadAllBytes(_whole.PathOf(file)), File.ReadAllBytes(_gemma.PathOf($"{run}/{file}")));
        Assert.Equal(Losses(_whole.PathOf("log.jsonl")), Losses(_gemma.PathOf($"{run}/log.jsonl")));

        string[] Losses(string log) => [.. File.ReadLines(log).Select(line => JsonDocument.Parse(line).RootElement)
            .Where(line => line.TryGetProperty("loss", out _) || validation && line.TryGetProperty("validation_loss", out _))
            .Select(line => $"{line.GetProperty("step")}: {(line.TryGetProperty("loss", out JsonElement loss) ? loss : line.GetProperty("validation_loss")).GetRawText()}")];
    }

    private static GemmaProgram Prepared()
    {
        var gemma = new GemmaProgram();
        File.WriteAllBytes(gemma.PathOf("tokenizer.model"), TrainingRun.Vocabulary.ToBytes());
        TrainingRun.WriteShard(gemma.PathOf("train.tokens"), 400, seed: 1);
        TrainingRun.WriteShard(gemma.PathOf("held-out.tokens"), 20, seed: 2);
        File.WriteAllText(gemma.PathOf("pretrain.json"), Settings);
        return gemma;
    }

    /// <summary>The run that others are compared with: nothing happens to it.</summary>
    public sealed class WholeRun : IDisposable
    {
        private readonly GemmaProgram _gemma = Prepared();

        public WholeRun() => Result = _gemma.Run("train", "pretrain.json", "--json", "--quiet").AssertWorks();

        internal ProgramResult Result { get; }

        public string PathOf(string file) => _gemma.PathOf(Path.Combine("run", file));

        public void Dispose() => _gemma.Dispose();
    }
}
