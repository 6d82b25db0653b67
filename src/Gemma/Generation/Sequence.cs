using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading.Channels;
using Gemma.Cpu;
using Gemma.Tokenization;

namespace Gemma.Generation;

/// <summary>
/// One request for an answer in flight. Its tokens are a stream that may be read once, while they come or later; leaving the stream early cancels the
/// sequence, and what fails throws there and from <see cref="Completion"/>. Reading neither is fine too.
/// </summary>
public sealed class Sequence : Request, IAsyncEnumerable<GeneratedToken>
{
    /// <summary>Ids in common from which on one prompt waits for the other: fewer are computed beside it in about the time that another pass takes.</summary>
    private const int WorthWaiting = 4 * KvCache.PageTokens;

    private readonly Channel<GeneratedToken> _stream =
        Channel.CreateUnbounded<GeneratedToken>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    // Neither stream nor completion runs its reader's code on the engine's thread.
    private readonly TaskCompletionSource<GenerationResult> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly HashSet<int> _stopIds;
    private readonly StopMatcher _stops;
    private readonly Detokenizer? _detokenizer;
    private readonly Sampler _sampler;
    private readonly TokenCounts? _counts;
    private readonly StringBuilder _text = new();
    private readonly long _submitted = Stopwatch.GetTimestamp();
    private long _firstPass, _firstToken, _lastToken;
    private readonly DraftLength _draftLength = new();
    private readonly List<int> _draft = []; // the last id, and what may follow it; empty where nothing is guessed
    private int _match; // ids that the draft's place of origin has in common with the end of the text
    private int _computed;
    private FinishReason _finish = FinishReason.Length;
    private int _enumerated;

    internal Sequence(KvSequence cache, ReadOnlySpan<int> prompt, GenerationOptions options, int maxTokens, GemmaConfig config,
        SentencePieceTokenizer? tokenizer, Sampler sampler) : base(cache, prompt, options.Adapter)
    {
        PromptTokens = prompt.Length;
        Options = options;
        MaxTokens = maxTokens;
        Seed = options.Seed ?? unchecked((ulong)Random.Shared.NextInt64(long.MinValue, long.MaxValue));
        _stopIds = options.IgnoreEos ? [.. options.StopIds] : [.. options.StopIds, .. config.EosIds];
        _stops = new StopMatcher(options.Stop);
        _detokenizer = tokenizer is null ? null : new Detokenizer(tokenizer);
        _sampler = sampler;
        _counts = options.HasPenalties ? new TokenCounts(prompt) : null;
    }

    public GenerationOptions Options { get; }

    public int PromptTokens { get; }

    /// <summary>Tokens of the prompt that did not have to be computed: the prefix cache held them.</summary>
    internal int CachedPromptTokens => _firstToken == 0 ? 0 : Math.Max(0, PromptTokens - _computed);

    /// <summary>Most tokens the answer may have: what was asked for, or what the context and the cache leave room for.</summary>
    public int MaxTokens { get; }

    /// <summary>The seed given or drawn.</summary>
    public ulong Seed { get; }

    /// <summary>The whole answer when it has ended, also where it was cancelled; throws what made a pass fail.</summary>
    public Task<GenerationResult> Completion => _completion.Task;

    /// <summary>
    /// The tokens as they come. After <see cref="Request.Cancel"/> the stream just ends; the token given here makes it throw
    /// <see cref="OperationCanceledException"/>, as everywhere.
    /// </summary>
    public async IAsyncEnumerator<GeneratedToken> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref _enumerated, 1) != 0) throw new InvalidOperationException("the tokens of a sequence can be read once");
        try
        {
            while (await _stream.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
                while (_stream.Reader.TryRead(out GeneratedToken token)) yield return token;
        }
        finally
        {
            Cancel();
        }
    }

    internal override int Drafted => Math.Max(0, _draft.Count - 1);

    /// <summary>Tokens guessed so far, and how many of them the model would have chosen as well.</summary>
    internal int DraftedTokens { get; private set; }

    internal int AcceptedTokens { get; private set; }

    internal override void Draft(int most, PassTime time, int answers)
    {
        DropDraft();
        most = Math.Min(Math.Min(most, Options.DraftTokens ?? DraftLength.Most), MaxTokens - (Length - PromptTokens) - 1); // the pass brings one anyway
        if (most <= 0) return;
        ReadOnlySpan<int> ids = CollectionsMarshal.AsSpan(Ids);
        (int next, _match) = PromptLookup.Find(ids);
        if (_match == 0) return;
        int count = Math.Min(most, Options.DraftTokens ?? _draftLength.Choose(_match, time, answers));
        if (count == 0) return;
        _draft.Add(ids[^1]);
        PromptLookup.Draft(ids, next, count, _draft);
    }

    internal override void DropDraft() => _draft.Clear();

    internal override int AddTo(Batch batch)
    {
        if (Drafted == 0) return base.AddTo(batch);
        batch.Add(Cache, CollectionsMarshal.AsSpan(_draft), LogitRows.All, Adapter);
        OnComputing();
        return _draft.Count;
    }

    private PrefixScope Scope => new(Options.CacheSalt, Options.Adapter?.Id ?? 0);

    internal override void Extend(PrefixCache prefixes) => prefixes.Extend(Cache, CollectionsMarshal.AsSpan(Ids), Scope);

    internal override void Publish(PrefixCache prefixes) => prefixes.Publish(Cache, CollectionsMarshal.AsSpan(Ids), Scope);

    internal override bool WaitsFor(Request older)
    {
        if (older is not Sequence other || other.Scope != Scope) return false;
        int next = Cache.Length;
        // Only from a full page on can it take pages over, and what the other has computed is taken over already.
        if (next != Cache.SharedPages * KvCache.PageTokens || other.Cache.Length >= next + KvCache.PageTokens) return false;
        // Who waits already waits to the end.
        int least = next + (Waits ? KvCache.PageTokens : WorthWaiting), most = Math.Min(Length - 1, other.Length);
        return most >= least && CollectionsMarshal.AsSpan(Ids)[..least].SequenceEqual(CollectionsMarshal.AsSpan(other.Ids)[..least]);
    }

    private protected override void OnComputing()
    {
        if (_firstPass == 0) _firstPass = Stopwatch.GetTimestamp();
        if (_firstToken == 0) _computed += Planned;
    }

    /// <summary>
    /// Every row's token is drawn as if the rows before it had been passes of their own: from its own logits with the random number of its own place. So the
    /// first row behind a guess that is not what was drawn is of no use, and all before it are what they would have been.
    /// </summary>
    internal override bool Take(Matrix values, int firstRow, int count)
    {
        bool ended = false, right = true;
        int drafted = Drafted, accepted = 0;
        for (int row = 0; row < count && right && !ended; row++)
        {
            int id = Take(values.Row(firstRow + row), out ended);
            right = row < drafted && id == _draft[row + 1];
            if (right) accepted++;
        }
        if (drafted > 0)
        {
            _draftLength.Learn(_match, drafted, accepted);
            DraftedTokens += drafted;
            AcceptedTokens += accepted;
            Cache.Truncate(Length - 1);
            DropDraft();
        }
        return ended;
    }

    private int Take(ReadOnlySpan<float> logits, out bool ended)
    {
        int id = _sampler.Sample(logits, Options, _counts, Seed, Length - PromptTokens);
        float? logProb = null;
        TokenLogProb[] top = [];
        if (Options.LogProbs is int alternatives) (logProb, top) = _sampler.LogProbs(logits, id, alternatives);

        _lastToken = Stopwatch.GetTimestamp();
        if (_firstToken == 0) _firstToken = _lastToken;
        Ids.Add(id);
        _counts?.Add(id);

        (string text, ended) = Text(id);
        _text.Append(text);
        _stream.Writer.TryWrite(new GeneratedToken(id, text, logProb, top.Length == 0 ? null : top));
        return id;
    }

    /// <summary>What becomes certain with this id, and whether the answer ends with it.</summary>
    private (string Text, bool Ended) Text(int id)
    {
        bool stopped = _stopIds.Contains(id);
        bool last = stopped || Length - PromptTokens == MaxTokens;
        string text = "";
        if (_detokenizer is not null)
        {
            if (!stopped) text = _stops.Append(_detokenizer.Append(id));
            if (last) text += _stops.Append(_detokenizer.Flush());
        }
        bool matched = _stops.Match is not null;
        _finish = matched ? FinishReason.StopString : stopped ? FinishReason.Stop : FinishReason.Length;
        return (last ? text + _stops.Flush() : text, last || matched);
    }

    internal override void Complete()
    {
        long now = Stopwatch.GetTimestamp();
        var result = new GenerationResult
        {
            FinishReason = _finish,
            Ids = [.. Ids[PromptTokens..]],
            Text = _text.ToString(),
            StopString = _stops.Match,
            PromptTokens = PromptTokens,
            CachedPromptTokens = CachedPromptTokens,
            DraftedTokens = DraftedTokens,
            AcceptedTokens = AcceptedTokens,
            MaxTokens = MaxTokens,
            Seed = Seed,
            TimeToFirstTokenSeconds = Seconds(_submitted, _firstToken == 0 ? now : _firstToken),
            PrefillSeconds = _firstPass == 0 ? 0 : Seconds(_firstPass, _firstToken == 0 ? now : _firstToken),
            DecodeSeconds = Seconds(_firstToken, _lastToken),
        };
        _completion.TrySetResult(result);
        _stream.Writer.TryComplete();
    }

    internal override void CompleteCancelled()
    {
        _finish = FinishReason.Cancelled;
        Complete();
    }

    internal override void Fail(Exception error)
    {
        _completion.TrySetException(error);
        _ = _completion.Task.Exception; // seen: who reads the stream need not look here as well
        _stream.Writer.TryComplete(error);
    }

    private static double Seconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalSeconds;
}
