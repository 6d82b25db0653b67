using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Gemma.Formats;

namespace Gemma.Data;

/// <summary>Objects of one line each; what is wrong with one is said with the number of its line.</summary>
/// <param name="stream">Where they come from.</param>
/// <param name="name">What messages call it.</param>
internal sealed class JsonLines(Stream stream, string name) : LineReader(stream, name)
{
    /// <summary>A string of the line's object. Half of a surrogate pair, which JSON can spell, becomes U+FFFD.</summary>
    public string ReadText(ReadOnlySpan<byte> line, ReadOnlySpan<byte> field)
    {
        if (!Utf8.IsValid(line)) throw Wrong("JSON in UTF-8", "bytes that are not UTF-8");
        try
        {
            var reader = new Utf8JsonReader(line);
            string? text = null;
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw Wrong(field, "another JSON value");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool wanted = reader.ValueTextEquals(field);
                reader.Read();
                if (!wanted) reader.Skip();
                else if (reader.TokenType == JsonTokenType.String) text = Unescape(ref reader);
                else throw Wrong(field, "a value that is no string");
            }
            if (reader.Read()) throw Wrong(field, "more after it");
            return text ?? throw Wrong(field, "no such field");
        }
        catch (JsonException failure)
        {
            throw Wrong("a JSON object", Describe(line, failure));
        }
    }

    /// <summary>A list of whole numbers of the line's object.</summary>
    public void ReadIds(ReadOnlySpan<byte> line, ReadOnlySpan<byte> field, List<int> ids)
    {
        ids.Clear();
        try
        {
            var reader = new Utf8JsonReader(line);
            bool found = false;
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw Wrong(field, "another JSON value");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool wanted = reader.ValueTextEquals(field);
                reader.Read();
                if (!wanted)
                {
                    reader.Skip();
                    continue;
                }
                found = true;
                if (reader.TokenType != JsonTokenType.StartArray) throw Wrong(field, "a value that is no list");
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                    ids.Add(reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int id) ? id : throw Wrong(field, "something in the list that is no id"));
            }
            if (reader.Read()) throw Wrong(field, "more after it");
            if (!found) throw Wrong(field, "no such field");
        }
        catch (JsonException failure)
        {
            throw Wrong("a JSON object", Describe(line, failure));
        }
    }

    public BadRowException Wrong(string expected, string found) => new(Name, "line", Number, expected, found);

    private BadRowException Wrong(ReadOnlySpan<byte> field, string found) =>
        Wrong($"an object such as {(field.SequenceEqual("ids"u8) ? "{\"ids\": [2, 17]}" : $"{{\"{Encoding.UTF8.GetString(field)}\": \"…\"}}")}", found);

    private static string Describe(ReadOnlySpan<byte> line, JsonException failure) => line.Trim(" \r\t"u8).IsEmpty ? "an empty line"
        : string.Create(CultureInfo.InvariantCulture, $"a mistake at byte {(failure.BytePositionInLine ?? 0) + 1}");

    private static string Unescape(ref Utf8JsonReader reader)
    {
        if (!reader.ValueIsEscaped) return Encoding.UTF8.GetString(reader.ValueSpan);
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            return UnescapeHalves(reader.ValueSpan);
        }
    }

    /// <summary>What the reader refuses: escaped halves of surrogate pairs on their own. The escapes themselves have been checked.</summary>
    private static string UnescapeHalves(ReadOnlySpan<byte> escaped)
    {
        string source = Encoding.UTF8.GetString(escaped);
        var text = new StringBuilder(source.Length);
        for (int i = 0; i < source.Length; i++)
        {
            if (source[i] != '\\')
            {
                text.Append(source[i]);
                continue;
            }
            char kind = source[++i];
            text.Append(kind switch
            {
                'b' => '\b',
                'f' => '\f',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => (char)int.Parse(source.AsSpan(i + 1, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
                _ => kind,
            });
            if (kind == 'u') i += 4;
        }
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])) i++;
            else if (char.IsSurrogate(text[i])) text[i] = '\uFFFD';
        }
        return text.ToString();
    }
}
