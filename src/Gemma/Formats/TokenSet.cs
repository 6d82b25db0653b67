using System.Collections.Immutable;

namespace Gemma.Formats;

/// <summary>One source of a <see cref="TokenMixture"/>.</summary>
/// <param name="Name">What receipts call it.</param>
/// <param name="Shards">Its documents; whoever opened the shards disposes them.</param>
/// <param name="Weight">Its share of the tokens, beside the other sets' weights; null is as many as it has, so that all sets without a weight end an epoch together.</param>
public sealed record TokenSet(string Name, ImmutableArray<TokenShard> Shards, double? Weight = null)
{
    /// <summary>Opens a shard, or all shards of a folder in the order of their names; the set is called like the path.</summary>
    /// <param name="verify">See <see cref="TokenShard.Open"/>.</param>
    /// <exception cref="GemmaException">There is none, or one is damaged.</exception>
    public static TokenSet Open(string path, double? weight = null, bool verify = true)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path)) return new TokenSet(path, [TokenShard.Open(path, verify)], weight);
        string[] files = [.. Directory.GetFiles(path, "*" + TokenShard.Extension).Order(StringComparer.Ordinal)];
        if (files.Length == 0) throw new GemmaException($"{path}: expected {TokenShard.Extension} files, found none; make them with gemma data tokenize");
        List<TokenShard> shards = [];
        try
        {
            foreach (string file in files) shards.Add(TokenShard.Open(file, verify));
        }
        catch
        {
            foreach (TokenShard shard in shards) shard.Dispose();
            throw;
        }
        return new TokenSet(path, [.. shards], weight);
    }
}
