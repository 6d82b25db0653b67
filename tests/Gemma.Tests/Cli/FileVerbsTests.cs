using System.Text.Json;
using Gemma.Formats;
using Gemma.Tests.Formats;
using Gemma.Tests.Hub;

namespace Gemma.Tests.Cli;

/// <summary>convert, quantize, pull, list, rm and chat.</summary>
public sealed class FileVerbsTests : IDisposable
{
    private readonly GemmaProgram _gemma = new();

    [Fact]
    public void A_model_goes_to_gguf_and_back_and_answers_the_same()
    {
        _gemma.Run("convert", Repository.TinyModel, "tiny.gguf").AssertWorks();
        _gemma.Run("convert", "tiny.gguf", "back").AssertWorks();
        string[] prompt = ["--temperature", "0", "--max-tokens", "20", "--quiet", "Once upon a time"];
        string expected = _gemma.Run(["run", .. prompt]).AssertWorks().Output;
        Assert.Equal(expected, _gemma.Run(["run", "-m", "tiny.gguf", .. prompt]).AssertWorks().Output);
        Assert.Equal(expected, _gemma.Run(["run", "-m", "back", .. prompt]).AssertWorks().Output);
        _gemma.Run("convert", Repository.TinyModel, "tiny.gguf").AssertFails(2, "tiny.gguf", "--force");

        JsonElement result = _gemma.Run("quantize", "tiny.gguf", "tiny-q8.gguf", "--type", "q8", "--json").Json;
        Assert.Equal("q8_0", result.GetProperty("type").GetString());
        Assert.True(new FileInfo(_gemma.PathOf("tiny-q8.gguf")).Length < new FileInfo(_gemma.PathOf("tiny.gguf")).Length * 0.6);
    }

    [Fact]
    public void A_model_is_fetched_listed_run_and_removed()
    {
        using var hub = new FakeHub();
        hub.Commit("google/gemma-2b-it", Directory.GetFiles(Repository.TinyModel).ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes));
        _gemma.Environment["HF_ENDPOINT"] = hub.Endpoint;
        ProgramResult pulled = _gemma.Run("pull", "gemma-2b-it").AssertWorks();
        Assert.True(File.Exists(Path.Combine(pulled.Output.TrimEnd(), "model.safetensors")));
        Assert.Contains("ai.google.dev/gemma/terms", pulled.Errors, StringComparison.Ordinal);

        JsonElement model = _gemma.Run("list", "--json").AssertWorks().Json.GetProperty("models")[0];
        Assert.Equal("google/gemma-2b-it", model.GetProperty("model").GetString());
        Assert.True(model.GetProperty("revisions")[0].GetProperty("complete").GetBoolean());
        string answer = _gemma.Run("run", "--offline", "-m", "google/gemma-2b-it", "--temperature", "0", "--max-tokens", "3", "Once upon a time").AssertWorks().Output;
        Assert.Equal("Once upon a time there was a\n", answer);

        _gemma.Run("rm", "gemma-2b-it").AssertWorks();
        Assert.Equal(0, _gemma.Run("list", "--json").AssertWorks().Json.GetProperty("models").GetArrayLength());
        _gemma.Run("rm", "gemma-2b-it").AssertFails(1, "not in the cache");
    }

    [Fact]
    public void Packed_weights_are_kept_shown_and_removed_and_the_model_stays()
    {
        // Smaller weights are packed in less time than it takes to look for a file: nothing is kept of them.
        GemmaConfig config = SmallModels.Config(GemmaArchitecture.Gemma1, width: 1024, layers: 1, vocabulary: 16_400);
        SmallModels.WriteGguf(_gemma.PathOf("large.gguf"), config, TensorType.BF16);
        string[] answer = ["run", "-m", "large.gguf", "--quant", "f32", "--ids", "2,5", "--temperature", "0", "--max-tokens", "4", "--ignore-eos", "--json"];
        ProgramResult first = _gemma.Run(answer).AssertWorks();
        string packed = _gemma.PathOf("large.gguf.f32.packed");
        Assert.Contains("kept", first.Errors, StringComparison.Ordinal);
        long bytes = new FileInfo(packed).Length;
        Assert.Equal(Ids(first), Ids(_gemma.Run(answer).AssertWorks()));

        JsonElement kept = Assert.Single(_gemma.Run("show", "large.gguf", "--json").AssertWorks().Json.GetProperty("packed").EnumerateArray());
        Assert.Equal(packed, kept.GetProperty("path").GetString());
        Assert.Equal(bytes, kept.GetProperty("bytes").GetInt64());
        Assert.Matches(@"packed +\S*large\.gguf\.f32\.packed [\d.]+ MB, for the next start\n", _gemma.Run("show", "large.gguf").AssertWorks().Output);

        JsonElement removed = _gemma.Run("rm", "--packed", "large.gguf", "--json", "--quiet").AssertWorks().Json;
        Assert.Equal(bytes, removed.GetProperty("freed_bytes").GetInt64());
        Assert.False(File.Exists(packed));
        Assert.True(File.Exists(_gemma.PathOf("large.gguf")));
        Assert.Empty(_gemma.Run("show", "large.gguf", "--json").AssertWorks().Json.GetProperty("packed").EnumerateArray());
        // There may be none.
        Assert.Contains("0 B", _gemma.Run("rm", "--packed", "large.gguf").AssertWorks().Errors, StringComparison.Ordinal);
        _gemma.Run("rm", "--packed", "nowhere.gguf").AssertFails(2, "nowhere.gguf");

        static int[] Ids(ProgramResult result) => [.. result.Json.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
    }

    [Fact]
    public void Packed_weights_in_the_cache_are_listed_and_removed_alone_or_with_their_model()
    {
        using var hub = new FakeHub();
        hub.Commit("google/gemma-2b-it", Directory.GetFiles(Repository.TinyModel).ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes));
        _gemma.Environment["HF_ENDPOINT"] = hub.Endpoint;
        string snapshot = _gemma.Run("pull", "gemma-2b-it").AssertWorks().Output.TrimEnd();
        // The tiny model is packed in less time than a file is found; what counts here is the name.
        string packed = Path.Combine(snapshot, "model.q8.packed");
        File.WriteAllBytes(packed, new byte[3_000_000]);
        Assert.Equal(3_000_000, Revision().GetProperty("packed_bytes").GetInt64());
        Assert.Contains("3.00 MB of it packed weights", _gemma.Run("list").AssertWorks().Output, StringComparison.Ordinal);

        Assert.Contains("packed weights removed", _gemma.Run("rm", "--packed", "gemma-2b-it").AssertWorks().Errors, StringComparison.Ordinal);
        Assert.False(File.Exists(packed));
        Assert.Equal(0, Revision().GetProperty("packed_bytes").GetInt64());
        Assert.True(Revision().GetProperty("complete").GetBoolean());

        File.WriteAllBytes(packed, new byte[3_000_000]);
        _gemma.Run("rm", "gemma-2b-it").AssertWorks();
        Assert.False(File.Exists(packed));

        JsonElement Revision() => _gemma.Run("list", "--json").AssertWorks().Json.GetProperty("models")[0].GetProperty("revisions")[0];
    }

    [Fact]
    public void A_conversation_goes_on_is_shown_saved_and_loaded()
    {
        // The embedded model with the end of turn as an end id counts as tuned: it takes turns, if not well.
        Directory.CreateDirectory(_gemma.PathOf("tuned"));
        foreach (string file in Directory.GetFiles(Repository.TinyModel)) File.Copy(file, Path.Combine(_gemma.PathOf("tuned"), Path.GetFileName(file)));
        File.WriteAllText(_gemma.PathOf("tuned/generation_config.json"), """{"eos_token_id": [1, 5]}""");
        string[] chat = ["chat", "-m", "tuned", "--temperature", "0", "--max-tokens", "8", "--system", "Be brief."];

        ProgramResult result = _gemma.RunWith("Hello\n/save talk.json\n/show prompt\n/set top-k 3\n/show effective\n/undo\n\"\"\"two\nlines\"\"\"\n/show prompt\n/bye\n", chat).AssertWorks();
        Assert.Contains("<bos><start_of_turn>user\nBe brief.\n\nHello<end_of_turn>\n<start_of_turn>model\n", result.Output, StringComparison.Ordinal);
        Assert.Contains("<bos><start_of_turn>user\nBe brief.\n\ntwo\nlines<end_of_turn>\n<start_of_turn>model\n", result.Output, StringComparison.Ordinal);
        Assert.Matches(@"top_k +3 +/set\n", result.Output);
        JsonElement messages = JsonDocument.Parse(File.ReadAllBytes(_gemma.PathOf("talk.json"))).RootElement.GetProperty("messages");
        Assert.Equal(["system", "user", "assistant"], messages.EnumerateArray().Select(message => message.GetProperty("role").GetString()));

        ProgramResult again = _gemma.RunWith("More\n/show prompt\n", [.. chat, "--load", "talk.json"]).AssertWorks();
        Assert.Contains("Hello<end_of_turn>\n<start_of_turn>model\n", again.Output, StringComparison.Ordinal);
        Assert.Contains("<start_of_turn>user\nMore<end_of_turn>\n", again.Output, StringComparison.Ordinal);
        // Each turn computes what is new.
        ProgramResult counted = _gemma.RunWith("Tell me a story about a fox and a crow, and about a piece of cheese, please.\nMore\n/show stats\n", [.. chat, "--json"]).AssertWorks();
        JsonElement[] turns = [.. counted.Output.Split('\n').Where(line => line.StartsWith('{')).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(0, turns[0].GetProperty("cached_prompt_tokens").GetInt32());
        Assert.InRange(turns[1].GetProperty("cached_prompt_tokens").GetInt32(), 32, turns[1].GetProperty("prompt_tokens").GetInt32() - 1);
        Assert.Matches(@"prefill \d+(\.\d+)? tok/s \(\d+ cached\) · ", counted.Output + counted.Errors);

        _gemma.RunWith("/frobnicate\n", chat).AssertFails(2, "/frobnicate", "/help");

        JsonElement run = _gemma.Run("run", "-m", "tuned", "--max-tokens", "3", "--json", "<end_of_turn>").AssertWorks().Json;
        Assert.Equal("<bos><start_of_turn>user\n<end_of_turn><end_of_turn>\n<start_of_turn>model\n", run.GetProperty("prompt").GetString());
    }

    public void Dispose() => _gemma.Dispose();
}
