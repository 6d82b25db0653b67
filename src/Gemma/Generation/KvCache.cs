using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Gemma.Generation;

/// <summary>How keys and values are kept.</summary>
public enum KvType
{
    BFloat16,
    Float32,
}

/// <summary>No page is left for more positions.</summary>
public sealed class CacheFullException(string message) : GemmaException(message);

/// <summary>
/// The keys and values of all sequences, in pages of <see cref="PageTokens"/> positions. A page holds every layer, so that giving a sequence room is one
/// decision. Memory is taken page by page as sequences grow, up to the limit.
/// </summary>
/// <remarks>
/// [layer][key | value][head], then a head's 32 positions as panels of sixteen, as weights are packed (see <c>PackedWeights</c>), so that attention is the same
/// matrix product: keys are two panels [head dimension][16 positions] (bf16: pairs along the head dimension), values are panels [32 positions][16 of the head
/// dimension] (bf16: pairs along the positions).
/// </remarks>
public sealed unsafe class KvCache : IDisposable
{
    public const int PageTokens = 32;
    private readonly Lock _lock = new();
    private readonly nint[] _pages;
    private readonly Stack<int> _free = new();
    private int _allocated;
    private bool _disposed;

    /// <param name="config">The model whose keys and values are kept.</param>
    /// <param name="type">Element type.</param>
    /// <param name="capacity">Positions of all sequences together; rounded up to whole pages.</param>
    public KvCache(GemmaConfig config, KvType type, int capacity)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        Type = type;
        ElementSize = type == KvType.Float32 ? 4 : 2;
        HeadStride = (nint)PageTokens * config.HeadDimension * ElementSize;
        ValueOffset = HeadStride * config.KeyValueHeadCount;
        LayerStride = 2 * ValueOffset;
        PageBytes = LayerStride * config.LayerCount;
        _pages = new nint[(capacity + PageTokens - 1) / PageTokens];
    }

    public KvType Type { get; }

    /// <summary>Bytes of one page.</summary>
    public long PageBytes { get; }

    /// <summary>Positions this cache may hold.</summary>
    public int Capacity => _pages.Length * PageTokens;

    /// <summary>Pages that hold nothing: neither a sequence's positions nor what an engine keeps for requests to come.</summary>
    public int FreePages
    {
        get
        {
            lock (_lock) return _free.Count + _pages.Length - _allocated;
        }
    }

    internal int ElementSize { get; }

    /// <summary>Bytes from one head's positions to the next head's.</summary>
    internal nint HeadStride { get; }

    /// <summary>Bytes from a layer's keys to its values.</summary>
    internal nint ValueOffset { get; }

    internal nint LayerStride { get; }

    public KvSequence CreateSequence() => new(this);

    internal byte* Page(int page) => (byte*)_pages[page];

    internal int TakePage()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_free.TryPop(out int page))
            {
                // Positions that are not written yet count as weight 0 times what lies there, which must be finite.
                NativeMemory.Clear((void*)_pages[page], (nuint)PageBytes);
                return page;
            }
            if (_allocated == _pages.Length)
                throw new CacheFullException($"the key-value cache is full: {Capacity} positions are in use; wait for other sequences or give the engine a larger cache");
            _pages[_allocated] = (nint)NativeMemory.AlignedAlloc((nuint)PageBytes, 64);
            NativeMemory.Clear((void*)_pages[_allocated], (nuint)PageBytes);
            return _allocated++;
        }
    }

    internal void ReturnPage(int page)
    {
        lock (_lock) _free.Push(page);
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed) return;
            _disposed = true;
            for (int i = 0; i < _allocated; i++) NativeMemory.AlignedFree((void*)_pages[i]);
        }
    }
}

/// <summary>One sequence's part of a <see cref="KvCache"/>: which pages hold its positions.</summary>
public sealed class KvSequence : IDisposable
{
    private readonly List<int> _pages = [];

    internal KvSequence(KvCache cache) => Cache = cache;

    public KvCache Cache { get; }

    /// <summary>Positions reserved so far.</summary>
    public int Length { get; private set; }

    internal ReadOnlySpan<int> Pages => CollectionsMarshal.AsSpan(_pages);

    /// <summary>The last of the pages that belong to a prefix cache and may serve other sequences too: the first <see cref="SharedPages"/>, which are full.</summary>
    internal PrefixNode? Prefix { get; private set; }

    internal int SharedPages => Prefix?.Depth ?? 0;

    /// <summary>Makes room for more positions, or throws <see cref="CacheFullException"/> and leaves the sequence as it was.</summary>
    public void Reserve(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        int before = _pages.Count;
        try
        {
            while (_pages.Count * KvCache.PageTokens < Length + count) _pages.Add(Cache.TakePage());
        }
        catch (CacheFullException)
        {
            DropPages(before);
            throw;
        }
        Length += count;
    }

    /// <summary>Uses a page of the prefix cache: as the next one, or instead of one of its own that holds the same.</summary>
    internal void Share(PrefixNode node)
    {
        Debug.Assert(node.Parent == Prefix, "shared pages stand one after another from the beginning");
        int at = SharedPages;
        if (at == _pages.Count)
        {
            _pages.Add(node.Page);
            Length += KvCache.PageTokens;
        }
        else if (_pages[at] != node.Page)
        {
            Cache.ReturnPage(_pages[at]);
            _pages[at] = node.Page;
        }
        node.Owner.Acquire(node);
        Prefix = node;
    }

    /// <summary>Forgets all positions from <paramref name="length"/> on.</summary>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Debug.Assert(length >= SharedPages * KvCache.PageTokens || length % KvCache.PageTokens == 0, "what others may use is not written again");
        Length = length;
        DropPages((length + KvCache.PageTokens - 1) / KvCache.PageTokens);
    }

    public void Dispose() => Truncate(0);

    private void DropPages(int keep)
    {
        for (int i = _pages.Count - 1; i >= keep; i--)
        {
            if (i < SharedPages)
            {
                PrefixNode node = Prefix!;
                Prefix = node.Parent;
                node.Owner.Release(node);
            }
            else
            {
                Cache.ReturnPage(_pages[i]);
            }
        }
        _pages.RemoveRange(keep, _pages.Count - keep);
    }
}
