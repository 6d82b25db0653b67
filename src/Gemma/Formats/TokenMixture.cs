using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Gemma.Formats;

/// <summary>
/// Documents of several sets without end, in an order that the seed decides. The next document is of the set that is furthest behind its share of the tokens, so
/// the shares hold at any time, to a document; within a set every document comes once before any comes again, in another order each time. The same sets, weights and
/// seed give the same documents; with <see cref="State"/> saved and <see cref="Restore"/> a run goes on with the document that would have come next.
/// Belongs to one thread at a time.
/// </summary>
public sealed class TokenMixture
{
    private readonly Source[] _sources;

    /// <param name="sets">At least one; each with a document, all of one tokenizer.</param>
    /// <param name="seed">Decides the order.</param>
    /// <exception cref="UsageException">The sets cannot be mixed; the message says why.</exception>
    public TokenMixture(IEnumerable<TokenSet> sets, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(sets);
        Sets = [.. sets];
        Seed = seed;
        Check();
        _sources = [.. Sets.Select((set, index) => new Source(set, seed, index))];
    }

    public ImmutableArray<TokenSet> Sets { get; }

    public ulong Seed { get; }

    /// <summary>How far it is: saved with a checkpoint, and the receipt at the end.</summary>
    public TokenMixtureState State => new(Seed, [.. _sources.Select(source => source.State)]);

    /// <summary>The next document.</summary>
    public TokenDocument Next()
    {
        int next = 0;
        for (int i = 1; i < _sources.Length; i++)
            if (_sources[i].Progress < _sources[next].Progress) next = i;
        return _sources[next].Take(next);
    }

    /// <summary>Goes to where another mixture of the same sets, weights and seed was.</summary>
    /// <exception cref="UsageException">It was of other sets, weights or another seed; the message says what differs.</exception>
    public void Restore(TokenMixtureState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state.Seed != Seed) throw Other("seed", $"{state.Seed}", $"{Seed}");
        if (state.Sets.Length != Sets.Length) throw Other("sets", $"{state.Sets.Length}", $"{Sets.Length}");
        for (int i = 0; i < _sources.Length; i++)
        {
            TokenSetState was = state.Sets[i], now = _sources[i].State;
            if (was.Name != now.Name) throw Other(FormattableString.Invariant($"set {i + 1}"), was.Name, now.Name);
            if (was.Content != now.Content) throw Other($"documents of {now.Name}", was.Content, now.Content);
            if (was.Weight != now.Weight) throw Other($"weight of {now.Name}", FormattableString.Invariant($"{was.Weight}"), FormattableString.Invariant($"{now.Weight}"));
            if (was.Documents < 0 || was.Tokens < was.Documents) throw Other($"position in {now.Name}", "at least a token for each document", FormattableString.Invariant($"{was.Tokens}"));
        }
        for (int i = 0; i < _sources.Length; i++) _sources[i].Go(state.Sets[i]);
    }

    private static UsageException Other(string what, string expected, string actual) =>
        new($"the run that is to go on had other data: {what}: expected {expected}, found {actual}; name the same data, or begin anew");

    private void Check()
    {
        if (Sets.IsEmpty) throw new UsageException("there is nothing to mix; name at least one set of tokens");
        TokenShard? first = null;
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (TokenSet set in Sets)
        {
            if (!names.Add(set.Name)) throw new UsageException($"{set.Name}: two sets have this name; give one another");
            if (set.Weight is not (null or (> 0 and < double.PositiveInfinity)))
                throw new UsageException(FormattableString.Invariant($"{set.Name}: expected a weight above 0, found {set.Weight}"));
            if (set.Weight.HasValue != Sets[0].Weight.HasValue) throw new UsageException($"{set.Name}: expected a weight for all sets or for none; give each one");
            if (set.Shards.IsDefault || set.Shards.Sum(shard => shard.DocumentCount) == 0) throw new UsageException($"{set.Name}: expected documents, found none; leave the set out");
            foreach (TokenShard shard in set.Shards)
            {
                first ??= shard;
                if (shard.TokenizerHash == first.TokenizerHash && shard.VocabularySize == first.VocabularySize && shard.Marks == first.Marks) continue;
                throw new UsageException($"{shard.Path}: expected ids of the same tokenizer and with the same marks as {first.Path}, found others; tokenize both alike");
            }
        }
    }

    /// <summary>A set and how far it is.</summary>
    private sealed class Source
    {
        private readonly TokenSet _set;
        private readonly ulong _seed;
        private readonly long[] _firsts; // [shards + 1] documents before each shard
        private readonly double _weight;
        private readonly string _content;
        private long _documents, _tokens;

        public Source(TokenSet set, ulong seed, int index)
        {
            _set = set;
            _seed = Generation.CounterRandom.Next(seed, (ulong)index);
            _firsts = new long[set.Shards.Length + 1];
            for (int i = 0; i < set.Shards.Length; i++) _firsts[i + 1] = _firsts[i] + set.Shards[i].DocumentCount;
            _weight = set.Weight ?? set.Shards.Sum(shard => shard.TokenCount);
            _content = Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Concat(set.Shards.Select(shard => shard.ContentHash)))));
        }

        /// <summary>Tokens seen, in units of its share.</summary>
        public double Progress => _tokens / _weight;

        public TokenSetState State => new(_set.Name, _content, _weight, _documents, _tokens, (double)_documents / _firsts[^1]);

        public TokenDocument Take(int set)
        {
            (long epoch, long place) = Math.DivRem(_documents, _firsts[^1]);
            long number = new ShuffledOrder(_firsts[^1], Generation.CounterRandom.Next(_seed, (ulong)epoch))[place];
            int shard = Array.BinarySearch(_firsts, number);
            if (shard < 0) shard = ~shard - 1;
            else while (_firsts[shard + 1] == number) shard++; // past shards without documents
            TokenShard file = _set.Shards[shard];
            var document = new TokenDocument(set, file, file.Start(number - _firsts[shard]), file.Length(number - _firsts[shard]));
            _documents++;
            _tokens += document.Length;
            return document;
        }

        public void Go(TokenSetState state) => (_documents, _tokens) = (state.Documents, state.Tokens);
    }
}
