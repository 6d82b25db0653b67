using System.Buffers;
using System.Buffers.Text;
using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Gemma.Data;
using Gemma.Tokenization;
using Spectre.Console;

namespace Gemma.Cli.Verbs;

/// <summary>Text to ids and back.</summary>
internal sealed class TokenizeVerb : Verb
{
    private const int FlushBytes = 1 << 16;

    private readonly Argument<string[]> _words = new("TEXT") { Arity = ArgumentArity.ZeroOrMore, Description = "The text, or with --decode the ids. Without it --file, else standard input." };
    private readonly Option<bool> _lines = new("--jsonl") { Description = "Read lines {\"text\": …} and print {\"ids\": […]} for each; with --decode the other way." };
    private readonly Option<bool> _decode = new("--decode") { Description = "Ids to text." };

    public TokenizeVerb() : base("tokenize",
        "Text to token ids and back, exactly as SentencePiece does it; no <bos> is added. MODEL may also be a tokenizer.model file.",
        "gemma tokenize \"Why is the sky blue?\"",
        "gemma tokenize -m tokenizer.model --jsonl < texts.jsonl > ids.jsonl",
        "gemma tokenize -m gemma-2b --decode 651 8203 603 3868")
    {
        Arguments.Add(_words);
        AddFlags(Setting.Model.Flag, Flags.Offline, Flags.File, _lines, _decode);
    }

    public override async Task<int> RunAsync(Invocation call)
    {
        string[] words = call.Get(_words) ?? [];
        string? file = call.Get(Flags.File);
        bool decode = call.Get(_decode);
        if (words.Length > 0 && (file is not null || call.Get(_lines)))
            throw new UsageException($"the text is given twice, as an argument and with {(file is not null ? "--file" : "--jsonl")}; leave one out");
        SentencePieceTokenizer tokenizer = await ModelSource.LoadTokenizerAsync(call).ConfigureAwait(false);
        if (call.Get(_lines))
        {
            ConvertLines(call, tokenizer, file, decode);
            return 0;
        }
        string text = words.Length > 0 ? string.Join(' ', words) : TextInput.ReadPrompt(file) ?? throw new UsageException("there is no text; give it as an argument, with --file, or pipe it in");
        if (decode) ShowText(call.Screen, tokenizer.Decode(TextInput.ParseIds(text)));
        else ShowIds(call.Screen, tokenizer, tokenizer.Encode(text));
        return 0;
    }

    private static void ConvertLines(Invocation call, SentencePieceTokenizer tokenizer, string? file, bool decode)
    {
        using Stream input = TextInput.Open(file);
        var output = new ArrayBufferWriter<byte>(2 * FlushBytes);
        var lines = new JsonLines(input, file ?? "standard input") { BeforeWait = Send };
        List<int> ids = [];
        using var json = new Utf8JsonWriter(output, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true });
        try
        {
            while (lines.TryRead(out ReadOnlySpan<byte> line))
            {
                call.Cancellation.ThrowIfCancellationRequested();
                if (decode)
                {
                    lines.ReadIds(line, "ids"u8, ids);
                    WriteText(json, output, Decode(tokenizer, ids, lines));
                }
                else
                {
                    WriteIds(output, tokenizer.Encode(lines.ReadText(line, "text"u8)));
                }
                if (output.WrittenCount >= FlushBytes) Send();
            }
        }
        finally
        {
            Send(); // what came before a bad line is good
        }

        void Send()
        {
            call.Screen.Write(output.WrittenSpan);
            output.ResetWrittenCount();
        }
    }

    private static string Decode(SentencePieceTokenizer tokenizer, List<int> ids, JsonLines lines)
    {
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)tokenizer.VocabularySize)
                throw lines.Wrong(FormattableString.Invariant($"ids from 0 to {tokenizer.VocabularySize - 1}"), FormattableString.Invariant($"{id}"));
        }
        return tokenizer.Decode(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(ids));
    }

    private static void WriteIds(ArrayBufferWriter<byte> output, int[] ids)
    {
        const int LongestId = 10;
        Span<byte> span = output.GetSpan(16 + ids.Length * (LongestId + 2));
        int at = Append(span, 0, "{\"ids\": ["u8);
        for (int i = 0; i < ids.Length; i++)
        {
            if (i > 0) at = Append(span, at, ", "u8);
            Utf8Formatter.TryFormat(ids[i], span[at..], out int written);
            at += written;
        }
        output.Advance(Append(span, at, "]}\n"u8));

        static int Append(Span<byte> span, int at, ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(span[at..]);
            return at + bytes.Length;
        }
    }

    private static void WriteText(Utf8JsonWriter json, ArrayBufferWriter<byte> output, string text)
    {
        output.Write("{\"text\": "u8);
        json.Reset();
        json.WriteStringValue(text);
        json.Flush();
        output.Write("}\n"u8);
    }

    private static void ShowText(Screen screen, string text)
    {
        if (!screen.Json)
        {
            screen.Answer(text);
            screen.Line();
            return;
        }
        screen.WriteJson(json =>
        {
            json.WriteStartObject();
            json.WriteString("text", text);
            json.WriteEndObject();
        });
    }

    private static void ShowIds(Screen screen, SentencePieceTokenizer tokenizer, int[] ids)
    {
        if (screen.Json)
        {
            screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteNumbers("ids", ids);
                json.WriteStartArray("pieces");
                foreach (int id in ids) json.WriteStringValue(Prompt.Piece(tokenizer, id));
                json.WriteEndArray();
                json.WriteEndObject();
            });
            return;
        }
        Table table = Screen.CreateTable("id", "piece");
        table.Columns[0].RightAligned();
        foreach (int id in ids) table.AddRow(new Text(FormattableString.Invariant($"{id}")), new Text(Visible(Prompt.Piece(tokenizer, id))));
        if (ids.Length > 0) screen.Render(table);
        screen.Note(FormattableString.Invariant($"{ids.Length} tokens"));
    }

    /// <summary>A row of a table is one line.</summary>
    private static string Visible(string piece) => Screen.Printable(piece.Replace("\n", "\\n", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal));
}
