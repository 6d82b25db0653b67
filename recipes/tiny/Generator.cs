using System.Globalization;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gemma.Recipes.Tiny;

/// <summary>Writes what a model learns from: documents to be pretrained on, conversations to be tuned on, and as much of both held out as validation needs.</summary>
internal static class Generator
{
    private const int Chunk = 500; // documents of one seed: what one thread makes at a time
    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The sets of documents, and how many documents of each scale 1 has.</summary>
    public static readonly (string Name, Func<Chance, bool, string> Make, int Documents)[] Documents =
    [
        ("stories", PlainText.StoryAlone, 76_000), ("questions", PlainText.StoryAsked, 26_000), ("sums", PlainText.SumList, 14_000), ("python", PlainText.Python, 9_000), ("facts", PlainText.Facts, 3_000),
    ];

    public const int Conversations = 150_000, HeldOutDocuments = 400, HeldOutConversations = 600;

    public static void Write(string folder, ulong seed, double scale, TextWriter log)
    {
        Directory.CreateDirectory(folder);
        var receipt = new List<(string File, long Lines, long Bytes, string Hash)>();
        foreach ((string name, Func<Chance, bool, string> make, int count) in Documents)
        {
            receipt.Add(WriteFile(Path.Combine(folder, name + ".jsonl"), seed, name, Scaled(count), (json, chance) => json.WriteString("text", make(chance, false))));
            receipt.Add(WriteFile(Path.Combine(folder, name + ".heldout.jsonl"), seed, name + ".heldout", HeldOutDocuments / Documents.Length, (json, chance) => json.WriteString("text", make(chance, true))));
        }
        receipt.Add(WriteFile(Path.Combine(folder, "conversations.jsonl"), seed, "conversations", Scaled(Conversations), (json, chance) => Write(json, Conversation.Any(chance, heldOut: false))));
        receipt.Add(WriteFile(Path.Combine(folder, "conversations.heldout.jsonl"), seed, "conversations.heldout", HeldOutConversations, (json, chance) => Write(json, Conversation.Any(chance, heldOut: true))));
        foreach ((string file, long lines, long bytes, string hash) in receipt) log.WriteLine($"{file,-28} {lines,9:N0} lines {bytes,13:N0} bytes  sha256 {hash}");
        WriteReceipt(Path.Combine(folder, "generated.json"), seed, scale, receipt);

        int Scaled(int count) => (int)Math.Max(1, count * scale);
    }

    private static void Write(Utf8JsonWriter json, Conversation conversation)
    {
        json.WriteStartArray("messages");
        foreach ((string says, string reply) in conversation.Turns)
        {
            Write("user", says);
            Write("assistant", reply);
        }
        json.WriteEndArray();

        void Write(string role, string content)
        {
            json.WriteStartObject();
            json.WriteString("role", role);
            json.WriteString("content", content);
            json.WriteEndObject();
        }
    }

    /// <summary>The same bytes on any number of threads: each chunk has its own seed, and they are written in order.</summary>
    private static (string File, long Lines, long Bytes, string Hash) WriteFile(string path, ulong seed, string name, int count, Action<Utf8JsonWriter, Chance> write)
    {
        string temporary = path + ".part";
        using (FileStream file = File.Create(temporary))
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            IEnumerable<byte[]> chunks = Enumerable.Range(0, (count + Chunk - 1) / Chunk).AsParallel().AsOrdered().WithMergeOptions(ParallelMergeOptions.NotBuffered)
                .Select(chunk => MakeChunk(new Chance(seed ^ HeldOut.Hash(FormattableString.Invariant($"{name}/{chunk}"))), Math.Min(Chunk, count - chunk * Chunk), write));
            long bytes = 0;
            foreach (byte[] chunk in chunks)
            {
                file.Write(chunk);
                hash.AppendData(chunk);
                bytes += chunk.Length;
            }
            file.Flush(flushToDisk: true);
            file.Dispose();
            File.Move(temporary, path, overwrite: true);
            return (Path.GetFileName(path), count, bytes, Convert.ToHexStringLower(hash.GetHashAndReset()));
        }
    }

    private static byte[] MakeChunk(Chance chance, int count, Action<Utf8JsonWriter, Chance> write)
    {
        using var buffer = new MemoryStream();
        using var json = new Utf8JsonWriter(buffer, Json);
        for (int i = 0; i < count; i++)
        {
            json.WriteStartObject();
            write(json, chance);
            json.WriteEndObject();
            json.Flush();
            json.Reset();
            buffer.WriteByte((byte)'\n');
        }
        return buffer.ToArray();
    }

    private static void WriteReceipt(string path, ulong seed, double scale, List<(string File, long Lines, long Bytes, string Hash)> files)
    {
        using FileStream file = File.Create(path);
        using var json = new Utf8JsonWriter(file, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("seed", seed.ToString(CultureInfo.InvariantCulture));
        json.WriteNumber("scale", scale);
        json.WriteString("held_out", FormattableString.Invariant($"sums: one in {HeldOut.Sums} of the pairs of numbers, by a hash of the pair; stories: one in {HeldOut.Stories}, by a hash of plot, hero and subject"));
        json.WriteStartArray("files");
        foreach ((string name, long lines, long bytes, string hash) in files)
        {
            json.WriteStartObject();
            json.WriteString("file", name);
            json.WriteNumber("lines", lines);
            json.WriteNumber("bytes", bytes);
            json.WriteString("sha256", hash);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
