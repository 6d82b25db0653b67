using System.Text.Json;
using CsCheck;
using Gemma.Cpu;
using Gemma.Generation;

namespace Gemma.Tests.Generation;

/// <summary>The engine with the trained model of this repository, whose tokens have text.</summary>
public sealed class EngineTextTests : IDisposable
{
    private static readonly JsonElement Official = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.TinyModel, "golden.json"))).RootElement;

    private readonly GemmaModel _model = GemmaModel.Load(Repository.TinyModel, new LoadOptions { Type = WeightType.F32 });
    private readonly Engine _engine;

    public EngineTextTests() => _engine = new Engine(_model, new EngineOptions { RunInBackground = false, KvType = KvType.Float32 });

    public void Dispose()
    {
        _engine.Dispose();
        _model.Dispose();
    }

    private static int[] Ints(JsonElement element) => [.. element.EnumerateArray().Select(item => item.GetInt32())];

    private void Drain()
    {
        while (_engine.Step())
        {
        }
    }

    private (GenerationResult Result, string[] Streamed) Answer(int[] prompt, GenerationOptions options)
    {
        Sequence sequence = _engine.Submit(prompt, options);
        Drain();
        return (sequence.Completion.Result, [.. sequence.ToBlockingEnumerable().Select(token => token.Text)]);
    }

    [Fact]
    public async Task Greedy_continuations_are_those_of_the_official_code_all_in_one_batch()
    {
        JsonElement[] cases = [.. Official.GetProperty("greedy").EnumerateArray()];
        Sequence[] sequences = [.. cases.Select(c => _engine.Submit([_model.Config.BosId, .. _model.Tokenizer!.Encode(c.GetProperty("prompt").GetString()!)],
            GenerationOptions.Greedy with { MaxTokens = 40 }))];
        Drain();
        for (int i = 0; i < cases.Length; i++)
        {
            GenerationResult result = await sequences[i].Completion;
            Assert.Equal(Ints(cases[i].GetProperty("greedy_ids")), result.Ids);
            Assert.Equal(cases[i].GetProperty("greedy_text").GetString(), result.Text);
        }
    }

    [Fact]
    public async Task Losses_are_those_of_the_official_code()
    {
        foreach (JsonElement c in Official.GetProperty("greedy").EnumerateArray())
        {
            Task<TextScore> score = _engine.ScoreAsync(Ints(c.GetProperty("ids")));
            Drain();
            Assert.Equal(c.GetProperty("nll").EnumerateArray().Select(item => -item.GetSingle()), (await score).LogProbs, (x, y) => MathF.Abs(x - y) < 1e-4f);
        }
        Task<TextScore> text = _engine.ScoreAsync(Ints(Official.GetProperty("text_ids")));
        Drain();
        Assert.Equal(Official.GetProperty("text_total_nll").GetDouble(), (await text).NegativeLogLikelihood, 1e-2);
    }

    [Fact]
    public void A_stop_string_ends_the_answer_wherever_it_lies_across_tokens()
    {
        JsonElement first = Official.GetProperty("greedy")[0];
        int[] prompt = Ints(first.GetProperty("ids"));
        string text = first.GetProperty("greedy_text").GetString()!;
        Gen.Select(Gen.Int[0, text.Length - 1], Gen.Int[1, 12]).Sample((start, length) =>
        {
            string stop = text[start..Math.Min(text.Length, start + length)];
            (GenerationResult result, string[] streamed) = Answer(prompt, GenerationOptions.Greedy with { MaxTokens = 40, Stop = ["never there", stop] });
            Assert.Equal((FinishReason.StopString, stop), (result.FinishReason, result.StopString));
            Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], result.Text);
            Assert.Equal(result.Text, string.Concat(streamed));
        }, seed: "0000000000001", iter: 25, threads: 1);
    }

    [Fact]
    public void What_was_held_back_for_a_stop_string_comes_with_the_last_token()
    {
        JsonElement first = Official.GetProperty("greedy")[0];
        string text = first.GetProperty("greedy_text").GetString()!;
        GenerationOptions options = GenerationOptions.Greedy with { MaxTokens = 40, Stop = [text[^6..] + "!"] };
        (GenerationResult result, string[] streamed) = Answer(Ints(first.GetProperty("ids")), options);
        Assert.Equal((FinishReason.Length, text, text), (result.FinishReason, result.Text, string.Concat(streamed)));
    }

    [Fact]
    public void The_end_id_comes_without_text_and_the_bytes_of_a_character_come_together()
    {
        int first = Id("<0xC3>"), second = Id("<0xA9>"), end = _model.Config.EosIds[0];
        // What has been said is penalised below what has not: the first byte, the second, then the end.
        GenerationOptions options = GenerationOptions.Greedy with
        {
            FrequencyPenalty = 5000,
            LogitBias = new Dictionary<int, float> { [first] = 3000, [second] = 2000, [end] = 1000 },
        };
        (GenerationResult result, string[] streamed) = Answer([_model.Config.BosId], options);
        Assert.Equal([first, second, end], result.Ids);
        Assert.Equal(["", "é", ""], streamed);
        Assert.Equal((FinishReason.Stop, "é"), (result.FinishReason, result.Text));

        // A character that is cut off is shown as such.
        (result, streamed) = Answer([_model.Config.BosId], options with { MaxTokens = 1 });
        Assert.Equal(["\uFFFD"], streamed);

        int Id(string piece) => Enumerable.Range(0, _model.Config.VocabularySize).Single(i => _model.Tokenizer!.Model.Pieces[i].Text == piece);
    }
}
