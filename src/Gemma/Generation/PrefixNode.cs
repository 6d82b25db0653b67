namespace Gemma.Generation;

/// <summary>A page of the prefix cache: the keys and values of 32 ids after all those above it in the tree.</summary>
internal sealed class PrefixNode
{
    public PrefixNode() => Entry = new LinkedListNode<PrefixNode>(this);

    public required PrefixCache Owner { get; init; }

    /// <summary>The page before it; null at the beginning of a text.</summary>
    public PrefixNode? Parent { get; set; }

    /// <summary>Whose page it is. That of its parent, if it has one.</summary>
    public PrefixScope Scope { get; set; }

    public int[] Ids { get; } = new int[KvCache.PageTokens];

    /// <summary>Of the ids and of all that stands before them.</summary>
    public int Hash { get; set; }

    /// <summary>Where in the <see cref="KvCache"/> it is.</summary>
    public int Page { get; set; }

    /// <summary>Pages from the beginning to this one.</summary>
    public int Depth { get; set; }

    /// <summary>Sequences that use this page. Whoever uses it uses its parents as well.</summary>
    public int References { get; set; }

    /// <summary>Its place among the unused pages, in no list while it is in use.</summary>
    public LinkedListNode<PrefixNode> Entry { get; }
}

/// <summary>Who shares pages: requests with one salt, and with one adapter, without which the same ids have other keys and values.</summary>
/// <param name="Salt">See <see cref="GenerationOptions.CacheSalt"/>.</param>
/// <param name="Adapter"><see cref="GemmaAdapter.Id"/>, or 0 for none.</param>
internal readonly record struct PrefixScope(string? Salt, long Adapter = 0);
