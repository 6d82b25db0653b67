using System.Diagnostics;

namespace Gemma.Generation;

/// <summary>
/// The full pages of sequences that run or have run, by the ids they hold: a radix tree whose edges are whole pages. A sequence that begins as another did
/// takes its pages over instead of computing them. A sequence has the same bits whatever is beside it, so what is taken over is what would have been computed.
/// </summary>
/// <remarks>
/// A page in the tree belongs to the tree; sequences use it, and count as its references. Pages nobody uses stay until there is need of them, and are given up
/// the least recently used first, a page never before those below it. Belongs to one thread at a time: the one that steps the engine.
/// </remarks>
internal sealed class PrefixCache(KvCache cache)
{
    private const int PageTokens = KvCache.PageTokens;

    private readonly HashSet<PrefixNode> _nodes = new(new Comparer());

    // The least recently used first. A sequence lets go of its last page first, so that every page stands behind those below it in the tree.
    private readonly LinkedList<PrefixNode> _unused = [];

    // Nodes that were given up serve again: a cache that is full allocates nothing.
    private readonly Stack<PrefixNode> _spare = new();

    /// <summary>Pages in the tree.</summary>
    public int Pages => _nodes.Count;

    /// <summary>Pages in the tree that no sequence uses: what <see cref="Evict"/> can free.</summary>
    public int UnusedPages => _unused.Count;

    /// <summary>Lets a sequence take over the pages of the ids that come next, as far as they are here. At least one id is left to compute, as its logits
    /// are wanted. A sequence that has begun a page of its own first fills it.</summary>
    public void Extend(KvSequence sequence, ReadOnlySpan<int> ids, PrefixScope scope)
    {
        if (sequence.Length != sequence.SharedPages * PageTokens) return;
        while (sequence.Length + PageTokens < ids.Length
            && Find(sequence.Prefix, scope, ids.Slice(sequence.Length, PageTokens)) is PrefixNode node) sequence.Share(node);
    }

    /// <summary>Takes the pages that a sequence has filled into the tree. Where the tree has a page already, the sequence uses that one and frees its own.</summary>
    public void Publish(KvSequence sequence, ReadOnlySpan<int> ids, PrefixScope scope)
    {
        while ((sequence.SharedPages + 1) * PageTokens <= sequence.Length)
        {
            int at = sequence.SharedPages;
            ReadOnlySpan<int> page = ids.Slice(at * PageTokens, PageTokens);
            sequence.Share(Find(sequence.Prefix, scope, page) ?? Add(sequence.Prefix, scope, page, sequence.Pages[at]));
        }
    }

    /// <summary>Frees up to this many unused pages.</summary>
    public void Evict(int count)
    {
        for (; count > 0 && _unused.First is LinkedListNode<PrefixNode> entry; count--)
        {
            PrefixNode node = entry.Value;
            _unused.Remove(entry);
            _nodes.Remove(node);
            cache.ReturnPage(node.Page);
            (node.Parent, node.Scope) = (null, default);
            _spare.Push(node);
        }
    }

    /// <summary>Notes that one more sequence, which uses the page's parents already, uses it.</summary>
    public void Acquire(PrefixNode node)
    {
        Debug.Assert(node.Parent is null || node.Parent.References > 0, "who uses a page uses its parents");
        if (node.References++ == 0 && node.Entry.List is not null) _unused.Remove(node.Entry);
    }

    /// <summary>Notes that a sequence that uses no page below this one uses it no longer.</summary>
    public void Release(PrefixNode node)
    {
        Debug.Assert(node.References > 0, "a page is let go of as often as it was taken");
        if (--node.References == 0) _unused.AddLast(node.Entry);
    }

    private PrefixNode? Find(PrefixNode? parent, PrefixScope scope, ReadOnlySpan<int> ids) =>
        _nodes.GetAlternateLookup<Key>().TryGetValue(new Key(parent, scope, ids), out PrefixNode? node) ? node : null;

    private PrefixNode Add(PrefixNode? parent, PrefixScope scope, ReadOnlySpan<int> ids, int page)
    {
        if (!_spare.TryPop(out PrefixNode? node)) node = new PrefixNode { Owner = this };
        (node.Parent, node.Scope, node.Page, node.Depth) = (parent, scope, page, (parent?.Depth ?? 0) + 1);
        node.Hash = new Key(parent, scope, ids).Hash;
        ids.CopyTo(node.Ids);
        _nodes.Add(node);
        return node;
    }

    /// <summary>A page by what it holds and what stands before it.</summary>
    private readonly ref struct Key
    {
        public Key(PrefixNode? parent, PrefixScope scope, ReadOnlySpan<int> ids)
        {
            Parent = parent;
            Scope = scope;
            Ids = ids;
            // Seeded afresh in every process, so that nobody can prepare prompts whose pages collide.
            var hash = new HashCode();
            if (parent is null) hash.Add(scope);
            else hash.Add(parent.Hash);
            foreach (int id in ids) hash.Add(id);
            Hash = hash.ToHashCode();
        }

        public PrefixNode? Parent { get; }

        public PrefixScope Scope { get; }

        public ReadOnlySpan<int> Ids { get; }

        public int Hash { get; }
    }

    private sealed class Comparer : IEqualityComparer<PrefixNode>, IAlternateEqualityComparer<Key, PrefixNode>
    {
        public bool Equals(Key key, PrefixNode node) => key.Hash == node.Hash && key.Parent == node.Parent
            && (key.Parent is not null || key.Scope == node.Scope) && key.Ids.SequenceEqual(node.Ids);

        public bool Equals(PrefixNode? left, PrefixNode? right) => ReferenceEquals(left, right);

        public int GetHashCode(Key key) => key.Hash;

        public int GetHashCode(PrefixNode node) => node.Hash;

        public PrefixNode Create(Key key) => throw new NotSupportedException("a page is added with its place in the cache");
    }
}
