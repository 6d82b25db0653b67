using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Gemma.Formats;

namespace Gemma.Training.Tuning;

/// <summary>
/// What the model made of each pair's answers before it was tuned: computed once and kept in a file, with a hash of all that it depends on, so that a run that goes on
/// compares with the same.
/// </summary>
public sealed class PreferenceReference
{
    public const string FileName = "reference.json";

    private readonly string _hash;

    /// <param name="path">The file.</param>
    /// <param name="identity">What decides the numbers, by name: the data, the model, how it is kept.</param>
    public PreferenceReference(string path, IEnumerable<KeyValuePair<string, string>> identity)
    {
        Path = path;
        string all = string.Join('\n', identity.Select(entry => $"{entry.Key}={entry.Value}").Order(StringComparer.Ordinal));
        _hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(all)));
    }

    public string Path { get; }

    /// <summary>Sets the numbers of the file; false where there is none, or it is of other pairs or another model.</summary>
    /// <exception cref="BadFileException">It is damaged.</exception>
    public bool TryRead(IReadOnlyList<PreferenceSample> pairs)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        if (!File.Exists(Path)) return false;
        double[] numbers = JsonFields.Load(Path, fields => fields.String("hash") == _hash ? ReadNumbers(fields) : []);
        if (numbers.Length != 2 * pairs.Count) return false;
        for (int i = 0; i < pairs.Count; i++) (pairs[i].ChosenReference, pairs[i].RejectedReference) = (numbers[2 * i], numbers[2 * i + 1]);
        return true;
    }

    /// <summary>Computes them with a model that has not learnt yet.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static void Compute(TrainingModel model, IReadOnlyList<PreferenceSample> pairs, int batchTokens, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(pairs);
        var batch = new TrainingBatch();
        for (int first = 0; first < pairs.Count;)
        {
            cancellation.ThrowIfCancellationRequested();
            batch.Clear();
            int end = first;
            do pairs[end++].AddTo(batch);
            while (end < pairs.Count && batch.TokenCount + pairs[end].TokenCount <= batchTokens);
            double[] sums = model.LogProbabilities(batch);
            for (int i = first; i < end; i++) (pairs[i].ChosenReference, pairs[i].RejectedReference) = (sums[2 * (i - first)], sums[2 * (i - first) + 1]);
            first = end;
            progress?.Report((double)first / pairs.Count);
        }
    }

    /// <summary>Keeps them.</summary>
    /// <exception cref="GemmaException">The disk says no.</exception>
    public void Write(IReadOnlyList<PreferenceSample> pairs)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        byte[] text = JsonText.Of(json =>
        {
            json.WriteString("hash", _hash);
            // As text that is read back to the same bits.
            json.WriteString("log_probabilities", string.Join(' ', pairs.SelectMany(pair => new[] { pair.ChosenReference, pair.RejectedReference }).Select(number => number.ToString("R", CultureInfo.InvariantCulture))));
        });
        using NewFile file = NewFile.Create(Path, text.Length, replace: true);
        NewFile.Guard(Path, () =>
        {
            RandomAccess.Write(file.Handle, text, 0);
            return true;
        });
        file.Publish();
    }

    private static double[] ReadNumbers(JsonFields fields)
    {
        string text = fields.String("log_probabilities") ?? throw fields.Missing("log_probabilities", "numbers");
        return [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)
            ? number : throw fields.Wrong("log_probabilities", "numbers", word))];
    }
}
