using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Gemma.Recipes.Tiny;

/// <summary>
/// The texts of others that may be used: public domain in the US, and CC BY with attribution. What is not used is named with the reason. Nothing of it is kept in
/// the repository.
/// </summary>
internal static partial class Corpus
{
    private const int PieceLength = 3000; // characters; books are cut at paragraphs

    private const int OneIn = 100; // one piece in so many is kept for validation

    /// <summary>The sets that documents go to.</summary>
    public static readonly string[] Sets = ["storybooks", "classics"];

    private static readonly (string Folder, string Licence, string? Set, string Reason)[] Sources =
    [
        ("african_storybook", "CC BY, or public domain", "storybooks", "stories for children; their authors are named here"),
        ("pratham_storyweaver", "CC BY, or public domain", "storybooks", "stories for children; their authors are named here"),
        ("aesop_loc", "public domain (Library of Congress)", "storybooks", "fables"),
        ("classics_children", "public domain in the US", "classics", "books for children; those for grown-ups among them are left out"),
        ("classics_light_fiction", "public domain in the US", null, "harder English than this model is for"),
        ("onestop_english", "CC BY-SA 4.0", null, "share-alike: whether weights are an adaptation is not settled"),
        ("gsm8k", "MIT", null, "problems beyond a model of this size"),
        ("tinyshakespeare", "public domain", null, "harder English than this model is for"),
    ];

    private static readonly string[] GrownUp =
    [
        "A Lady Of Quality", "Phantastes", "The Other Wise Man", "Hospital Sketches", "The Abbot's Ghost", "An Ideal Husband", "The Importance of Being Earnest", "The Picture of Dorian Gray", "The Body Snatcher",
        "The Strange Case of Dr. Jekyll and Mr. Hyde", "As Easy as A.B.C.", "The Man Who Would Be King", "With the Night Mail", "Stand for Mars", "Andy Gordon", "Kim.md",
    ];

    /// <summary>
    /// Writes a JSONL file of documents for each set, one of what is held out, and a receipt of the sources. Where there is no such folder, the receipt says so and
    /// there are no documents.
    /// </summary>
    public static void Write(string source, string folder, TextWriter log)
    {
        Directory.CreateDirectory(folder);
        bool isThere = Directory.Exists(source);
        using var receipt = new MemoryStream();
        using (var json = new Utf8JsonWriter(receipt, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteBoolean("corpus_found", isThere);
            if (!isThere)
            {
                json.WriteString("note", "no corpus was there: the generator's texts are all that was learnt from");
                log.WriteLine($"{source}: no such folder; the generator's texts alone are used");
            }
            json.WriteStartArray("sources");
            foreach (string set in isThere ? Sets : [])
            {
                using StreamWriter learnt = new(Path.Combine(folder, set + ".jsonl")), heldOut = new(Path.Combine(folder, set + ".heldout.jsonl"));
                foreach ((string name, string licence, _, string reason) in Sources.Where(entry => entry.Set == set)) WriteSource(Path.Combine(source, name), licence, reason, learnt, heldOut, json, log);
            }
            foreach ((string name, string licence, _, string reason) in Sources.Where(entry => entry.Set is null && isThere)) WriteSource(Path.Combine(source, name), licence, reason, null, null, json, log);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        File.WriteAllBytes(Path.Combine(folder, "receipt.json"), receipt.ToArray());
    }

    private static void WriteSource(string folder, string licence, string reason, StreamWriter? learnt, StreamWriter? heldOut, Utf8JsonWriter json, TextWriter log)
    {
        if (!Directory.Exists(folder)) return;
        json.WriteStartObject();
        json.WriteString("folder", Path.GetFileName(folder));
        json.WriteString("licence", licence);
        json.WriteBoolean("used", learnt is not null);
        json.WriteString("reason", reason);
        if (learnt is not null) WriteDocuments(folder, learnt, heldOut!, json, log);
        json.WriteEndObject();
    }

    private static void WriteDocuments(string folder, StreamWriter learnt, StreamWriter heldOut, Utf8JsonWriter json, TextWriter log)
    {
        int documents = 0;
        long characters = 0;
        SortedSet<string> authors = new(StringComparer.Ordinal);
        foreach (string path in Directory.GetFiles(folder).Order(StringComparer.Ordinal))
        {
            if (Path.GetFileName(path) == "SOURCE.txt" || path.EndsWith("README.md", StringComparison.Ordinal) || GrownUp.Any(title => path.Contains(title, StringComparison.Ordinal))) continue;
            foreach (string document in Documents(path, authors).Where(document => document.Length > 0))
            {
                bool isHeldOut = Chance.Mix(HeldOut.Hash(document)) % OneIn == 0;
                (isHeldOut ? heldOut : learnt).WriteLine(JsonSerializer.Serialize(new Dictionary<string, string> { ["text"] = document }));
                if (isHeldOut) continue;
                documents++;
                characters += document.Length;
            }
        }
        json.WriteNumber("documents", documents);
        json.WriteNumber("characters", characters);
        json.WriteStartArray("authors");
        foreach (string author in authors) json.WriteStringValue(author);
        json.WriteEndArray();
        log.WriteLine($"{Path.GetFileName(folder),-24} {documents,7:N0} documents {characters,12:N0} characters");
    }

    private static IEnumerable<string> Documents(string path, SortedSet<string> authors)
    {
        string text = File.ReadAllText(path).Replace("\r", "", StringComparison.Ordinal);
        if (path.EndsWith(".json", StringComparison.Ordinal))
        {
            foreach (JsonElement fable in JsonDocument.Parse(text).RootElement.EnumerateArray())
                yield return Clean($"{fable.GetProperty("title").GetString()}\n\n{fable.GetProperty("fable").GetString()}");
            authors.Add("Aesop, as told in the edition of the Library of Congress");
            yield break;
        }
        string name = Path.GetFileNameWithoutExtension(path);
        Match author = TextCredit().Match(text);
        if (author.Success)
        {
            authors.Add(author.Groups[1].Value.Trim());
            yield return Clean(StoryBook(text));
            yield break;
        }
        authors.Add(name.Replace("__", ": ", StringComparison.Ordinal));
        foreach (string piece in Pieces(Clean(Book(text)))) yield return piece;
    }

    /// <summary>Pages become paragraphs; page marks and the lines about the licence go.</summary>
    private static string StoryBook(string text)
    {
        int credits = text.IndexOf("\n* License:", StringComparison.Ordinal);
        if (credits >= 0) text = text[..credits];
        string[] pages = [.. text.Split("\n##").Select(page => string.Join(' ', page.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).Trim()).Where(page => page.Length > 0)];
        return string.Join("\n\n", pages.Select(page => page.TrimStart('#').Trim()));
    }

    /// <summary>Without headings, marks of emphasis and what stands before the first chapter.</summary>
    private static string Book(string text)
    {
        int start = text.IndexOf("-------", StringComparison.Ordinal);
        if (start >= 0) text = text[(start + 7)..];
        IEnumerable<string> paragraphs = text.Split("\n\n").Select(paragraph => string.Join(' ', paragraph.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).Trim())
            .Where(paragraph => paragraph.Length > 0 && paragraph[0] is not ('#' or '!' or '[' or '|' or '<' or '*' or '-') && !paragraph.Contains("http", StringComparison.Ordinal));
        return string.Join("\n\n", paragraphs);
    }

    private static IEnumerable<string> Pieces(string text)
    {
        var piece = new System.Text.StringBuilder();
        foreach (string paragraph in text.Split("\n\n"))
        {
            if (piece.Length > 0) piece.Append("\n\n");
            piece.Append(paragraph);
            if (piece.Length < PieceLength) continue;
            yield return piece.ToString();
            piece.Clear();
        }
        if (piece.Length > 200) yield return piece.ToString();
    }

    private static string Clean(string text) => Spaces().Replace(text.Replace("\r", "", StringComparison.Ordinal).Replace('“', '"').Replace('”', '"').Replace('’', '\'').Replace('‘', '\'').Replace("—", " - ", StringComparison.Ordinal)
        .Replace('–', '-').Replace("…", "...", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal).Replace("*", "", StringComparison.Ordinal).Replace('\u00A0', ' ').Replace("\uFEFF", "", StringComparison.Ordinal), " ").Trim();

    [GeneratedRegex(@"\* Text: (.+)")]
    private static partial Regex TextCredit();

    [GeneratedRegex("[ \t]+")]
    private static partial Regex Spaces();
}
