using System.Globalization;
using Gemma.Formats;
using Gemma.Tokenization;

namespace Gemma.Data;

/// <summary>Shards of bounded size, one after the other.</summary>
internal sealed class ShardSeries(string folder, SentencePieceModel tokenizer, TokenizeOptions options) : IDisposable
{
    private readonly List<ShardReceipt> _written = [];
    private TokenShardWriter? _current;

    public void Add(ReadOnlySpan<int> ids)
    {
        if (_current?.ByteCount >= options.ShardBytes) End();
        _current ??= TokenShardWriter.Create(Path.Combine(folder, Name(_written.Count)), tokenizer, options.Marks);
        _current.Add(ids);
    }

    /// <summary>Ends the last one.</summary>
    public IReadOnlyList<ShardReceipt> Finish()
    {
        End();
        return _written;
    }

    public void Dispose() => _current?.Dispose();

    private void End()
    {
        if (_current is null) return;
        using TokenShardWriter shard = _current;
        _current = null;
        long bytes = shard.ByteCount;
        _written.Add(new ShardReceipt(Name(_written.Count), shard.DocumentCount, shard.TokenCount, bytes, shard.Finish()));
    }

    private static string Name(int number) => number.ToString("00000", CultureInfo.InvariantCulture) + TokenShard.Extension;
}
