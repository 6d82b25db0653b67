using System.Globalization;
using System.Text;
using System.Text.Json;
using Gemma.Generation;
using Gemma.Tokenization;

namespace Gemma.Recipes.Tiny;

/// <summary>Copies the models of finished runs to where the repository keeps them, with all that says how they came about.</summary>
internal static class Publish
{
    private const int LogStride = 20; // one step of so many stays in the log that is kept; all evaluations do

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>How the models are to be sampled, for people and for the held-out test of continuations.</summary>
    public static readonly GenerationOptions Sampling = new() { Temperature = 0.7f, TopK = 40, TopP = 0.95f };

    /// <param name="work">The folder that run.sh worked in.</param>
    /// <param name="models">Gets tiny-pt and tiny-it.</param>
    /// <param name="log">Hears what was written.</param>
    public static void Write(string work, string models, TextWriter log)
    {
        Run pretrained = Run.Read(Path.Combine(work, "pretrain")), tuned = Run.Read(Path.Combine(work, "tune"));
        Write(work, Path.Combine(models, "tiny-pt"), pretrained, "pretrain.json", isTuned: false, Card(work, pretrained, null));
        Write(work, Path.Combine(models, "tiny-it"), tuned, "sft.json", isTuned: true, Card(work, pretrained, tuned));
        log.WriteLine($"{models}: tiny-pt after {pretrained.Tokens:N0} tokens, tiny-it after {tuned.Tokens:N0} more");
    }

    private static void Write(string work, string folder, Run run, string settings, bool isTuned, string card)
    {
        Directory.CreateDirectory(folder);
        foreach (string file in (ReadOnlySpan<string>)["config.json", "tokenizer.model", "model.safetensors"]) File.Copy(Path.Combine(run.Folder, "model", file), Path.Combine(folder, file), overwrite: true);
        if (isTuned) File.Copy(Path.Combine(work, "measured.json"), Path.Combine(folder, "measured.json"), overwrite: true);
        File.Copy(Path.Combine(run.Folder, "loss.svg"), Path.Combine(folder, "loss.svg"), overwrite: true);
        File.Copy(Path.Combine(work, settings), Path.Combine(folder, settings), overwrite: true);
        File.WriteAllLines(Path.Combine(folder, "log.jsonl"), ThinLog(Path.Combine(run.Folder, "log.jsonl")));
        var tokenizer = SentencePieceTokenizer.Load(Path.Combine(folder, "tokenizer.model"));
        var generation = new Dictionary<string, object>
        {
            ["bos_token_id"] = tokenizer.BosId,
            // A turn ends with its marker, and by this the program knows a tuned model.
            ["eos_token_id"] = isTuned ? new[] { tokenizer.EosId, tokenizer.EndOfTurnId!.Value } : [tokenizer.EosId],
            ["pad_token_id"] = tokenizer.PadId,
            ["do_sample"] = true,
            ["temperature"] = 0.7,
            ["top_k"] = Sampling.TopK,
            ["top_p"] = 0.95,
        };
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), JsonSerializer.Serialize(generation, Readable) + "\n");
        var receipt = new Dictionary<string, JsonElement> { ["seen"] = run.Data, ["generator"] = Json(work, "texts/generated.json"), ["corpus"] = Json(work, "corpus/receipt.json") };
        foreach (string shards in Directory.GetDirectories(Path.Combine(work, "shards")).Order(StringComparer.Ordinal)) receipt["tokens of " + Path.GetFileName(shards)] = Summary(Path.Combine(shards, "receipt.json"));
        File.WriteAllText(Path.Combine(folder, "receipt.json"), JsonSerializer.Serialize(receipt, Readable) + "\n");
        File.WriteAllText(Path.Combine(folder, "README.md"), card);
    }

    private static IEnumerable<string> ThinLog(string file)
    {
        foreach (string line in File.ReadLines(file))
        {
            using JsonDocument entry = JsonDocument.Parse(line);
            bool isStep = entry.RootElement.TryGetProperty("learning_rate", out _);
            if (!isStep || entry.RootElement.GetProperty("step").GetInt32() is var step && (step == 1 || step % LogStride == 0)) yield return line;
        }
    }

    private static JsonElement Json(string work, string file) => JsonDocument.Parse(File.ReadAllText(Path.Combine(work, file))).RootElement;

    /// <summary>The counts and hashes of a receipt of shards, without paths of the machine.</summary>
    private static JsonElement Summary(string file)
    {
        JsonElement receipt = JsonDocument.Parse(File.ReadAllText(file)).RootElement;
        return JsonSerializer.SerializeToElement(new Dictionary<string, JsonElement>
        {
            ["documents"] = receipt.GetProperty("documents"),
            ["tokens"] = receipt.GetProperty("tokens"),
            ["skipped"] = receipt.GetProperty("skipped"),
            ["tokenizer"] = receipt.GetProperty("tokenizer"),
            ["shards"] = receipt.GetProperty("shards"),
        });
    }

    private static string Card(string work, Run pretrained, Run? tuned)
    {
        JsonElement corpus = Json(work, "corpus/receipt.json");
        bool hasCorpus = corpus.GetProperty("corpus_found").GetBoolean();
        var text = new StringBuilder();
        text.Append(tuned is null ? "# tiny-pt: a very small model that continues simple English texts\n" : "# tiny-it: a very small model that takes turns\n");
        text.Append("Gemma 1 architecture, 5.57 million parameters (width 256, 6 layers, 4 heads, 1 key head, head 64, MLP 768, vocabulary 4096, context 512), bf16, Hugging Face layout. Made by\n`recipes/tiny/run.sh` with this project's own trainer, on a processor, from nothing.\n\n");
        text.Append(CultureInfo.InvariantCulture, $"Pretrained on {pretrained.Tokens:N0} tokens in {pretrained.Seconds / 60:N0} minutes: training loss {pretrained.TrainingLoss:F3}{(pretrained.ValidationLoss is double held ? FormattableString.Invariant($", held out {held:F3}") : "")} nats a token.\n");
        if (tuned is not null) text.Append(CultureInfo.InvariantCulture, $"Tuned on {tuned.Tokens:N0} tokens of conversations in {tuned.Seconds / 60:N0} minutes, loss on the model's turns only: {tuned.TrainingLoss:F3}{(tuned.ValidationLoss is double heldOut ? FormattableString.Invariant($", held out {heldOut:F3}") : "")}.\n");
        text.Append("\n## What it learnt from\nStories, questions, sums, Python functions and small facts that the recipe's generator wrote");
        text.Append(hasCorpus ? ", storybooks under CC BY, fables and children's classics in the public domain (US). `receipt.json` names their\nauthors and licences, counts documents and tokens, and says how often each set was seen. No text under a share-alike licence was used.\n"
            : ", and nothing else: no corpus was there.\n");
        text.Append("\n## Held-out tests\n");
        if (tuned is null) text.Append("See `../tiny-it`: the tests are of the tuned model.\n");
        else
        {
            JsonElement measured = Json(work, "measured.json");
            text.Append("Nothing that is asked was learnt: see `recipes/tiny/README.md`. Sums, questions and summaries are answered greedily, continuations drawn with temperature 0.7, top-k 40, top-p 0.95.\n\n| test | right | of | share | 95 % interval | bar |\n|---|---|---|---|---|---|\n");
            foreach (JsonElement test in measured.GetProperty("tests").EnumerateArray())
            {
                text.Append(CultureInfo.InvariantCulture, $"| {test.GetProperty("test").GetString()} | {test.GetProperty("right").GetInt32()} | {test.GetProperty("of").GetInt32()} | {100 * test.GetProperty("share").GetDouble():F1} % ");
                text.Append(CultureInfo.InvariantCulture, $"| {100 * test.GetProperty("low").GetDouble():F1} … {100 * test.GetProperty("high").GetDouble():F1} | {(test.TryGetProperty("bar", out JsonElement bar) ? FormattableString.Invariant($"{100 * bar.GetDouble():F0} %") : "")} |\n");
            }
        }
        text.Append("\n## What it is for, and what not\nIt shows that everything works, starts at once, and needs no download. It tells simple stories");
        text.Append(tuned is null ? " and follows no instructions.\n" : ", answers questions about short ones, adds and subtracts numbers\nbelow 100, and writes Python functions of one line. It knows nothing of the world, makes mistakes, and must not be relied on.\n");
        text.Append("\nBeside the weights: `loss.svg` (loss curve), `log.jsonl` (one step in twenty and all evaluations), the settings of the run, `receipt.json` (what was seen).\n");
        return text.ToString();
    }

    /// <summary>A finished run of the trainer.</summary>
    private sealed record Run(string Folder, long Tokens, double Seconds, double TrainingLoss, double? ValidationLoss, JsonElement Data)
    {
        public static Run Read(string folder)
        {
            string checkpoints = Path.Combine(folder, "checkpoints");
            string last = Directory.Exists(checkpoints) ? Directory.GetDirectories(checkpoints, "step-*").Order(StringComparer.Ordinal).LastOrDefault() ?? "" : "";
            if (last.Length == 0 || !Directory.Exists(Path.Combine(folder, "model"))) throw new UsageException($"{folder}: expected a finished run, found none; let run.sh train to the end first");
            JsonElement state = JsonDocument.Parse(File.ReadAllText(Path.Combine(last, "trainer.json"))).RootElement;
            return new Run(folder, state.GetProperty("tokens").GetInt64(), state.GetProperty("seconds").GetDouble(), state.GetProperty("training_loss").GetDouble(),
                state.TryGetProperty("validation_loss", out JsonElement held) ? held.GetDouble() : null, state.GetProperty("data"));
        }
    }
}
