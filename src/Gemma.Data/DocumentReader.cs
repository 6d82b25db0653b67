using System.Buffers;
using System.Text;
using Gemma.Formats;
using Parquet;
using Parquet.Schema;
using ZstdSharp;

namespace Gemma.Data;

/// <summary>
/// The documents of one file, in order. A line or row that is none is skipped, counted and named; damage to the file itself (it ends too soon, it cannot be
/// decompressed) ends the reading. Read once, from one thread.
/// </summary>
public sealed class DocumentReader(DocumentSource source)
{
    private const string Damaged = "the file is damaged or cut short: fetch it again";

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public DocumentSource Source => source;

    /// <summary>What was left out so far.</summary>
    public SkippedRows Skipped { get; } = new();

    /// <summary>Bytes of the file read so far, compressed where it is.</summary>
    public long ByteCount { get; private set; }

    /// <summary>SHA-256 of the file in hexadecimal, once all documents were read.</summary>
    public string Hash { get; private set; } = "";

    private string Name => source.Path == DocumentSource.StandardInput ? "standard input" : source.Path;

    /// <exception cref="GemmaException">The file is missing, unreadable or damaged.</exception>
    public IEnumerable<Document> Read()
    {
        using IEnumerator<Document> documents = ReadAll().GetEnumerator();
        while (Guard(documents.MoveNext)) yield return documents.Current;
    }

    /// <summary>
    /// All text of the file in UTF-8, in pieces that end with a line or a document: for whoever only looks at words. Text files are not checked; what is no text in
    /// them counts as U+FFFD. The buffers belong to the shared pool of arrays.
    /// </summary>
    internal IEnumerable<(byte[] Buffer, int Length)> ReadBlocks()
    {
        using IEnumerator<(byte[] Buffer, int Length)> blocks = (source.Format == DocumentFormat.Text ? TextOfFile() : TextOfDocuments()).GetEnumerator();
        while (Guard(blocks.MoveNext)) yield return blocks.Current;
    }

    private IEnumerable<(byte[] Buffer, int Length)> TextOfFile()
    {
        using var file = SourceStream.Open(source.Path);
        using Stream content = file.Decompressed(source.Path);
        foreach ((byte[] Buffer, int Length) block in TextBlocks.Read(content, Name))
        {
            ByteCount = file.ByteCount;
            yield return block;
        }
    }

    private IEnumerable<(byte[] Buffer, int Length)> TextOfDocuments()
    {
        foreach (Document document in ReadAll())
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(document.Text.Length));
            yield return (buffer, Encoding.UTF8.GetBytes(document.Text, buffer));
        }
    }

    private IEnumerable<Document> ReadAll()
    {
        using var file = SourceStream.Open(source.Path);
        using Stream content = file.Decompressed(source.Path);
        IEnumerable<Document> documents = source.Format switch
        {
            DocumentFormat.Jsonl => Lines(content),
            DocumentFormat.Parquet => Rows(content),
            _ when source.Split == TextSplit.File => Whole(content),
            _ => Paragraphs(content),
        };
        foreach (Document document in documents)
        {
            ByteCount = file.ByteCount;
            if (document.Text.Length == 0) Skipped.Add(new SkippedRow(document.Number, "a text", "an empty one"));
            else if (document.Text.Contains('\0')) Skipped.Add(new SkippedRow(document.Number, "a text", "zero bytes: it is binary, or text in UTF-16"));
            else yield return document;
        }
        Hash = file.Finish();
        ByteCount = file.ByteCount;
    }

    private IEnumerable<Document> Lines(Stream content)
    {
        var lines = new JsonLines(content, Name);
        byte[] field = Encoding.UTF8.GetBytes(source.Field);
        while (lines.TryRead(out ReadOnlySpan<byte> line))
        {
            string text;
            try
            {
                text = lines.ReadText(line, field);
            }
            catch (BadRowException bad)
            {
                Skipped.Add(new SkippedRow(bad.Number, bad.Expected, bad.Found));
                continue;
            }
            yield return new Document(text, lines.Number);
        }
    }

    private IEnumerable<Document> Whole(Stream content)
    {
        byte[] bytes;
        using (var buffer = new MemoryStream())
        {
            content.CopyTo(buffer);
            bytes = buffer.ToArray();
        }
        if (Decode(bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsSpan(3) : bytes, 1) is string text) yield return new Document(text, 1);
    }

    /// <summary>Documents that lines or empty lines end; each has the number of its first line.</summary>
    private IEnumerable<Document> Paragraphs(Stream content)
    {
        var lines = new LineReader(content, Name);
        using var paragraph = new MemoryStream();
        long first = 1;
        while (lines.TryRead(out ReadOnlySpan<byte> line))
        {
            if (line.EndsWith((byte)'\r')) line = line[..^1];
            bool blank = line.Trim(" \t"u8).IsEmpty;
            if (!blank)
            {
                if (paragraph.Length == 0) first = lines.Number;
                else paragraph.WriteByte((byte)'\n');
                paragraph.Write(line);
            }
            if (paragraph.Length == 0 || (source.Split == TextSplit.BlankLine && !blank)) continue;
            if (Decode(paragraph.GetBuffer().AsSpan(0, (int)paragraph.Length), first) is string text) yield return new Document(text, first);
            paragraph.SetLength(0);
        }
        if (paragraph.Length > 0 && Decode(paragraph.GetBuffer().AsSpan(0, (int)paragraph.Length), first) is string last) yield return new Document(last, first);
    }

    private IEnumerable<Document> Rows(Stream content)
    {
        // The directory of such a file is at its end: it is read in place where it lies on a disk as it is, else from memory.
        using Stream seekable = content is SourceStream && source.Path != DocumentSource.StandardInput ? File.OpenRead(source.Path) : Copy(content);
        ParquetReader parquet = Wait(ParquetReader.CreateAsync(seekable));
        try
        {
            DataField column = Column(parquet.Schema);
            long number = 0;
            for (int group = 0; group < parquet.RowGroupCount; group++)
            {
                using ParquetRowGroupReader rows = parquet.OpenRowGroupReader(group);
                string?[] texts = new string?[checked((int)rows.RowCount)];
                rows.ReadAsync(column, texts.AsMemory()!).AsTask().GetAwaiter().GetResult();
                foreach (string? text in texts)
                {
                    number++;
                    if (text is not null) yield return new Document(text, number);
                    else Skipped.Add(new SkippedRow(number, "a text", "null"));
                }
            }
        }
        finally
        {
            parquet.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private DataField Column(ParquetSchema schema)
    {
        DataField[] columns = schema.GetDataFields();
        DataField column = columns.FirstOrDefault(field => field.Path.ToString() == source.Field)
            ?? throw Bad($"a column {source.Field}", string.Join(", ", columns.Select(field => field.Path.ToString())), "name one of these with --field");
        return (column.ClrType == typeof(string) || column.ClrType == typeof(ReadOnlyMemory<char>)) && !column.IsArray && column.MaxRepetitionLevel == 0 ? column
            : throw Bad($"text in column {source.Field}", column.ClrType.Name, "name a column of strings");
    }

    private static MemoryStream Copy(Stream content)
    {
        var copy = new MemoryStream();
        content.CopyTo(copy);
        copy.Position = 0;
        return copy;
    }

    private static T Wait<T>(Task<T> task) => task.GetAwaiter().GetResult();

    private string? Decode(ReadOnlySpan<byte> bytes, long number)
    {
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException failure)
        {
            Skipped.Add(new SkippedRow(number, "text in UTF-8", FormattableString.Invariant($"byte 0x{failure.BytesUnknown![0]:X2} that is none")));
            return null;
        }
    }

    private BadFileException Bad(string expected, string found, string remedy) => new(Name, null, expected, found, remedy);

    private bool Guard(Func<bool> read)
    {
        try
        {
            return read();
        }
        catch (UnauthorizedAccessException failure)
        {
            throw new GemmaException($"{Name}: cannot be read ({failure.Message}); check its permissions", failure);
        }
        catch (Exception failure) when (failure is InvalidDataException or ZstdException or EndOfStreamException)
        {
            throw Bad("a whole file", failure.Message, Damaged);
        }
        catch (Exception failure) when (source.Format == DocumentFormat.Parquet && failure is not GemmaException)
        {
            // What the library throws over bytes that it did not expect is of many kinds.
            throw Bad("a whole Parquet file", $"{failure.GetType().Name}: {failure.Message}", Damaged);
        }
        catch (IOException failure)
        {
            throw new GemmaException($"{Name}: cannot be read ({failure.Message}); check the file and the disk", failure);
        }
    }
}
