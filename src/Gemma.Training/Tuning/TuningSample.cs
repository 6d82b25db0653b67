namespace Gemma.Training.Tuning;

/// <summary>One thing to learn: what goes into a batch together.</summary>
public abstract class TuningSample
{
    private protected TuningSample(string place) => Place = place;

    /// <summary>File and line it comes from.</summary>
    public string Place { get; }

    /// <summary>Tokens the model reads.</summary>
    public abstract int TokenCount { get; }

    /// <summary>Tokens whose prediction is learnt.</summary>
    public abstract int LearntCount { get; }

    internal abstract void AddTo(TrainingBatch batch);
}

/// <summary>A conversation whose answers are learnt.</summary>
public sealed class ConversationSample : TuningSample
{
    private readonly int[] _ids;
    private readonly float[] _weights;

    internal ConversationSample(string place, int[] ids, float[] weights) : base(place) => (_ids, _weights) = (ids, weights);

    public ReadOnlySpan<int> Ids => _ids;

    /// <summary>For each id the factor on the loss of predicting it.</summary>
    public ReadOnlySpan<float> Weights => _weights;

    public override int TokenCount => _ids.Length - 1;

    public override int LearntCount => _weights.Count(weight => weight != 0);

    internal override void AddTo(TrainingBatch batch) => batch.Add(_ids, _weights);
}

/// <summary>Two answers to one prompt, of which the first is to become the likelier.</summary>
public sealed class PreferenceSample : TuningSample
{
    internal PreferenceSample(ConversationSample chosen, ConversationSample rejected) : base(chosen.Place) => (Chosen, Rejected) = (chosen, rejected);

    public ConversationSample Chosen { get; }

    public ConversationSample Rejected { get; }

    /// <summary>ln p of the chosen answer under the model that training begins with; NaN as long as nobody has set it.</summary>
    public double ChosenReference { get; internal set; } = double.NaN;

    /// <summary>ln p of the rejected answer under the same.</summary>
    public double RejectedReference { get; internal set; } = double.NaN;

    public override int TokenCount => Chosen.TokenCount + Rejected.TokenCount;

    public override int LearntCount => Chosen.LearntCount + Rejected.LearntCount;

    internal override void AddTo(TrainingBatch batch) => batch.AddPair(Chosen.Ids, Chosen.Weights, Rejected.Ids, Rejected.Weights, ChosenReference, RejectedReference);
}
