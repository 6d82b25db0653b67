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
    private int _computed;
    private FinishReason _finish = FinishReason.Length;
    private int _enumerated;

    internal Sequence(KvSequence cache, ReadOnlySpan<int> prompt, GenerationOptions options, int maxTokens, GemmaConfig config,
        SentencePieceTokenizer? tokenizer, Sampler sampler) : base(cache, prompt)
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
                while (_stream.Reader.TryRead(out GeneratedToken? token)) yield return token;
        }
        finally
        {
            Cancel();
        }
    }

    internal override void Extend(PrefixCache prefixes) => prefixes.Extend(Cache, CollectionsMarshal.AsSpan(Ids), Options.CacheSalt);

    internal override void Publish(PrefixCache prefixes) => prefixes.Publish(Cache, CollectionsMarshal.AsSpan(Ids), Options.CacheSalt);

    internal override bool WaitsFor(Request older)
    {
        if (older is not Sequence other || other.Options.CacheSalt != Options.CacheSalt) return false;
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

    internal override bool Take(Matrix values, int firstRow, int count)
    {
        ReadOnlySpan<float> logits = values.Row(firstRow);
        int id = _sampler.Sample(logits, Options, _counts, Seed, Length - PromptTokens);
        float? logProb = null;
        TokenLogProb[] top = [];
        if (Options.LogProbs is int alternatives) (logProb, top) = _sampler.LogProbs(logits, id, alternatives);

        _lastToken = Stopwatch.GetTimestamp();
        if (_firstToken == 0) _firstToken = _lastToken;
        Ids.Add(id);
        _counts?.Add(id);

        (string text, bool ended) = Text(id);
        _text.Append(text);
        _stream.Writer.TryWrite(new GeneratedToken(id, text, logProb, top.Length == 0 ? null : top));
        return ended;
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
