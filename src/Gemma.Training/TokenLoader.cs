using System.Globalization;
using System.Text.Json;
using Gemma.Formats;

namespace Gemma.Training;

/// <summary>
/// Documents of a mixture as batches. A document of n tokens is predicted from its second token on: n − 1 predictions. One with more predictions than a sequence holds is
/// cut into pieces, each of which begins with the token that the piece before predicted last: every token is predicted once, those behind a cut without what stands
/// before it. A piece goes whole into a batch. Nothing is left out but documents of one token, which are counted.
/// </summary>
public sealed class TokenLoader : ITrainingData
{
    private readonly TokenMixture _mixture;
    private readonly int _sequenceLength;
    private readonly long? _documentLimit;
    private readonly int[] _ids;
    private readonly List<Piece> _pieces = [];
    private TokenDocument _document;
    private long _from, _drawn, _tooShort;

    /// <param name="mixture">The documents; from now on only this draws from it.</param>
    /// <param name="sequenceLength">Most tokens that the model reads as one sequence.</param>
    /// <param name="documentLimit">The last epoch ends after so many documents; null never ends.</param>
    public TokenLoader(TokenMixture mixture, int sequenceLength, long? documentLimit = null)
    {
        ArgumentNullException.ThrowIfNull(mixture);
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 1);
        _mixture = mixture;
        _sequenceLength = sequenceLength;
        _documentLimit = documentLimit;
        _ids = new int[sequenceLength + 1];
        var identity = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["data seed"] = mixture.Seed.ToString(CultureInfo.InvariantCulture),
            ["sequence length"] = Number(sequenceLength),
            ["documents"] = documentLimit is long limit ? Number(limit) : "without end",
            ["sets"] = string.Join(", ", mixture.Sets.Select(set => set.Name)),
        };
        foreach (TokenSetState set in mixture.State.Sets)
        {
            identity[$"documents of {set.Name}"] = set.Content;
            identity[$"weight of {set.Name}"] = set.Weight.ToString(CultureInfo.InvariantCulture);
        }
        Identity = identity;
    }

    /// <summary>One pass over all documents of sets without weights.</summary>
    public static TokenLoader OnePass(TokenMixture mixture, int sequenceLength)
    {
        ArgumentNullException.ThrowIfNull(mixture);
        return new(mixture, sequenceLength, mixture.Sets.Sum(set => set.Shards.Sum(shard => shard.DocumentCount)));
    }

    public IReadOnlyDictionary<string, string> Identity { get; }

    public IReadOnlyList<string> Documents => [.. _pieces.Select(piece => string.Create(CultureInfo.InvariantCulture,
        $"{piece.Document.Shard.Path} (tokens {piece.Document.Start + piece.From} to {piece.Document.Start + piece.From + piece.Count})"))];

    /// <summary>Documents that are done, each time counted.</summary>
    public long DocumentCount => HasRest ? _drawn - 1 : _drawn;

    /// <summary>Documents of one token, of which nothing can be predicted.</summary>
    public long TooShort => _tooShort;

    public bool Next(TrainingBatch batch, int tokens)
    {
        ArgumentNullException.ThrowIfNull(batch);
        batch.Clear();
        _pieces.Clear();
        while (Draw())
        {
            int count = (int)Math.Min(_sequenceLength, _document.Length - 1 - _from);
            if (batch.TokenCount > 0 && batch.TokenCount + count > tokens) break;
            Span<int> ids = _ids.AsSpan(0, count + 1);
            _document.Read(_from, ids);
            batch.Add(ids);
            _pieces.Add(new Piece(_document, _from, count));
            _from += count;
        }
        return batch.TokenCount > 0;
    }

    public void Save(Utf8JsonWriter json)
    {
        ArgumentNullException.ThrowIfNull(json);
        TokenMixtureState state = _mixture.State;
        json.WriteStartObject();
        json.WriteString("seed", state.Seed.ToString(CultureInfo.InvariantCulture));
        json.WriteNumber("documents", DocumentCount);
        json.WriteNumber("predicted_of_next_document", HasRest ? _from : 0);
        json.WriteNumber("documents_of_one_token", _tooShort);
        json.WriteStartArray("sets");
        for (int i = 0; i < state.Sets.Length; i++)
        {
            // A document that is not done is drawn again when the run goes on.
            TokenSetState set = state.Sets[i];
            bool again = HasRest && _document.Set == i;
            json.WriteStartObject();
            json.WriteString("name", set.Name);
            json.WriteString("content", set.Content);
            json.WriteNumber("weight", set.Weight);
            json.WriteNumber("documents", set.Documents - (again ? 1 : 0));
            json.WriteNumber("tokens", set.Tokens - (again ? _document.Length : 0));
            json.WriteNumber("epochs", (double)(set.Documents - (again ? 1 : 0)) / _mixture.Sets[i].Shards.Sum(shard => shard.DocumentCount));
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    public void Restore(JsonElement position)
    {
        long drawn, from, tooShort;
        TokenMixtureState state;
        try
        {
            (drawn, from, tooShort) = (position.GetProperty("documents").GetInt64(), position.GetProperty("predicted_of_next_document").GetInt64(),
                position.GetProperty("documents_of_one_token").GetInt64());
            state = new TokenMixtureState(ulong.Parse(position.GetProperty("seed").GetString()!, CultureInfo.InvariantCulture), [.. position.GetProperty("sets").EnumerateArray()
                .Select(set => new TokenSetState(set.GetProperty("name").GetString()!, set.GetProperty("content").GetString()!, set.GetProperty("weight").GetDouble(),
                    set.GetProperty("documents").GetInt64(), set.GetProperty("tokens").GetInt64(), set.GetProperty("epochs").GetDouble()))]);
        }
        catch (Exception failure) when (failure is InvalidOperationException or KeyNotFoundException or FormatException or OverflowException or ArgumentNullException)
        {
            throw new GemmaException($"expected a position in token shards, found another ({failure.Message}); go on with the data that the run began with", failure);
        }
        _mixture.Restore(state);
        (_drawn, _tooShort, _from, _document) = (drawn, tooShort, 0, default);
        if (from == 0) return;
        if (!Draw() || from >= _document.Length - 1) throw new GemmaException("expected a position in token shards, found one behind the end of a document; go on with the data that the run began with");
        _from = from;
    }

    /// <summary>Whether the current document has tokens that are yet to be predicted.</summary>
    private bool HasRest => _document.Length - 1 > _from;

    /// <summary>Makes sure that the current document has a rest; false at the end of the last epoch.</summary>
    private bool Draw()
    {
        for (long useless = 0; !HasRest; useless++)
        {
            if (_drawn == _documentLimit) return false;
            if (useless > _mixture.Sets.Sum(set => set.Shards.Sum(shard => shard.DocumentCount)))
                throw new GemmaException($"{_mixture.Sets[0].Name}: expected documents of two tokens or more, found only shorter ones; check what was tokenized");
            _document = _mixture.Next();
            _from = 0;
            _drawn++;
            if (!HasRest) _tooShort++;
        }
        return true;
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private readonly record struct Piece(TokenDocument Document, long From, int Count);
}
