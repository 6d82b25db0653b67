using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Unicode;
using Gemma.Chat;
using Gemma.Formats;

namespace Gemma.Training.Tuning;

/// <summary>A JSONL file of conversations or of pairs of answers, as samples: read once, tokenized on all processors, checked line by line.</summary>
public sealed class TuningFile
{
    // Lines that are tokenized together; lines that a message names.
    private const int BatchLines = 1024, MostNamed = 5;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    private readonly TuningFileOptions _options;
    private readonly List<string> _skipped = [];

    private TuningFile(string path, TuningFileOptions options) => (Path, _options) = (path, options);

    public string Path { get; }

    /// <summary>SHA-256 of the file, in hexadecimal.</summary>
    public string Hash { get; private set; } = "";

    public ImmutableArray<TuningSample> Samples { get; private set; } = [];

    /// <summary>What was left out, one line each: where it stands, what was expected and what was found.</summary>
    public IReadOnlyList<string> Skipped => _skipped;

    /// <summary>Samples that were cut to the longest length.</summary>
    public int Truncated { get; private set; }

    /// <summary>Conversations, to learn the answers in them.</summary>
    /// <exception cref="GemmaException">Lines that are no conversations, a file that is empty, or one that cannot be read.</exception>
    public static TuningFile ReadConversations(string path, ChatTemplate template, TuningFileOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(template);
        return new TuningFile(path, options ?? new TuningFileOptions()).Read((file, row, place) => file.Sample(ConversationJson.Read(row), template, place));
    }

    /// <summary>Pairs of a chosen and a rejected answer.</summary>
    /// <exception cref="GemmaException">Lines that are no pairs, a file that is empty, or one that cannot be read.</exception>
    public static TuningFile ReadPairs(string path, ChatTemplate template, TuningFileOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(template);
        return new TuningFile(path, options ?? new TuningFileOptions()).Read((file, row, place) =>
        {
            (Conversation chosen, Conversation rejected) = ConversationJson.ReadPair(row);
            (ConversationSample first, bool isFirstCut) = file.Sample(chosen, template, place);
            (ConversationSample second, bool isSecondCut) = file.Sample(rejected, template, place);
            return (new PreferenceSample(first, second), isFirstCut || isSecondCut);
        });
    }

    private TuningFile Read(Func<TuningFile, JsonElement, string, (TuningSample Sample, bool IsCut)> parse)
    {
        ImmutableArray<TuningSample>.Builder samples = ImmutableArray.CreateBuilder<TuningSample>();
        List<string> bad = [];
        foreach (List<(byte[] Bytes, string Place)> lines in Lines())
        {
            var results = new (TuningSample? Sample, bool IsCut, Exception? Problem)[lines.Count];
            Parallel.For(0, lines.Count, i =>
            {
                try
                {
                    (results[i].Sample, results[i].IsCut) = Parse(lines[i].Bytes, row => parse(this, row, lines[i].Place));
                }
                catch (GemmaException problem)
                {
                    results[i].Problem = problem;
                }
            });
            for (int i = 0; i < results.Length; i++)
            {
                if (results[i].Sample is { } sample)
                {
                    samples.Add(sample);
                    if (results[i].IsCut) Truncated++;
                    continue;
                }
                string line = $"{lines[i].Place}: {results[i].Problem!.Message}";
                if (results[i].Problem is TooLongException || _options.SkipBadLines) _skipped.Add(line);
                else bad.Add(line);
            }
        }
        if (bad.Count > 0)
        {
            string more = bad.Count > MostNamed ? string.Create(CultureInfo.InvariantCulture, $"; and {bad.Count - MostNamed} more lines") : "";
            throw new GemmaException($"{string.Join("; ", bad.Take(MostNamed))}{more}; correct them, or have bad lines skipped");
        }
        if (samples.Count == 0)
        {
            throw new GemmaException(_skipped.Count == 0 ? $"{Path}: expected a JSON object on each line, found an empty file"
                : string.Create(CultureInfo.InvariantCulture, $"{Path}: nothing is left to learn: {_skipped.Count} lines were skipped, the first: {_skipped[0]}"));
        }
        Samples = samples.ToImmutable();
        return this;
    }

    private IEnumerable<List<(byte[] Bytes, string Place)>> Lines()
    {
        using FileStream stream = Open();
        using var hash = SHA256.Create();
        using var hashed = new CryptoStream(stream, hash, CryptoStreamMode.Read);
        var reader = new LineReader(hashed, Path);
        List<(byte[], string)> lines = [];
        while (reader.TryRead(out ReadOnlySpan<byte> line))
        {
            if (line.Trim(" \r\t"u8).IsEmpty) continue;
            lines.Add((line.ToArray(), string.Create(CultureInfo.InvariantCulture, $"{Path}, line {reader.Number}")));
            if (lines.Count < BatchLines) continue;
            yield return lines;
            lines = [];
        }
        yield return lines;
        Hash = Convert.ToHexStringLower(hash.Hash!);
    }

    private FileStream Open()
    {
        try
        {
            return new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.Read);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException(Directory.Exists(Path) ? $"{Path}: expected a JSONL file, found a folder; name the file in it"
                : $"{Path}: cannot be read ({failure.Message}); check the path and its permissions", failure);
        }
    }

    private static T Parse<T>(byte[] line, Func<JsonElement, T> parse)
    {
        if (!Utf8.IsValid(line)) throw new BadSampleException("JSON in UTF-8", "bytes that are not UTF-8");
        try
        {
            using var document = JsonDocument.Parse(line, Strict);
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new BadSampleException("a JSON object", $"a JSON {document.RootElement.ValueKind.ToString().ToLowerInvariant()}");
            return parse(document.RootElement);
        }
        catch (JsonException failure)
        {
            throw new BadSampleException("a JSON object", string.Create(CultureInfo.InvariantCulture, $"a mistake at byte {(failure.BytePositionInLine ?? 0) + 1}"));
        }
        catch (InvalidOperationException)
        {
            // The reader's answer to an escaped half of a surrogate pair in a name.
            throw new BadSampleException("text", "half of a surrogate pair");
        }
    }

    private (ConversationSample Sample, bool IsCut) Sample(Conversation conversation, ChatTemplate template, string place)
    {
        (int[] ids, float[] weights) = conversation.Encode(template);
        int most = _options.MaxTokens;
        if (ids.Length - 1 <= most) return (new ConversationSample(place, ids, weights), false);
        string expected = string.Create(CultureInfo.InvariantCulture, $"at most {most} tokens"), found = string.Create(CultureInfo.InvariantCulture, $"{ids.Length - 1}");
        if (!_options.Truncate) throw new TooLongException(expected, found);
        int end = Array.FindLastIndex(weights, most, weight => weight != 0) + 1;
        return end > 0 ? (new ConversationSample(place, ids[..end], weights[..end]), true) : throw new TooLongException(expected, $"{found}, and a prompt that fills the context");
    }

    private sealed class TooLongException(string expected, string found) : GemmaException($"expected {expected}, found {found}");
}
