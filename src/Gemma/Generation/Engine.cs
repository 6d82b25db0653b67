using System.Diagnostics;
using System.Globalization;
using Gemma.Cpu;

namespace Gemma.Generation;

/// <summary>
/// Computes many requests at once with one model. There is one loop: schedule, compute, sample, append; an answer, a chat, a score and an embedding all go
/// through it, and what comes out does not depend on what else is in it.
/// </summary>
/// <remarks>
/// Thread-safe. A thread of its own runs while there is work, unless <see cref="EngineOptions.RunInBackground"/> is false and the caller steps. The engine does
/// not own the model; engines that share one take turns.
/// </remarks>
public sealed class Engine : IDisposable
{
    private readonly EngineOptions _options;
    private readonly Sampler _sampler;
    private readonly Batch _batch = new();
    private readonly List<Request> _pass = [];
    private readonly List<int> _rows = []; // rows each request of the pass gets back
    private readonly AutoResetEvent _wake = new(false);
    private readonly Lock _stepping = new(); // held for a whole step
    private readonly Lock _gate = new(); // guards what callers and the step exchange: the four fields below
    private readonly List<Request> _arrived = [];
    private EngineStatistics _statistics;
    private Thread? _thread;
    private volatile bool _disposed;

    /// <exception cref="UsageException">An option is out of its range.</exception>
    public Engine(GemmaModel model, EngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        _options = options ?? new EngineOptions();
        (int context, int positions, KvType type) = _options.Resolve(model.Config, model.RoundsActivations);
        Cache = model.CreateCache(positions, type);
        ContextLength = Math.Min(context, Cache.Capacity);
        Prefixes = _options.PrefixCache ? new PrefixCache(Cache) : null;
        Scheduler = new Scheduler(Cache, Prefixes, _options);
        Count();
        _sampler = new Sampler(model.Config.VocabularySize);
    }

    public GemmaModel Model { get; }

    /// <summary>Longest sequence, prompt and answer together: what was asked for, or what the cache has room for.</summary>
    public int ContextLength { get; }

    /// <summary>What has been done and what is held, as of the end of the last pass.</summary>
    public EngineStatistics Statistics
    {
        get
        {
            lock (_gate) return _statistics;
        }
    }

    internal KvCache Cache { get; }

    internal PrefixCache? Prefixes { get; }

    internal Scheduler Scheduler { get; }

    /// <summary>Asks for an answer: the tokens that continue a prompt.</summary>
    /// <param name="prompt">All ids, with the <c>&lt;bos&gt;</c> that begins every prompt.</param>
    /// <param name="options">What the caller wants; null is the defaults of <see cref="GenerationOptions"/>.</param>
    /// <param name="cancellationToken">Ends the answer as <see cref="Request.Cancel"/> does: what there is of it stays, nothing is thrown.</param>
    /// <exception cref="UsageException">The prompt is empty, does not fit or holds an unknown id, or an option is out of its range.</exception>
    public Sequence Submit(ReadOnlySpan<int> prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new GenerationOptions();
        options.Validate();
        options.ValidateIds(Model.Config.VocabularySize);
        Model.Check(options.Adapter);
        if (options.Stop.Count > 0 && Model.Tokenizer is null)
            throw new UsageException("stop strings need a tokenizer, and this model's files hold none; put tokenizer.model beside the weights, or stop at ids");
        Validate(prompt, "prompt", room: options.MaxTokens == 0 ? 0 : 1);
        int maxTokens = Math.Min(options.MaxTokens ?? int.MaxValue, ContextLength - prompt.Length);
        var sequence = new Sequence(Cache.CreateSequence(), prompt, options, maxTokens, Model.Config, Model.Tokenizer, _sampler);
        Enqueue(sequence, cancellationToken);
        return sequence;
    }

    /// <summary>Logits of every position, handed to a callback in order, a few positions at a time so that long texts need little memory.</summary>
    /// <param name="ids">All ids; nothing is added.</param>
    /// <param name="callback">Runs on the engine's thread, and must not wait for this engine. What it throws ends this request.</param>
    /// <param name="adapter">What is added to the model for this text; null for nothing.</param>
    /// <param name="cancellationToken">Ends it with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="UsageException">There are no ids, too many, or an unknown one.</exception>
    public Task LogitsAsync(ReadOnlySpan<int> ids, LogitsCallback callback, GemmaAdapter? adapter = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(callback);
        Validate(ids, "text", room: 0);
        Model.Check(adapter);
        var request = new LogitsRequest(Cache.CreateSequence(), ids, callback, adapter);
        Enqueue(request, cancellationToken);
        return request.Completion;
    }

    /// <summary>The log-probability of each id given those before it, under the model's own distribution.</summary>
    /// <param name="ids">Two or more; the first, <c>&lt;bos&gt;</c> as a rule, is given and not predicted.</param>
    /// <param name="top">Most probable alternatives reported in each place.</param>
    /// <param name="adapter">What is added to the model for this text; null for nothing.</param>
    /// <param name="cancellationToken">Ends it with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="UsageException">There are fewer than two ids, too many, or an unknown one.</exception>
    public Task<TextScore> ScoreAsync(ReadOnlySpan<int> ids, int top = 0, GemmaAdapter? adapter = null, CancellationToken cancellationToken = default)
    {
        new GenerationOptions { LogProbs = top }.Validate();
        Validate(ids, "text", room: 0);
        if (ids.Length == 1) throw new UsageException("a text of one token cannot be scored: nothing comes before it; give <bos> and at least one more");

        int[] text = ids.ToArray();
        var logProbs = new float[text.Length - 1];
        TokenLogProb[][]? alternatives = top > 0 ? new TokenLogProb[text.Length - 1][] : null;
        Task done = LogitsAsync(ids[..^1], (position, logits) =>
        {
            (logProbs[position], TokenLogProb[] most) = _sampler.LogProbs(logits, text[position + 1], top);
            if (alternatives is not null) alternatives[position] = most;
        }, adapter, cancellationToken);
        return Score();

        async Task<TextScore> Score()
        {
            await done.ConfigureAwait(false);
            double sum = 0;
            foreach (float logProb in logProbs) sum += logProb;
            return new TextScore { Ids = text, LogProbs = logProbs, TopLogProbs = alternatives, NegativeLogLikelihood = -sum };
        }
    }

    /// <summary>
    /// The mean of the final hidden states over all positions, scaled to length 1: [width]. Gemma is no embedding model and was not trained to put like texts
    /// near each other: this serves experiments and coarse similarity; for search use a model made for it.
    /// </summary>
    /// <exception cref="UsageException">There are no ids, too many, or an unknown one.</exception>
    public Task<float[]> EmbedAsync(ReadOnlySpan<int> ids, GemmaAdapter? adapter = null, CancellationToken cancellationToken = default)
    {
        Validate(ids, "text", room: 0);
        Model.Check(adapter);
        var request = new EmbeddingRequest(Cache.CreateSequence(), ids, Model.Config.Width, adapter);
        Enqueue(request, cancellationToken);
        return request.Completion;
    }

    /// <summary>One pass, for an engine that does not run by itself. Returns whether anything is left to do.</summary>
    /// <exception cref="InvalidOperationException">The engine runs by itself.</exception>
    public bool Step()
    {
        if (_options.RunInBackground) throw new InvalidOperationException("this engine steps by itself; to step it, make it with RunInBackground = false");
        ObjectDisposedException.ThrowIf(_disposed, this);
        return RunStep();
    }

    /// <summary>Cancels what is in flight and frees the cache; waits for a pass that is running.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            _wake.Set();
        }
        if (_stepping.IsHeldByCurrentThread) return; // called from a callback: the step cleans up when it ends
        _thread?.Join();
        lock (_stepping) CleanUp();
        _wake.Dispose();
    }

    private void Validate(ReadOnlySpan<int> ids, string what, int room)
    {
        int vocabulary = Model.Config.VocabularySize;
        if (ids.IsEmpty)
            throw new UsageException(Invariant($"the {what} has no tokens; begin it with <bos>, id {Model.Config.BosId}"));
        if (ids.Length + room > ContextLength)
        {
            string problem = room > 0 && ids.Length == ContextLength ? "leaves no room for an answer in the context of" : "does not fit into the context of";
            throw new UsageException(Invariant($"the {what} of {ids.Length} tokens {problem} {ContextLength} tokens{Limit()}; shorten it"));
        }
        for (int i = 0; i < ids.Length; i++)
        {
            if ((uint)ids[i] >= (uint)vocabulary)
                throw new UsageException(Invariant($"token {i} of the {what} is id {ids[i]}, which is not in the vocabulary: ids are 0 to {vocabulary - 1}"));
        }
    }

    /// <summary>Why the context is shorter than the model's, where it is.</summary>
    private string Limit() => ContextLength == Model.Config.ContextLength ? ""
        : Invariant($" (the engine's limit; the model's is {Model.Config.ContextLength})");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private void Enqueue(Request request, CancellationToken cancellationToken)
    {
        request.CancelWith(cancellationToken); // before anyone can end it, which forgets the token again
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            request.Adapter?.Acquire();
            _arrived.Add(request);
            _wake.Set();
            if (_options.RunInBackground && _thread is null)
            {
                _thread = new Thread(Run) { IsBackground = true, Name = "gemma engine" };
                _thread.Start();
            }
        }
    }

    private void Run()
    {
        while (true)
        {
            bool more = RunStep();
            if (_disposed) return;
            if (!more) _wake.WaitOne();
        }
    }

    private bool RunStep()
    {
        lock (_stepping)
        {
            try
            {
                Receive();
                List<Request> plan = Scheduler.Next();
                Compute(plan, hidden: false);
                Compute(plan, hidden: true);
            }
            catch (Exception error)
            {
                // Whatever it is, nobody may wait for ever.
                while (Scheduler.Count > 0) Remove(Scheduler.At(0)).Fail(error);
            }
            if (_disposed) CleanUp();
            Count();
            return Scheduler.Count > 0;
        }
    }

    /// <summary>Lets new requests in, and out those that have nothing to compute: cancelled ones, and those that want no token.</summary>
    private void Receive()
    {
        lock (_gate)
        {
            foreach (Request request in _arrived) Scheduler.Add(request);
            _arrived.Clear();
        }
        for (int i = Scheduler.Count - 1; i >= 0; i--)
        {
            Request request = Scheduler.At(i);
            if (request.IsCancelled) Remove(request).CompleteCancelled();
            else if (request is Sequence { MaxTokens: 0 }) Remove(request).Complete();
        }
    }

    /// <summary>One pass with those of the plan that want logits, or those that want hidden states.</summary>
    private void Compute(List<Request> plan, bool hidden)
    {
        _batch.Clear();
        _rows.Clear();
        _pass.Clear();
        foreach (Request request in plan)
            if (request.WantsHidden == hidden) _pass.Add(request);
        if (_pass.Count == 0) return;
        try
        {
            foreach (Request request in _pass) _rows.Add(request.AddTo(_batch));
            // The result is the model's own memory until its next pass.
            lock (Model.Turn)
            {
                long start = Stopwatch.GetTimestamp();
                Matrix values = hidden || _batch.LogitRows.IsEmpty ? Model.Hidden(_batch) : Model.Forward(_batch);
                if (!hidden) Scheduler.Learn(_batch.Count, Stopwatch.GetElapsedTime(start).TotalSeconds);
                HandOut(values);
            }
        }
        catch (Exception error)
        {
            foreach (Request request in _pass) Remove(request).Fail(error);
        }
    }

    private void HandOut(Matrix values)
    {
        int row = 0;
        for (int i = 0; i < _pass.Count; i++)
        {
            Request request = _pass[i];
            int first = row;
            row += _rows[i];
            if (request.IsCancelled) continue; // the next step begins with the cancelled
            try
            {
                bool last = _rows[i] > 0 && request.Take(values, first, _rows[i]);
                if (Prefixes is not null) request.Publish(Prefixes);
                if (last) Remove(request).Complete();
            }
            catch (Exception error)
            {
                Remove(request).Fail(error); // its own affair: a logit that is not a number, a callback that threw
            }
        }
    }

    /// <summary>Frees the request's part of the cache; its caller is told after that.</summary>
    private Request Remove(Request request)
    {
        Scheduler.Remove(request);
        if (request is Sequence sequence && sequence.Length > sequence.PromptTokens) Count(sequence);
        request.Release();
        return request;
    }

    private void Count(Sequence answered)
    {
        lock (_gate)
        {
            _statistics = _statistics with
            {
                Prompts = _statistics.Prompts + 1,
                PrefixHits = _statistics.PrefixHits + (answered.CachedPromptTokens > 0 ? 1 : 0),
                PromptTokens = _statistics.PromptTokens + answered.PromptTokens,
                CachedPromptTokens = _statistics.CachedPromptTokens + answered.CachedPromptTokens,
                GeneratedTokens = _statistics.GeneratedTokens + answered.Length - answered.PromptTokens,
                DraftedTokens = _statistics.DraftedTokens + answered.DraftedTokens,
                AcceptedTokens = _statistics.AcceptedTokens + answered.AcceptedTokens,
            };
        }
    }

    private void Count()
    {
        int pages = Cache.Capacity / KvCache.PageTokens, cached = Prefixes?.UnusedPages ?? 0;
        lock (_gate)
        {
            _statistics = _statistics with
            {
                Running = Scheduler.Running,
                Waiting = Scheduler.Count - Scheduler.Running + _arrived.Count,
                Preemptions = Scheduler.Preemptions,
                Pages = pages,
                UsedPages = pages - Cache.FreePages - cached,
                CachedPages = cached,
            };
        }
    }

    private void CleanUp()
    {
        Receive();
        while (Scheduler.Count > 0) Remove(Scheduler.At(0)).CompleteCancelled();
        Prefixes?.Evict(int.MaxValue);
        Cache.Dispose();
    }
}
