using System.Text.Json;
using Gemma.Formats;
using Gemma.Training;

namespace Gemma.Tests.Training;

public sealed class TrainerTests : IDisposable
{
    private readonly TrainingRun _run = new();

    [Fact]
    public void The_loss_falls_and_the_log_the_events_and_the_curve_say_so()
    {
        Trainer trainer = _run.Train(_run.Options(60) with { EvaluateEvery = 10, CheckpointEvery = 20 });
        Assert.Equal(60, _run.Steps.Count);
        Assert.True(_run.Steps[^1].Loss < _run.Steps[0].Loss - 1, $"{_run.Steps[0].Loss} to {_run.Steps[^1].Loss}");
        JsonElement[] lines = [.. File.ReadLines(Path.Combine(_run.Output, "log.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal("begins", lines[0].GetProperty("run").GetString());
        Assert.True(lines[0].GetProperty("measured_peak_flops").GetDouble() > 1e6);
        JsonElement[] steps = [.. lines.Where(line => line.TryGetProperty("loss", out _))], evaluations = [.. lines.Where(line => line.TryGetProperty("validation_loss", out _))];
        Assert.Equal(Enumerable.Range(1, 60), steps.Select(line => line.GetProperty("step").GetInt32()));
        Assert.Equal(_run.Steps.Select(step => step.Loss), steps.Select(line => line.GetProperty("loss").GetDouble()));
        Assert.All(steps, line => Assert.InRange(line.GetProperty("tokens").GetInt32(), 1, 2 * TrainingRun.BatchTokens));
        Assert.Equal(trainer.Tokens, steps.Sum(line => line.GetProperty("tokens").GetInt64()));
        Assert.All(steps, line => Assert.InRange(line.GetProperty("gradient_norm").GetDouble(), 1e-6, 1e6));
        Assert.All(steps, line => Assert.InRange(line.GetProperty("flop_utilisation").GetDouble(), 0, 1.5));
        Assert.All(steps, line => Assert.InRange(line.GetProperty("memory_bytes").GetInt64(), 1 << 20, 1L << 40));
        Assert.Equal([10, 20, 30, 40, 50, 60], evaluations.Select(line => line.GetProperty("step").GetInt32()));
        Assert.Equal(trainer.ValidationLoss, evaluations[^1].GetProperty("validation_loss").GetDouble());

        // Of the head, 60 steps and six evaluations.
        Assert.Equal(67, EventFileTests.Records(Assert.Single(Directory.GetFiles(Path.Combine(_run.Output, "tensorboard")))).Count);
        System.Xml.Linq.XElement svg = System.Xml.Linq.XDocument.Load(Path.Combine(_run.Output, "loss.svg")).Root!;
        Assert.Equal(6, svg.Elements().Count(element => element.Name.LocalName == "circle"));
        Assert.Contains("training loss (line): ", svg.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_was_stopped_anywhere_goes_on_to_the_same_bits()
    {
        Trainer whole = _run.Train(_run.Options());
        double[] losses = [.. _run.Steps.Select(step => step.Loss)];
        foreach (int stop in (int[])[3, 5, 11])
        {
            TrainerOptions options = _run.Options() with { Output = _run.Folder[$"stopped-{stop}"] };
            _run.Steps.Clear();
            using (var source = new CancellationTokenSource())
            {
                Trainer first = _run.Trainer(options with { Progress = new Count(_run.Steps, stop, source) });
                first.Begin();
                Assert.Equal(TrainingOutcome.Interrupted, first.Run(source.Token));
                Assert.Equal(stop, first.Step);
                first.Dispose();
            }
            // Other weights, which must not matter.
            Trainer second = _run.Trainer(options, prepare: parameters => parameters.Initialize(99));
            Assert.Equal(Checkpoint.NameOf(stop), second.Resume());
            Assert.Equal(TrainingOutcome.Finished, second.Run());
            Assert.Equal(losses, _run.Steps.Select(step => step.Loss));
            Assert.Equal(TrainingRun.Numbers(whole.CheckpointPath), TrainingRun.Numbers(second.CheckpointPath));
            Assert.Equal(File.ReadAllBytes(Path.Combine(whole.ModelPath, "model.safetensors")), File.ReadAllBytes(Path.Combine(second.ModelPath, "model.safetensors")));
            Assert.Equal(whole.ValidationLoss, second.ValidationLoss);
        }
    }

    [Fact]
    public void An_evaluation_that_was_broken_off_is_made_when_the_run_goes_on()
    {
        TrainerOptions options = _run.Options() with { EvaluateEvery = 2, CheckpointEvery = 0, Patience = 50 };
        Trainer whole = _run.Train(options);
        string[] Evaluations(string output) => [.. File.ReadLines(Path.Combine(output, "log.jsonl")).Where(line => line.Contains("validation_loss", StringComparison.Ordinal))];
        options = options with { Output = _run.Folder["stopped"] };
        using (var source = new CancellationTokenSource())
        {
            // At the end of step 6, which is to be evaluated.
            Trainer first = _run.Trainer(options with { Progress = new Count([], 6, source) });
            first.Begin();
            Assert.Equal(TrainingOutcome.Interrupted, first.Run(source.Token));
            first.Dispose();
        }
        Assert.Equal(2, Evaluations(options.Output).Length);
        Trainer second = _run.Trainer(options);
        second.Resume();
        second.Run();
        Assert.Equal(Evaluations(_run.Output), Evaluations(options.Output));
        Assert.Equal((whole.BestStep, whole.BestLoss), (second.BestStep, second.BestLoss));
    }

    [Fact]
    public void Batches_that_are_added_up_make_the_step_of_one_large_batch()
    {
        // The same documents, three or four to a batch against all of them in one.
        int[][] documents = [.. Enumerable.Range(0, 12).Select(i => Enumerable.Range(0, 24).Select(j => 4 + (i * 37 + j * 3) % 200).ToArray())];
        var rate = new LearningRate { Peak = 1e-3f };
        Trainer parts = _run.Trainer(_run.Options(1) with { LearningRate = rate, Accumulation = 4, BatchTokens = 3 * 23 }, new Fixed(documents));
        Trainer one = _run.Trainer(_run.Options(1) with { LearningRate = rate, Accumulation = 1, BatchTokens = 12 * 23, Output = _run.Folder["one"] }, new Fixed(documents));
        foreach (Trainer trainer in (Trainer[])[parts, one])
        {
            trainer.Begin();
            trainer.Run();
        }
        Assert.Equal(_run.Steps[0].Tokens, _run.Steps[1].Tokens);
        Assert.Equal(_run.Steps[0].Loss, _run.Steps[1].Loss, 1e-6);
        Assert.Equal(_run.Steps[0].GradientNorm, _run.Steps[1].GradientNorm, 1e-5);
        using ModelFiles a = ModelFiles.Open(parts.ModelPath), b = ModelFiles.Open(one.ModelPath);
        foreach (TensorSpec spec in TensorTable.For(a.Config))
        {
            float[] left = new float[spec.Columns], right = new float[spec.Columns];
            for (int row = 0; row < spec.Rows; row++)
            {
                a.ReadRow(spec, row, left);
                b.ReadRow(spec, row, right);
                Assert.True(TrainingCases.RelativeError(left, right) < 1e-4, $"{spec.HuggingFaceName} row {row}");
            }
        }
    }

    [Fact]
    public void The_end_of_the_data_ends_the_run_with_a_model()
    {
        Trainer trainer = _run.Trainer(_run.Options(10_000), _run.Loader(onePass: true));
        trainer.Begin();
        Assert.Equal(TrainingOutcome.EndOfData, trainer.Run());
        Assert.InRange(trainer.Step, 5, 200);
        using ModelFiles model = ModelFiles.Open(trainer.ModelPath);
        Assert.Equal(TrainingRun.Vocabulary.Hash, model.ReadTokenizer()!.Model.Hash);
        using TokenShard shard = TokenShard.Open(_run.Folder["train.tokens"]);
        Assert.Equal(shard.TokenCount - shard.DocumentCount, trainer.Tokens);
    }

    [Fact]
    public void The_last_checkpoints_and_the_best_are_kept()
    {
        // A rate that soon does harm: the best is an early one.
        Trainer trainer = _run.Train(_run.Options(30) with { LearningRate = new LearningRate { Peak = 1, WarmUpSteps = 30 }, SpikeDeviations = 0, Keep = 2 });
        int[] kept = [.. Directory.GetDirectories(Path.Combine(_run.Output, "checkpoints")).Select(folder => Checkpoint.StepOf(Path.GetFileName(folder))!.Value).Order()];
        Assert.Equal(3, kept.Length);
        Assert.Equal([25, 30], kept[1..]);
        Assert.Equal(trainer.BestStep, kept[0]);
    }

    [Fact]
    public void A_run_ends_where_the_held_out_loss_gets_no_better()
    {
        Trainer trainer = _run.Trainer(_run.Options(200) with { LearningRate = new LearningRate { Peak = 1, WarmUpSteps = 30 }, SpikeDeviations = 0, EvaluateEvery = 5, Patience = 3 });
        trainer.Begin();
        Assert.Equal(TrainingOutcome.StoppedEarly, trainer.Run());
        Assert.Equal(trainer.BestStep + 15, trainer.Step);
    }

    [Fact]
    public void The_time_limit_saves_and_leaves()
    {
        Trainer trainer = _run.Trainer(_run.Options(1_000_000) with { LearningRate = new LearningRate { Peak = 1e-3f }, CheckpointEvery = 0, TimeLimit = TimeSpan.FromMilliseconds(50) });
        trainer.Begin();
        Assert.Equal(TrainingOutcome.OutOfTime, trainer.Run());
        Assert.InRange(trainer.Step, 1, 100_000);
        Checkpoint.Open(trainer.CheckpointPath);
        Assert.False(Directory.Exists(trainer.ModelPath));
    }

    [Fact]
    public void A_loss_that_is_no_number_stops_the_run_and_says_where_it_comes_from()
    {
        Trainer trainer = _run.Trainer(_run.Options(), prepare: parameters => parameters[TensorRole.Up, 1].Values[5] = float.NaN);
        trainer.Begin();
        string message = Assert.Throws<GemmaException>(() => trainer.Run()).Message;
        Assert.StartsWith("step 1: the loss is NaN, model.layers.1.mlp.up_proj.weight holds what is no number; documents: ", message, StringComparison.Ordinal);
        Assert.Contains("train.tokens (tokens ", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        Assert.Empty(Directory.GetDirectories(Path.Combine(_run.Output, "checkpoints")));
        JsonElement line = JsonDocument.Parse(File.ReadLines(Path.Combine(_run.Output, "log.jsonl")).Last()).RootElement;
        Assert.StartsWith("the loss is NaN", line.GetProperty("trouble").GetString(), StringComparison.Ordinal);
        Assert.True(line.GetProperty("documents").GetArrayLength() > 1);
    }

    [Fact]
    public void A_gradient_that_is_no_number_leaves_the_weights_as_they_were()
    {
        ParameterSet? parameters = null;
        var data = new Hooked(_run.Loader(), () => parameters![TensorRole.Down, 0].Gradients[7] = float.PositiveInfinity);
        Trainer trainer = _run.Trainer(_run.Options(), data, prepare: made => parameters = made);
        float[] before = [.. parameters!.Parameters.SelectMany(parameter => parameter.Values.ToArray())];
        trainer.Begin();
        string message = Assert.Throws<GemmaException>(() => trainer.Run()).Message;
        Assert.StartsWith("step 1: the gradients' norm is Infinity, the gradient of model.layers.0.mlp.down_proj.weight is the first that is no number; documents: ", message, StringComparison.Ordinal);
        Assert.Equal(before, parameters.Parameters.SelectMany(parameter => parameter.Values.ToArray()));
    }

    [Fact]
    public void A_step_that_is_skipped_moves_nothing_and_the_run_goes_on()
    {
        var options = _run.Options(90) with { OnTrouble = TroubleAction.Skip, Accumulation = 1, CheckpointEvery = 0, SpikeWindow = 16 };
        Trainer trainer = _run.Train(options, new Leaping(at: 80));
        Assert.Equal(1, trainer.SkippedSteps);
        Assert.Equal([80], _run.Steps.Where(step => step.IsSkipped).Select(step => step.Step));
        string warning = Assert.Single(_run.Warnings);
        Assert.StartsWith("step 80: the loss leapt to ", warning, StringComparison.Ordinal);
        Assert.Contains(", the longest gradient, ", warning, StringComparison.Ordinal);
        Assert.Contains("documents: noise", warning, StringComparison.Ordinal);
        Assert.EndsWith("; the step is skipped", warning, StringComparison.Ordinal);
        Assert.Contains(File.ReadLines(Path.Combine(_run.Output, "log.jsonl")), line => line.Contains("\"skipped\":true", StringComparison.Ordinal));
        // Without leave to skip, it stops.
        Trainer strict = _run.Trainer(options with { OnTrouble = TroubleAction.Stop, Output = _run.Folder["strict"] }, new Leaping(at: 80));
        strict.Begin();
        Assert.StartsWith("step 80: the loss leapt", Assert.Throws<GemmaException>(() => strict.Run()).Message, StringComparison.Ordinal);
        Assert.Equal(79, strict.Step);
    }

    [Fact]
    public void What_goes_wrong_again_and_again_stops_the_run_however()
    {
        Trainer trainer = _run.Trainer(_run.Options() with { OnTrouble = TroubleAction.Skip }, validates: false, prepare: parameters => parameters[TensorRole.Up, 1].Values[5] = float.NaN);
        trainer.Begin();
        Assert.Contains("10 steps in a row", Assert.Throws<GemmaException>(() => trainer.Run()).Message, StringComparison.Ordinal);
        Assert.Equal(9, _run.Warnings.Count);
    }

    [Fact]
    public void Other_settings_are_refused_each_by_name_or_taken_with_a_warning_each()
    {
        _run.Train(_run.Options());
        TrainerOptions other = _run.Options(21) with { BatchTokens = 64, Optimizer = new AdamWOptions { Beta2 = 0.99f } };
        Trainer refused = _run.Trainer(other, _run.Loader(sequenceLength: 20));
        string message = Assert.Throws<UsageException>(refused.Resume).Message;
        foreach (string difference in (string[])["batch tokens: 96, now 64", "beta2: 0.95, now 0.99", "data: sequence length: 24, now 20", "steps: 20, now 21"]) Assert.Contains(difference, message, StringComparison.Ordinal);
        refused.Dispose();
        Trainer accepted = _run.Trainer(other with { AcceptChanges = true });
        Assert.NotNull(accepted.Resume());
        Assert.Equal(3, _run.Warnings.Count);
        Assert.Equal(TrainingOutcome.Finished, accepted.Run());
        Assert.Equal(21, accepted.Step);
    }

    [Fact]
    public void A_folder_with_a_run_or_another_process_in_it_is_refused()
    {
        Trainer first = _run.Trainer(_run.Options()), second = _run.Trainer(_run.Options());
        first.Begin();
        Assert.Contains("another process", Assert.Throws<GemmaException>(second.Begin).Message, StringComparison.Ordinal);
        first.Run();
        first.Dispose();
        Assert.Contains("--resume", Assert.Throws<UsageException>(second.Begin).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_of_steps_that_are_done_again_are_taken_out_of_the_log()
    {
        TrainerOptions options = _run.Options(12) with { CheckpointEvery = 5 };
        _run.Train(options);
        // As if it had been killed after step 12, in the midst of a line.
        Directory.Delete(Path.Combine(_run.Output, "checkpoints", Checkpoint.NameOf(12)), recursive: true);
        File.AppendAllText(Path.Combine(_run.Output, "log.jsonl"), "{\"step\":13,\"lo");
        Trainer again = _run.Trainer(options);
        Assert.Equal(Checkpoint.NameOf(10), again.Resume());
        again.Run();
        again.Dispose();
        JsonElement[] lines = [.. File.ReadLines(Path.Combine(_run.Output, "log.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(Enumerable.Range(1, 12), lines.Where(line => line.TryGetProperty("loss", out _)).Select(line => line.GetProperty("step").GetInt32()));
        Assert.Equal(2, Directory.GetFiles(Path.Combine(_run.Output, "tensorboard")).Length);
    }

    public void Dispose() => _run.Dispose();

    /// <summary>Asks for the end after some steps.</summary>
    private sealed class Count(List<TrainingStep> steps, int last, CancellationTokenSource source) : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value)
        {
            steps.Add(value);
            if (value.Step == last) source.Cancel();
        }
    }

    /// <summary>Data in memory.</summary>
    private class Fixed(int[][] documents) : ITrainingData
    {
        private int _next;

        public virtual IReadOnlyDictionary<string, string> Identity { get; } = new Dictionary<string, string>();

        public virtual IReadOnlyList<string> Documents => ["memory"];

        public virtual bool Next(TrainingBatch batch, int tokens)
        {
            batch.Clear();
            while (_next < documents.Length && batch.TokenCount + documents[_next].Length - 1 <= tokens) batch.Add(documents[_next++]);
            return batch.TokenCount > 0;
        }

        public virtual void Save(Utf8JsonWriter json)
        {
            json.WriteStartObject();
            json.WriteNumber("next", _next);
            json.WriteEndObject();
        }

        public virtual void Restore(JsonElement position) => _next = position.GetProperty("next").GetInt32();
    }

    /// <summary>One document again and again, and once noise, of which nothing that was learnt is true.</summary>
    private sealed class Leaping(int at) : Fixed([])
    {
        private int _batches;

        public override IReadOnlyList<string> Documents => [_batches == at ? "noise" : "the document"];

        public override bool Next(TrainingBatch batch, int tokens)
        {
            bool leaps = ++_batches == at;
            batch.Clear();
            batch.Add([.. Enumerable.Range(0, 30).Select(i => leaps ? 259 - i : 10 + i)]);
            return true;
        }
    }

    /// <summary>A loader's documents, and something that happens whenever they are asked for.</summary>
    private sealed class Hooked(TokenLoader loader, Action happens) : Fixed([])
    {
        public override IReadOnlyList<string> Documents => loader.Documents;

        public override bool Next(TrainingBatch batch, int tokens)
        {
            happens();
            return loader.Next(batch, tokens);
        }
    }
}
