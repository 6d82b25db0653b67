using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Gemma.Formats;
using Gemma.Generation;

namespace Gemma.Training.Tuning;

/// <summary>
/// Samples for a trainer: each epoch all of them once, in another order that the seed decides, packed one behind the other into batches. Whole samples only: one that
/// does not fit any more begins the next batch.
/// </summary>
public sealed class TuningData : ITrainingData
{
    // Streams of one seed: orders of epochs, seeds of batches, what is held out.
    private const ulong OrderStream = 0x6F72646572, BatchStream = 0x6261746368, HoldOutStream = 0x686F6C646F7574;

    private readonly ImmutableArray<TuningSample> _samples;
    private readonly TuningDataOptions _options;
    private readonly List<string> _documents = [];
    private long _seen, _batches, _tokens, _learnt;

    /// <param name="samples">What is learnt.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="identity">What the samples come from, by name: files by their hashes, and how they were read.</param>
    public TuningData(IEnumerable<TuningSample> samples, TuningDataOptions? options = null, IEnumerable<KeyValuePair<string, string>>? identity = null)
    {
        _samples = [.. samples];
        _options = options ?? new TuningDataOptions();
        if (_samples.IsEmpty) throw new GemmaException("there is nothing to learn: no sample is left");
        var known = new Dictionary<string, string>(identity ?? [], StringComparer.Ordinal)
        {
            ["samples"] = string.Create(CultureInfo.InvariantCulture, $"{_samples.Length}"),
            ["data_seed"] = string.Create(CultureInfo.InvariantCulture, $"{_options.Seed}"),
        };
        if (_samples.Any(sample => sample is PreferenceSample)) known["beta"] = string.Create(CultureInfo.InvariantCulture, $"{_options.Beta}");
        Identity = known;
    }

    public IReadOnlyDictionary<string, string> Identity { get; }

    public IReadOnlyList<string> Documents => _documents;

    public IReadOnlyList<TuningSample> Samples => _samples;

    /// <summary>Samples given so far, all epochs together.</summary>
    public long Seen => _seen;

    /// <summary>Divides samples: some held out to validate with, which the seed alone decides.</summary>
    /// <param name="share">The held out part, 0 … 1; at least one sample where it is not 0.</param>
    public static (ImmutableArray<TuningSample> Learnt, ImmutableArray<TuningSample> HeldOut) HoldOut(IReadOnlyList<TuningSample> samples, double share, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(samples);
        if (share is not (>= 0 and < 1)) throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"the share to hold out is {share}; it must be from 0 to less than 1"));
        int count = share == 0 ? 0 : Math.Max(1, (int)Math.Round(share * samples.Count));
        if (count >= samples.Count)
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"of {samples.Count} samples {count} would be held out, and none be left to learn; give a smaller share, or more samples"));
        var order = new ShuffledOrder(samples.Count, CounterRandom.Next(seed, HoldOutStream));
        HashSet<long> held = [.. Enumerable.Range(0, count).Select(place => order[place])];
        return ([.. samples.Where((_, i) => !held.Contains(i))], [.. samples.Where((_, i) => held.Contains(i))]);
    }

    /// <summary>Batches until the last epoch has ended, from the beginning.</summary>
    public int CountBatches(int tokens)
    {
        if (_options.Epochs == 0) throw new InvalidOperationException("epochs without end have no number of batches");
        int count = 0;
        long place = 0, end = (long)_options.Epochs * _samples.Length;
        while (place < end)
        {
            int filled = At(place++).TokenCount;
            for (; place < end && filled + At(place).TokenCount <= tokens; place++) filled += At(place).TokenCount;
            count++;
        }
        return count;
    }

    public bool Next(TrainingBatch batch, int tokens)
    {
        ArgumentNullException.ThrowIfNull(batch);
        batch.Clear();
        _documents.Clear();
        batch.Seed = CounterRandom.Next(_options.Seed ^ BatchStream, (ulong)_batches);
        batch.PreferenceBeta = _options.Beta;
        while (!HasEnded)
        {
            TuningSample sample = At(_seen);
            if (_documents.Count > 0 && batch.TokenCount + sample.TokenCount > tokens) break;
            sample.AddTo(batch);
            _documents.Add(sample.Place);
            _seen++;
            _tokens += sample.TokenCount;
            _learnt += sample.LearntCount;
        }
        if (_documents.Count == 0) return false;
        _batches++;
        return true;
    }

    public void Save(Utf8JsonWriter json)
    {
        ArgumentNullException.ThrowIfNull(json);
        json.WriteStartObject();
        json.WriteNumber("samples_seen", _seen);
        json.WriteNumber("epochs", (double)_seen / _samples.Length);
        json.WriteNumber("batches", _batches);
        json.WriteNumber("tokens", _tokens);
        json.WriteNumber("learnt_tokens", _learnt);
        json.WriteEndObject();
    }

    public void Restore(JsonElement position)
    {
        (_seen, _batches, _tokens, _learnt) = (Number("samples_seen"), Number("batches"), Number("tokens"), Number("learnt_tokens"));

        long Number(string name) => position.ValueKind == JsonValueKind.Object && position.TryGetProperty(name, out JsonElement found) && found.ValueKind == JsonValueKind.Number
            && found.TryGetInt64(out long value) && value >= 0 ? value : throw new GemmaException($"expected a position in the samples with the number \"{name}\", found none");
    }

    private bool HasEnded => _options.Epochs > 0 && _seen >= _options.Epochs * _samples.Length;

    private TuningSample At(long place)
    {
        (long epoch, long within) = Math.DivRem(place, _samples.Length);
        if (!_options.Shuffle) return _samples[(int)within];
        return _samples[(int)new ShuffledOrder(_samples.Length, CounterRandom.Next(_options.Seed ^ OrderStream, (ulong)epoch))[within]];
    }
}
