namespace Gemma.Generation;

/// <summary>
/// Who runs next. Requests stand in the order they came in; the first of them run, which is to say that they hold part of the cache, and the others wait.
/// Nobody overtakes: the next one in line is let in when its ids fit, and when the cache runs out the last one let in gives its part back and computes it
/// again later. So the oldest request always gets on, and every other becomes the oldest. What the prefix cache keeps for nobody in particular goes before that.
/// </summary>
internal sealed class Scheduler(KvCache cache, PrefixCache? prefixes, EngineOptions options)
{
    /// <summary>Most rows of a pass that requests for logits of every position and drafts take: 64 rows of Gemma's 256,000 logits are 66 MB.</summary>
    public const int LogitRows = 64;

    /// <summary>A prompt's part of a pass is not made smaller than this for the sake of others: all would have to wait longer.</summary>
    private const int SmallestChunk = 32;

    private readonly List<Request> _requests = [];
    private readonly List<Request> _plan = [];
    private readonly int _maxRunning = Math.Min(options.MaxSequences, options.MaxBatchTokens);
    private readonly PassTime _time = new();
    private int _tokensLeft, _rowsLeft;

    /// <summary>Requests that hold part of the cache.</summary>
    public int Running { get; private set; }

    /// <summary>Requests that run or wait.</summary>
    public int Count => _requests.Count;

    /// <summary>How often a request had to give its part of the cache back.</summary>
    public int Preemptions { get; private set; }

    /// <summary>Pages there are for sequences that grow.</summary>
    private int AvailablePages => cache.FreePages + (prefixes?.UnusedPages ?? 0);

    public void Add(Request request) => _requests.Add(request);

    /// <summary>Takes a request out and frees its part of the cache.</summary>
    public void Remove(Request request)
    {
        int at = _requests.IndexOf(request);
        if (at < 0) return;
        _requests.RemoveAt(at);
        if (at < Running) Running--;
        request.Cache.Dispose();
    }

    public Request At(int index) => _requests[index];

    /// <summary>
    /// Chooses the ids of the next pass, <see cref="Request.Planned"/> of each request returned: one of each that is being answered, the rest of the pass for
    /// prompts. There is room in the cache for all of them. Empty only where there is no request.
    /// </summary>
    public List<Request> Next()
    {
        Admit();
        Share();
        MakeRoom();
        _plan.Clear();
        for (int i = 0; i < Running; i++)
            if (_requests[i].Planned > 0) _plan.Add(_requests[i]);
        return _plan;
    }

    private void Admit()
    {
        while (Running < _requests.Count && Running < _maxRunning)
        {
            Request next = _requests[Running];
            if (prefixes is not null) next.Extend(prefixes);
            // A page ahead for each, or the one let in would soon have to go again.
            int promised = Pages(next.Length + 1) - Pages(next.Cache.Length);
            for (int i = 0; i < Running; i++) promised += Pages(_requests[i].Length + KvCache.PageTokens) - Pages(_requests[i].Cache.Length);
            if (Running > 0 && promised > AvailablePages)
            {
                next.Cache.Truncate(0); // who waits holds nothing
                return;
            }
            Running++;
        }
    }

    private void Share()
    {
        _tokensLeft = options.MaxBatchTokens;
        _rowsLeft = LogitRows;
        int prompts = 0, answers = 0;
        for (int i = 0; i < Running; i++)
        {
            Request request = _requests[i];
            request.Planned = request.Remaining == 1 ? 1 : 0;
            request.Waits = request.Planned == 0 && WaitsForOlder(i);
            if (request.Planned == 0 && !request.Waits) prompts++;
            else if (request.Planned == 1 && request is Sequence) answers++;
            _tokensLeft -= request.Planned;
        }
        if (prompts > 0)
        {
            if (answers > 0) _tokensLeft = Math.Min(_tokensLeft, options.PrefillChunk);
            Hand(Math.Max(SmallestChunk, _tokensLeft / prompts)); // to each the same,
            Hand(_tokensLeft); // and what some did not need to the oldest
        }
        Draft();
    }

    /// <summary>What room is left goes to guesses of what follows in the answers, the oldest first.</summary>
    private void Draft()
    {
        int room = options.MaxBatchTokens, answers = 0;
        for (int i = 0; i < Running; i++)
        {
            room -= _requests[i].Planned;
            if (_requests[i] is Sequence { Remaining: 1, Planned: 1 }) answers++;
        }
        for (int i = 0; i < Running; i++)
        {
            Request request = _requests[i];
            request.DropDraft();
            if (request.Remaining != 1 || request.Planned != 1) continue;
            // The row of the token itself counts: its logits take memory like the others.
            request.Draft(Math.Min(room, _rowsLeft - 1), _time, answers);
            if (request.Drafted == 0) continue;
            room -= request.Drafted;
            _rowsLeft -= request.Drafted + 1;
        }
    }

    /// <summary>Learns how long the pass took that was planned last.</summary>
    public void Learn(int rows, double seconds)
    {
        if (rows <= PassTime.MostRows && _plan.TrueForAll(static request => request.Planned == 1)) _time.Add(rows, seconds);
    }

    /// <summary>Lets a prompt take over what others have computed meanwhile, and tells whether an older one is computing what it needs next.</summary>
    private bool WaitsForOlder(int at)
    {
        if (prefixes is null) return false;
        _requests[at].Extend(prefixes);
        for (int i = 0; i < at; i++)
            if (_requests[at].WaitsFor(_requests[i])) return true;
        return false;
    }

    /// <summary>Up to this many more tokens for each prompt, as long as there are any.</summary>
    private void Hand(int most)
    {
        for (int i = 0; i < Running; i++)
        {
            Request request = _requests[i];
            if (request.Waits) continue;
            int part = Math.Min(Math.Min(most, _tokensLeft), request.Remaining - request.Planned);
            if (request.WantsAllRows) _rowsLeft -= part = Math.Min(part, _rowsLeft);
            request.Planned += part;
            _tokensLeft -= part;
        }
    }

    private void MakeRoom()
    {
        int needed = 0;
        for (int i = 0; i < Running; i++) needed += PagesToAdd(_requests[i]);
        for (int i = Running - 1; i >= 0 && needed > AvailablePages; i--)
        {
            // A guess is worth nobody's page.
            needed -= PagesToAdd(_requests[i]);
            _requests[i].DropDraft();
            needed += PagesToAdd(_requests[i]);
        }
        while (needed > AvailablePages)
        {
            Request last = _requests[--Running];
            needed -= PagesToAdd(last);
            last.Planned = 0;
            last.Cache.Truncate(0);
            Preemptions++;
        }
        prefixes?.Evict(needed - cache.FreePages);
    }

    private static int PagesToAdd(Request request) => Pages(request.Cache.Length + request.Planned + request.Drafted) - Pages(request.Cache.Length);

    private static int Pages(int positions) => (positions + KvCache.PageTokens - 1) / KvCache.PageTokens;
}
