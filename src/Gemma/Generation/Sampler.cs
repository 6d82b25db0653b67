using System.Collections.ObjectModel;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gemma.Generation;

/// <summary>A token and its log-probability under the model's own distribution.</summary>
public readonly record struct TokenLogProb(int Id, float LogProb);

/// <summary>
/// Logits to id. One sampler serves all sequences of an engine: it holds buffers, no state. The draw depends on the logits, the options, the seed and the
/// number of the draw alone. No pass sorts the vocabulary and none allocates.
/// </summary>
/// <remarks>
/// Every truncation keeps a beginning of the tokens ordered by probability (lower id first among equals), so all of them together are one cut. The draw goes
/// through the tokens above the cut in the order of their ids: an order in which logits that differ in the last bit hardly ever change the token drawn.
/// </remarks>
public sealed class Sampler
{
    /// <summary>Logits whose maximum is looked at together when the largest few are wanted.</summary>
    private const int BlockSize = 64;

    private const int Lanes = 16;

    private readonly float[] _changed;
    private readonly ulong[] _keys;
    private readonly float[] _weights;

    /// <param name="vocabularySize">Logits of one position.</param>
    public Sampler(int vocabularySize)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        _changed = new float[vocabularySize];
        _keys = new ulong[vocabularySize];
        _weights = new float[vocabularySize];
    }

    /// <summary>Chooses the next token.</summary>
    /// <param name="logits">[vocabulary]</param>
    /// <param name="options">What the caller wants.</param>
    /// <param name="counts">Tokens so far; needed where the options hold penalties.</param>
    /// <param name="seed">The sequence's seed.</param>
    /// <param name="draw">Number of tokens drawn for this sequence before.</param>
    /// <exception cref="GemmaException">A logit is not finite, or the bias forbids every token.</exception>
    public int Sample(ReadOnlySpan<float> logits, GenerationOptions options, TokenCounts? counts, ulong seed, int draw)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNotEqual(logits.Length, _changed.Length);
        float maximum = FiniteMaximum(logits, draw);
        if (options.ChangesLogits)
        {
            logits = Change(logits, options, counts);
            maximum = Softmax.Maximum(logits, out _);
            if (!float.IsFinite(maximum)) throw new UsageException("the penalties and the logit bias leave no token that may be drawn; loosen them");
        }
        if (options.Temperature == 0) return Softmax.IndexOf(logits, maximum);

        ulong cut = Cut(logits, options, maximum);
        return Draw(logits, cut, maximum, options.Temperature, CounterRandom.Uniform(seed, draw));
    }

    /// <summary>
    /// The log-probability of one token and of the most probable ones, the most probable first, under the model's own distribution: temperature 1, before
    /// penalties, bias and truncation.
    /// </summary>
    public (float Chosen, TokenLogProb[] Top) LogProbs(ReadOnlySpan<float> logits, int chosen, int top)
    {
        double normalizer = Softmax.LogSumExp(logits, FiniteMaximum(logits, position: null));
        top = Math.Min(top, logits.Length);
        var alternatives = new TokenLogProb[top];
        if (top > 0)
        {
            Span<ulong> largest = Largest(logits, top);
            largest.Sort(static (a, b) => b.CompareTo(a));
            for (int i = 0; i < top; i++)
            {
                int id = Selection.Id(largest[i]);
                alternatives[i] = new TokenLogProb(id, (float)(logits[id] - normalizer));
            }
        }
        return ((float)(logits[chosen] - normalizer), alternatives);
    }

    private static float FiniteMaximum(ReadOnlySpan<float> logits, int? position)
    {
        float maximum = Softmax.Maximum(logits, out bool finite);
        if (finite) return maximum;
        int at = 0;
        while (float.IsFinite(logits[at])) at++;
        string where = position is null ? "" : string.Create(CultureInfo.InvariantCulture, $" of generated token {position + 1}");
        throw new GemmaException(string.Create(CultureInfo.InvariantCulture,
            $"the logits{where} hold {logits[at]} for id {at}, expected finite numbers; the weights are damaged or overflow in the chosen type"));
    }

    private ReadOnlySpan<float> Change(ReadOnlySpan<float> logits, GenerationOptions options, TokenCounts? counts)
    {
        Span<float> changed = _changed;
        logits.CopyTo(changed);
        if (options.HasPenalties) (counts ?? throw new ArgumentNullException(nameof(counts))).Penalize(changed, options);
        // An enumerator of the interface would be an allocation for every token.
        if (options.LogitBias is Dictionary<int, float> biases) foreach ((int id, float bias) in biases) changed[id] += bias;
        else foreach ((int id, float bias) in options.LogitBias ?? ReadOnlyDictionary<int, float>.Empty) changed[id] += bias;
        return changed;
    }

    /// <summary>The smallest key that top-k, top-p and min-p, in this order, all keep.</summary>
    private ulong Cut(ReadOnlySpan<float> logits, GenerationOptions options, float maximum)
    {
        float temperature = options.Temperature;
        ulong cut = 0;
        bool topK = options.TopK > 0 && options.TopK < logits.Length;
        Span<ulong> kept = topK ? Largest(logits, options.TopK) : default;
        if (options.TopP < 1)
        {
            double total;
            if (topK)
            {
                total = Weigh(kept, maximum, temperature);
            }
            else
            {
                total = Softmax.SumExp(logits, maximum, temperature);
                kept = _keys.AsSpan(0, Collect(logits, NucleusBound(total, options.TopP, logits.Length, maximum, temperature), _keys));
                Weigh(kept, maximum, temperature);
            }
            kept = kept[..Selection.Largest(kept, _weights.AsSpan(0, kept.Length), options.TopP * total)];
        }
        if (!kept.IsEmpty)
        {
            cut = ulong.MaxValue;
            foreach (ulong key in kept) cut = Math.Min(cut, key);
        }
        // Compared as logits: p ≥ fraction · p_max is logit ≥ maximum + temperature · ln fraction. The lowest key of that value is the one of the highest id.
        return options.MinP > 0 ? Math.Max(cut, Selection.Key(Math.Min(maximum, maximum + temperature * MathF.Log(options.MinP)), int.MaxValue)) : cut;
    }

    /// <summary>
    /// A logit below which no token of the nucleus lies: all tokens less probable than (1 − p) / vocabulary together hold less than 1 − p. A little is taken
    /// off for rounding, which costs a few candidates and no exactness.
    /// </summary>
    private static float NucleusBound(double total, double p, int vocabulary, float maximum, float temperature)
    {
        double weight = 0.99 * (1 - p) * total / vocabulary;
        double bound = maximum + temperature * Math.Log(weight);
        return (float)(bound - 1e-5 * Math.Abs(bound));
    }

    /// <summary>Inverse transform sampling over the tokens from the cut on, in the order of their ids.</summary>
    private int Draw(ReadOnlySpan<float> logits, ulong cut, float maximum, float temperature, double uniform)
    {
        Span<ulong> keys = _keys.AsSpan(0, Collect(logits, cut == 0 ? float.NegativeInfinity : Selection.Value(cut), _keys));
        int count = 0;
        foreach (ulong key in keys)
            if (key >= cut) keys[count++] = key;
        keys = keys[..count];

        double rest = uniform * Weigh(keys, maximum, temperature);
        int last = 0;
        for (int i = 0; i < keys.Length; i++)
        {
            if (_weights[i] <= 0) continue;
            last = i;
            rest -= _weights[i];
            if (rest < 0) break;
        }
        return Selection.Id(keys[last]);
    }

    /// <summary>Fills the weights of the keys with exp((logit − maximum) / temperature) and returns their sum.</summary>
    private double Weigh(ReadOnlySpan<ulong> keys, float maximum, float temperature)
    {
        Span<float> weights = _weights.AsSpan(0, keys.Length);
        for (int i = 0; i < keys.Length; i++) weights[i] = Selection.Value(keys[i]);
        Softmax.Exp(weights, maximum, temperature);
        double sum = 0;
        foreach (float weight in weights) sum += weight;
        return sum;
    }

    /// <summary>
    /// The k largest, in no particular order. The k-th largest of the maxima of blocks is no larger than the k-th largest of all, and few logits reach it:
    /// one pass finds it, one collects the candidates, and only those are chosen from.
    /// </summary>
    private Span<ulong> Largest(ReadOnlySpan<float> logits, int k)
    {
        int blocks = (logits.Length + BlockSize - 1) / BlockSize;
        float bound = float.NegativeInfinity;
        if (k < blocks)
        {
            for (int block = 0; block < blocks; block++)
            {
                int start = block * BlockSize;
                _keys[block] = Selection.Key(Softmax.Maximum(logits.Slice(start, Math.Min(BlockSize, logits.Length - start)), out _), block);
            }
            ulong smallest = ulong.MaxValue;
            foreach (ulong key in Choose(blocks, k)) smallest = Math.Min(smallest, key);
            bound = Selection.Value(smallest);
        }
        return Choose(Collect(logits, bound, _keys), k);
    }

    /// <summary>Moves the k largest of the first keys to the front.</summary>
    private Span<ulong> Choose(int count, int k)
    {
        Span<float> ones = _weights.AsSpan(0, count);
        ones.Fill(1);
        return _keys.AsSpan(0, Selection.Largest(_keys.AsSpan(0, count), ones, k));
    }

    /// <summary>Keys of all logits from the bound on, in the order of their ids.</summary>
    private static int Collect(ReadOnlySpan<float> logits, float bound, Span<ulong> keys)
    {
        ref float start = ref MemoryMarshal.GetReference(logits);
        Vector512<float> lowest = Vector512.Create(bound);
        int count = 0;
        int i = 0;
        for (; i <= logits.Length - Lanes; i += Lanes)
        {
            ulong hits = Vector512.GreaterThanOrEqual(Vector512.LoadUnsafe(ref start, (nuint)i), lowest).ExtractMostSignificantBits();
            for (; hits != 0; hits &= hits - 1)
            {
                int id = i + BitOperations.TrailingZeroCount(hits);
                keys[count++] = Selection.Key(logits[id], id);
            }
        }
        for (; i < logits.Length; i++)
            if (logits[i] >= bound) keys[count++] = Selection.Key(logits[i], i);
        return count;
    }
}
