using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Gemma.Formats;
using Gemma.Tokenization;

namespace Gemma.Data;

/// <summary>One source, as it was read.</summary>
/// <param name="Bytes">Of the file, compressed where it is.</param>
/// <param name="Hash">SHA-256 of the file in hexadecimal.</param>
/// <param name="TextBytes">Of the documents in UTF-8.</param>
/// <param name="Tokens">Of the documents, marks included.</param>
public sealed record SourceReceipt(DocumentSource Source, long Bytes, string Hash, long Documents, long TextBytes, long Tokens, SkippedRows Skipped);

/// <summary>One shard, as it was written.</summary>
/// <param name="Hash">Its <see cref="TokenShard.ContentHash"/>.</param>
public sealed record ShardReceipt(string File, long Documents, long Tokens, long Bytes, string Hash);

/// <summary>What went into a folder of shards: written beside them as <c>receipt.json</c>.</summary>
public sealed record TokenizeReceipt
{
    /// <summary>Its file.</summary>
    public const string FileName = "receipt.json";

    private static readonly JsonWriterOptions Readable = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public required SentencePieceModel Tokenizer { get; init; }

    public required TokenShardMarks Marks { get; init; }

    public required IReadOnlyList<SourceReceipt> Sources { get; init; }

    public required IReadOnlyList<ShardReceipt> Shards { get; init; }

    public long Documents => Sources.Sum(source => source.Documents);

    public long Tokens => Sources.Sum(source => source.Tokens);

    public long TextBytes => Sources.Sum(source => source.TextBytes);

    public long Skipped => Sources.Sum(source => source.Skipped.Count);

    /// <summary>The file's bytes.</summary>
    public byte[] ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Readable)) Write(json);
        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>As one JSON object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        ArgumentNullException.ThrowIfNull(json);
        json.WriteStartObject();
        json.WriteStartObject("tokenizer");
        json.WriteString("hash", Tokenizer.Hash);
        json.WriteNumber("pieces", Tokenizer.Pieces.Length);
        json.WriteEndObject();
        json.WriteBoolean("begin", Marks.HasFlag(TokenShardMarks.Begin));
        json.WriteBoolean("end", Marks.HasFlag(TokenShardMarks.End));
        json.WriteNumber("documents", Documents);
        json.WriteNumber("text_bytes", TextBytes);
        json.WriteNumber("tokens", Tokens);
        json.WriteNumber("skipped", Skipped);
        json.WriteStartArray("sources");
        foreach (SourceReceipt source in Sources) Write(json, source);
        json.WriteEndArray();
        json.WriteStartArray("shards");
        foreach (ShardReceipt shard in Shards)
        {
            json.WriteStartObject();
            json.WriteString("file", shard.File);
            json.WriteNumber("documents", shard.Documents);
            json.WriteNumber("tokens", shard.Tokens);
            json.WriteNumber("bytes", shard.Bytes);
            json.WriteString("hash", shard.Hash);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, SourceReceipt source)
    {
        json.WriteStartObject();
        json.WriteString("path", source.Source.Path);
        json.WriteString("format", source.Source.Format.ToString().ToLowerInvariant());
        json.WriteNumber("bytes", source.Bytes);
        json.WriteString("sha256", source.Hash);
        json.WriteNumber("documents", source.Documents);
        json.WriteNumber("text_bytes", source.TextBytes);
        json.WriteNumber("tokens", source.Tokens);
        json.WriteNumber("skipped", source.Skipped.Count);
        json.WriteStartObject("skipped_for_want_of");
        foreach ((string expected, long count) in source.Skipped.Counts) json.WriteNumber(expected, count);
        json.WriteEndObject();
        json.WriteStartArray("skipped_rows"); // the first of them
        foreach (SkippedRow row in source.Skipped.Named)
        {
            json.WriteStartObject();
            json.WriteNumber("number", row.Number);
            json.WriteString("expected", row.Expected);
            json.WriteString("found", row.Found);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
