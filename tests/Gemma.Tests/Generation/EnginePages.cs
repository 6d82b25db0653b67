using Gemma.Generation;

namespace Gemma.Tests.Generation;

/// <summary>Where an engine's pages are when nothing is in flight.</summary>
internal static class EnginePages
{
    /// <summary>Every page is free or kept for nobody in particular, and giving those up frees every page.</summary>
    public static void AssertNoneInUse(Engine engine)
    {
        int pages = engine.Cache.Capacity / KvCache.PageTokens, kept = engine.Prefixes?.UnusedPages ?? 0;
        Assert.Equal(engine.Prefixes?.Pages ?? 0, kept);
        Assert.Equal(pages, engine.Cache.FreePages + kept);
    }
}
