using CsCheck;
using Gemma.Generation;
using Gemma.Tests.Model;

namespace Gemma.Tests.Generation;

/// <summary>The tree by itself, beside a model of it that any reader can check: a dictionary from what stands on a page and before it.</summary>
public class PrefixCacheTests
{
    private const int Capacity = 24;

    private enum Act
    {
        Open,
        Compute,
        Close,
        Evict,
    }

    private readonly record struct Deed(Act Act, int Choice, int Text, int Amount);

    // Texts are numbers whose digits to the base 3 are the contents of their pages, so that many begin alike.
    private static readonly Gen<Deed> Deeds = Gen.Select(Gen.OneOf(Act.Open, Act.Open, Act.Compute, Act.Compute, Act.Compute, Act.Close, Act.Evict),
        Gen.Int[0, 1000], Gen.Int[0, 728], Gen.Int[1, 100], (act, choice, text, amount) => new Deed(act, choice, text, amount));

    [Fact]
    public unsafe void The_tree_does_what_a_dictionary_would_and_neither_loses_nor_lends_a_page_twice() => Deeds.Array[1, 150].Sample(deeds =>
    {
        using var cache = new KvCache(Config(), KvType.BFloat16, Capacity * KvCache.PageTokens);
        var prefixes = new PrefixCache(cache);
        var naive = new NaiveTree();
        List<Open> open = [];
        foreach (Deed deed in deeds)
        {
            switch (deed.Act)
            {
                case Act.Open:
                    Open opened = new(cache.CreateSequence(), deed.Choice % 4 == 0 ? "other" : null, Ids(deed.Text, deed.Amount));
                    prefixes.Extend(opened.Cache, opened.Ids, new PrefixScope(opened.Salt));
                    opened.Shared = naive.Extend(opened.Salt, opened.Ids);
                    Assert.Equal(opened.Shared * KvCache.PageTokens, opened.Cache.Length);
                    open.Add(opened);
                    break;

                case Act.Compute when open.Count > 0:
                    Open computed = open[deed.Choice % open.Count];
                    int count = Math.Min(deed.Amount, computed.Ids.Length - computed.Cache.Length);
                    int pages = Pages(computed.Cache.Length + count) - Pages(computed.Cache.Length), free = cache.FreePages;
                    if (pages > free + prefixes.UnusedPages) break;
                    prefixes.Evict(pages - free);
                    naive.Evict(pages - free);
                    computed.Cache.Reserve(count);
                    for (int page = computed.Shared; page < computed.Cache.Length / KvCache.PageTokens; page++)
                        *(long*)cache.Page(computed.Cache.Pages[page]) = Mark(computed, page);
                    prefixes.Publish(computed.Cache, computed.Ids, new PrefixScope(computed.Salt));
                    for (; computed.Shared < computed.Cache.Length / KvCache.PageTokens; computed.Shared++) naive.Use(computed.Salt, computed.Ids, computed.Shared + 1);
                    break;

                case Act.Close when open.Count > 0:
                    Close(open[deed.Choice % open.Count]);
                    break;

                case Act.Evict:
                    prefixes.Evict(deed.Amount % 5);
                    naive.Evict(deed.Amount % 5);
                    break;
            }
            Assert.Equal(naive.Pages, prefixes.Pages);
            Assert.Equal(naive.Unused, prefixes.UnusedPages);
            Assert.Equal(Capacity, cache.FreePages + prefixes.Pages + open.Sum(sequence => Pages(sequence.Cache.Length) - sequence.Shared));
            foreach (Open sequence in open)
            {
                Assert.Equal(sequence.Shared, sequence.Cache.SharedPages);
                for (int page = 0; page < sequence.Cache.Length / KvCache.PageTokens; page++)
                    Assert.Equal(Mark(sequence, page), *(long*)cache.Page(sequence.Cache.Pages[page]));
            }
        }
        while (open.Count > 0) Close(open[^1]);
        Assert.Equal(prefixes.Pages, prefixes.UnusedPages);
        prefixes.Evict(int.MaxValue);
        Assert.Equal((0, Capacity), (prefixes.Pages, cache.FreePages));

        void Close(Open closed)
        {
            closed.Cache.Dispose();
            naive.Release(closed.Salt, closed.Ids, closed.Shared);
            open.Remove(closed);
        }
    }, seed: "0000000000002", iter: 300, threads: 1);

    [Fact]
    public void A_page_that_another_sequence_computed_meanwhile_is_kept_once()
    {
        using var cache = new KvCache(Config(), KvType.BFloat16, Capacity * KvCache.PageTokens);
        var prefixes = new PrefixCache(cache);
        int[] ids = Ids(0, 10);
        using KvSequence one = cache.CreateSequence(), two = cache.CreateSequence();
        foreach (KvSequence sequence in (KvSequence[])[one, two])
        {
            sequence.Reserve(70);
            prefixes.Publish(sequence, ids, default);
        }
        Assert.Equal(one.Pages[..2], two.Pages[..2]);
        Assert.NotEqual(one.Pages[2], two.Pages[2]); // not full yet
        Assert.Equal(Capacity - 4, cache.FreePages);
    }

    private static int Pages(int positions) => (positions + KvCache.PageTokens - 1) / KvCache.PageTokens;

    private static GemmaConfig Config()
    {
        using GemmaModel model = Golden.Load("gemma1-mqa");
        return model.Config;
    }

    /// <summary>Six pages and the beginning of a seventh.</summary>
    private static int[] Ids(int text, int rest)
    {
        List<int> ids = [];
        for (int page = 0; page < 6; page++, text /= 3) ids.AddRange(Enumerable.Repeat(text % 3, KvCache.PageTokens));
        ids.AddRange(Enumerable.Repeat(7, rest % KvCache.PageTokens));
        return [.. ids];
    }

    private static long Mark(Open sequence, int page) => NaiveTree.Path(sequence.Salt, sequence.Ids, page + 1).GetHashCode(StringComparison.Ordinal);

    private sealed record Open(KvSequence Cache, string? Salt, int[] Ids)
    {
        public int Shared { get; set; }
    }

    private sealed class NaiveTree
    {
        private readonly Dictionary<string, (int Users, long LastUse)> _pages = [];
        private long _clock;

        public int Pages => _pages.Count;

        public int Unused => _pages.Count(page => page.Value.Users == 0);

        public static string Path(string? salt, int[] ids, int pages) => $"{salt}:{string.Join(',', ids[..(pages * KvCache.PageTokens)])}";

        /// <summary>Pages found and used; one id stays to be computed.</summary>
        public int Extend(string? salt, int[] ids)
        {
            int pages = 0;
            while ((pages + 1) * KvCache.PageTokens < ids.Length && _pages.ContainsKey(Path(salt, ids, pages + 1))) Use(salt, ids, ++pages);
            return pages;
        }

        public void Use(string? salt, int[] ids, int pages)
        {
            string path = Path(salt, ids, pages);
            (int users, long lastUse) = _pages.GetValueOrDefault(path);
            _pages[path] = (users + 1, lastUse);
        }

        public void Release(string? salt, int[] ids, int pages)
        {
            for (; pages > 0; pages--)
            {
                string path = Path(salt, ids, pages);
                int users = _pages[path].Users - 1;
                Assert.True(users >= 0);
                _pages[path] = (users, ++_clock);
            }
        }

        public void Evict(int count)
        {
            for (; count > 0 && Unused > 0; count--) _pages.Remove(_pages.Where(page => page.Value.Users == 0).MinBy(page => page.Value.LastUse).Key);
        }
    }
}
