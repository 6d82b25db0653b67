using System.Runtime.InteropServices;
using Gemma.Generation;

namespace Gemma;

/// <summary>Which positions of a segment want logits.</summary>
public enum LogitRows
{
    None,
    Last,
    All,
}

/// <summary>Consecutive tokens of one sequence within a batch.</summary>
/// <param name="Start">First row in the batch.</param>
/// <param name="Count">Rows.</param>
/// <param name="FirstPosition">Position in its sequence of the first row.</param>
/// <param name="Cache">The keys and values before and, after the pass, including these tokens; null for a whole document, as training reads them.</param>
/// <param name="Adapter">What is added to the model for these tokens; null for nothing.</param>
public readonly record struct Segment(int Start, int Count, int FirstPosition, KvSequence? Cache, GemmaAdapter? Adapter = null);

/// <summary>
/// Tokens of many sequences, each with its position and cache. Prefill, decode, continuous batching and scoring are the same call with different batches.
/// Reused from step to step: <see cref="Clear"/>, then <see cref="Add(KvSequence, ReadOnlySpan{int}, LogitRows, GemmaAdapter)"/>.
/// </summary>
public sealed class Batch
{
    private readonly List<int> _tokens = [];
    private readonly List<int> _positions = [];
    private readonly List<int> _logitRows = [];
    private readonly List<Segment> _segments = [];

    public int Count => _tokens.Count;

    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(_tokens);

    public ReadOnlySpan<int> Positions => CollectionsMarshal.AsSpan(_positions);

    /// <summary>Rows of the batch whose logits are computed, ascending.</summary>
    public ReadOnlySpan<int> LogitRows => CollectionsMarshal.AsSpan(_logitRows);

    public ReadOnlySpan<Segment> Segments => CollectionsMarshal.AsSpan(_segments);

    public void Clear()
    {
        _tokens.Clear();
        _positions.Clear();
        _logitRows.Clear();
        _segments.Clear();
    }

    /// <summary>Adds the next tokens of a sequence and reserves their place in its cache. A sequence may stand in a batch once.</summary>
    /// <param name="cache">The sequence.</param>
    /// <param name="tokens">Its next tokens.</param>
    /// <param name="logits">Which of them want logits.</param>
    /// <param name="adapter">What is added to the model for this sequence, always the same; null for nothing.</param>
    /// <exception cref="CacheFullException">No page is left; the batch and the sequence are as before.</exception>
    public void Add(KvSequence cache, ReadOnlySpan<int> tokens, LogitRows logits, GemmaAdapter? adapter = null)
    {
        ArgumentNullException.ThrowIfNull(cache);
        int first = cache.Length;
        cache.Reserve(tokens.Length);
        Append(tokens, first, cache, logits, adapter);
    }

    /// <summary>
    /// Adds a whole document that needs no cache: its tokens see each other and nothing else, and its positions begin at 0. For backends that keep no keys and
    /// values, as training's.
    /// </summary>
    public void Add(ReadOnlySpan<int> document, LogitRows logits) => Append(document, 0, null, logits, null);

    private void Append(ReadOnlySpan<int> tokens, int first, KvSequence? cache, LogitRows logits, GemmaAdapter? adapter)
    {
        _segments.Add(new Segment(_tokens.Count, tokens.Length, first, cache, adapter));
        for (int i = 0; i < tokens.Length; i++)
        {
            if (logits == Gemma.LogitRows.All || (logits == Gemma.LogitRows.Last && i == tokens.Length - 1)) _logitRows.Add(_tokens.Count);
            _tokens.Add(tokens[i]);
            _positions.Add(first + i);
        }
    }
}
