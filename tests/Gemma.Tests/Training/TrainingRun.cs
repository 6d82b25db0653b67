using Gemma.Formats;
using Gemma.Tests.Formats;
using Gemma.Tests.Tokenization;
using Gemma.Tokenization;
using Gemma.Training;

namespace Gemma.Tests.Training;

/// <summary>A model that learns in milliseconds, and its data, in a folder that goes with the test.</summary>
internal sealed class TrainingRun : IDisposable
{
    public const int SequenceLength = 24, BatchTokens = 96;

    public static readonly SentencePieceModel Vocabulary = Vocabularies.Model();

    private readonly List<IDisposable> _held = [];

    public TrainingRun()
    {
        // Documents that can be learnt: counting on from some number, in steps of one to four. A few are longer than a sequence.
        WriteShard(Folder["train.tokens"], 200, seed: 1);
        WriteShard(Folder["held-out.tokens"], 12, seed: 2);
    }

    public TemporaryFolder Folder { get; } = new();

    public string Output => Folder["run"];

    public List<TrainingStep> Steps { get; } = [];

    public List<string> Warnings { get; } = [];

    public List<string> Notices { get; } = [];

    public static GemmaConfig Config => SmallModels.Config(GemmaArchitecture.Gemma1, vocabulary: Vocabulary.Pieces.Length) with { EosIds = [1] };

    public TrainerOptions Options(int steps = 20) => new()
    {
        Output = Output,
        WriteWeights = _ => { },
        Steps = steps,
        BatchTokens = BatchTokens,
        Accumulation = 2,
        LearningRate = new LearningRate { Peak = 3e-3f, WarmUpSteps = 4 },
        CheckpointEvery = 5,
        Progress = new Ear(Steps),
        Warning = Warnings.Add,
        Notice = Notices.Add,
    };

    public TokenLoader Loader(string file = "train.tokens", int sequenceLength = SequenceLength, ulong seed = 7, bool onePass = false)
    {
        TokenSet set = TokenSet.Open(Folder[file]) with { Name = file };
        _held.AddRange(set.Shards);
        var mixture = new TokenMixture([set], seed);
        return onePass ? TokenLoader.OnePass(mixture, sequenceLength) : new TokenLoader(mixture, sequenceLength);
    }

    /// <summary>Makes a trainer of a model with new random weights; all is disposed of with the run.</summary>
    public Trainer Trainer(TrainerOptions options, ITrainingData? data = null, bool validates = true, Action<ParameterSet>? prepare = null)
    {
        var parameters = new ParameterSet(Config);
        parameters.Initialize(3);
        prepare?.Invoke(parameters);
        var model = new TrainingModel(parameters, new TrainingOptions { Threads = 2 });
        var trainer = new Trainer(model, data ?? Loader(), validates ? Loader("held-out.tokens", onePass: true) : null,
            options with { WriteWeights = ModelWeights.Writer(parameters, TensorType.F32, Vocabulary.ToBytes()) });
        _held.AddRange([parameters, model, trainer]);
        return trainer;
    }

    /// <summary>Trains from the begin, in a folder of its own.</summary>
    public Trainer Train(TrainerOptions options, ITrainingData? data = null)
    {
        Trainer trainer = Trainer(options, data);
        trainer.Begin();
        trainer.Run();
        trainer.Dispose();
        return trainer;
    }

    /// <summary>The bytes that decide how a run goes on.</summary>
    public static byte[] Numbers(string checkpoint) => File.ReadAllBytes(Path.Combine(checkpoint, Checkpoint.NumbersName));

    public void Dispose()
    {
        foreach (IDisposable held in Enumerable.Reverse(_held)) held.Dispose();
        Folder.Dispose();
    }

    public static void WriteShard(string path, int documents, int seed, SentencePieceModel? vocabulary = null)
    {
        var random = new Random(seed);
        using var writer = TokenShardWriter.Create(path, vocabulary ?? Vocabulary, TokenShardMarks.Begin | TokenShardMarks.End);
        for (int document = 0; document < documents; document++)
        {
            int first = random.Next(200), step = random.Next(1, 5), length = random.Next(document % 10 == 0 ? 90 : 25);
            writer.Add([2, .. Enumerable.Range(0, length).Select(i => 4 + (first + i * step) % 200), 1]);
        }
        writer.Finish();
    }

    private sealed class Ear(List<TrainingStep> steps) : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value) => steps.Add(value);
    }
}
