using System.Text.Json;
using CsCheck;
using Gemma.Formats;
using Gemma.Tests.Tokenization;

namespace Gemma.Tests.Formats;

public sealed class TokenMixtureTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();
    private readonly List<TokenShard> _shards = [];

    [Fact]
    public void An_order_has_every_number_once() => Gen.Select(Gen.Long[1, 3000], Gen.ULong).Sample((count, seed) =>
    {
        var order = new ShuffledOrder(count, seed);
        Assert.Equal(Enumerable.Range(0, (int)count).Select(number => (long)number), Enumerable.Range(0, (int)count).Select(place => order[place]).Order());
    }, iter: 200);

    [Fact]
    public void An_order_has_no_order()
    {
        var order = new ShuffledOrder(10_000, 1);
        long[] numbers = [.. Enumerable.Range(0, 10_000).Select(place => order[place])];
        // Of a random order, neighbours are 3,333 apart on average, half of them fall, and the first half holds about half of the small ones.
        Assert.InRange(numbers.Zip(numbers.Skip(1), (a, b) => Math.Abs(a - b)).Average(), 3200, 3470);
        Assert.InRange(numbers.Zip(numbers.Skip(1)).Count(pair => pair.First > pair.Second), 4800, 5200);
        Assert.InRange(numbers.Take(5000).Count(number => number < 5000), 2350, 2650);
        Assert.True(new ShuffledOrder(1L << 40, 3)[1L << 39] is >= 0 and < 1L << 40);
    }

    [Fact]
    public void Shares_of_the_tokens_are_as_the_weights_say_at_any_time()
    {
        TokenMixture mixture = new([Set("a", 3, 6, 40, 20), Set("b", 1, 9, 25)], seed: 7);
        long[] tokens = new long[2];
        for (int i = 0; i < 2000; i++)
        {
            TokenDocument document = mixture.Next();
            tokens[document.Set] += document.Length;
            // Never further off than one document.
            Assert.InRange(tokens[0] / 3.0 - tokens[1], -12, 12);
        }
        Assert.Equal(tokens, mixture.State.Sets.Select(set => set.Tokens));
        Assert.Equal(2000, mixture.State.Sets.Sum(set => set.Documents));
    }

    [Fact]
    public void Every_document_comes_once_before_any_comes_again_in_another_order()
    {
        TokenMixture mixture = new([Set("a", null, 6, 10, 0, 5, 1)], seed: 7);
        string[] Epoch() => [.. Enumerable.Range(0, 16).Select(_ => Name(mixture.Next()))];
        string[] first = Epoch(), second = Epoch();
        Assert.Equal(16, first.Distinct().Count());
        Assert.Equal(first.Order(StringComparer.Ordinal), second.Order(StringComparer.Ordinal));
        Assert.NotEqual(first, second);
        Assert.Equal(2, mixture.State.Sets[0].Epochs);
        TokenMixture other = new([Set("a", null, 6, 10, 0, 5, 1)], seed: 8);
        Assert.NotEqual(first, Enumerable.Range(0, 16).Select(_ => Name(other.Next())));
    }

    [Fact]
    public void Sets_without_weights_end_an_epoch_together()
    {
        TokenMixture mixture = new([Set("a", null, 5, 30), Set("b", null, 5, 7)], seed: 1);
        for (int i = 0; i < 37; i++) mixture.Next();
        Assert.Equal([1, 1], mixture.State.Sets.Select(set => set.Epochs));
    }

    [Fact]
    public void A_run_goes_on_with_the_document_that_would_have_come_next() => Gen.Int[0, 300].Sample(seen =>
    {
        TokenSet[] sets = [Set("a", 2, 6, 11), Set("b", 1, 9, 3)];
        TokenMixture whole = new(sets, seed: 3), before = new(sets, seed: 3), after = new(sets, seed: 3);
        for (int i = 0; i < seen; i++) Assert.Equal(whole.Next(), before.Next());
        after.Restore(JsonSerializer.Deserialize<TokenMixtureState>(JsonSerializer.Serialize(before.State))!);
        for (int i = 0; i < 50; i++) Assert.Equal(whole.Next(), after.Next());
        Assert.Equal(JsonSerializer.Serialize(whole.State), JsonSerializer.Serialize(after.State));
    }, iter: 20, threads: 1);

    [Fact]
    public void Ids_of_a_document_are_read_in_parts()
    {
        TokenMixture mixture = new([Set("a", null, 6, 1)], seed: 3);
        TokenDocument document = mixture.Next();
        int[] ids = new int[document.Length];
        document.Read(0, ids);
        int[] part = new int[document.Length - 1];
        document.Read(1, part);
        Assert.Equal(ids[1..], part);
        Assert.Throws<ArgumentOutOfRangeException>(() => document.Read(2, part));
    }

    [Fact]
    public void Other_data_is_no_resumption()
    {
        TokenSet a = Set("a", 2, 6, 11), b = Set("b", 1, 9, 3);
        TokenMixtureState state = new TokenMixture([a, b], seed: 3).State;
        void Refused(string expected, ulong seed, params TokenSet[] sets) =>
            Assert.Contains(expected, Assert.Throws<UsageException>(() => new TokenMixture(sets, seed).Restore(state)).Message, StringComparison.Ordinal);
        Refused("seed: expected 3, found 4", 4, a, b);
        Refused("sets: expected 2, found 1", 3, a);
        Refused("set 1: expected a, found b", 3, b, a);
        Refused("weight of b: expected 1, found 5", 3, a, b with { Weight = 5 });
        Refused("documents of b: expected", 3, a, Set("b", 1, 9, 4));
    }

    [Fact]
    public void What_cannot_be_mixed_is_said()
    {
        TokenSet a = Set("a", 2, 6, 11);
        static void Refused(string expected, params TokenSet[] sets) => Assert.Contains(expected, Assert.Throws<UsageException>(() => new TokenMixture(sets, 1)).Message, StringComparison.Ordinal);
        Refused("nothing to mix");
        Refused("a: two sets have this name", a, a);
        Refused("a: expected a weight above 0, found 0", a with { Weight = 0 });
        Refused("b: expected a weight for all sets or for none", a, Set("b", null, 5, 1));
        Refused("b: expected documents, found none", a, Set("b", 1, 5, 0));
        string path = _temporary["gemma.tokens"];
        TokenShardTests.Write(path, Vocabularies.Gemma.Model, TokenShardMarks.None, [1]);
        _shards.Add(TokenShard.Open(path));
        Refused("gemma.tokens: expected ids of the same tokenizer", a, new TokenSet("b", [_shards[^1]], 1));
    }

    public void Dispose()
    {
        foreach (TokenShard shard in _shards) shard.Dispose();
        _temporary.Dispose();
    }

    /// <summary>Shards of so many documents, each of 1 to <paramref name="longest"/> tokens.</summary>
    private TokenSet Set(string name, double? weight, int longest, params int[] documents)
    {
        List<TokenShard> shards = [];
        foreach (int count in documents)
        {
            string path = _temporary[FormattableString.Invariant($"{name}{_shards.Count}.tokens")];
            TokenShardTests.Write(path, Vocabularies.Tiny.Model, TokenShardMarks.None, [.. Enumerable.Range(0, count).Select(i => Enumerable.Range(i, 1 + i * 7 % longest).ToArray())]);
            shards.Add(TokenShard.Open(path));
            _shards.Add(shards[^1]);
        }
        return new TokenSet(name, [.. shards], weight);
    }

    private static string Name(TokenDocument document) => FormattableString.Invariant($"{document.Shard.ContentHash}:{document.Shard.DocumentCount} {document.Start}");
}
