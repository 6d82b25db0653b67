using System.Text.Json;

namespace Gemma.Cli;

/// <summary>The dimensions of a model in JSON, under the names of <c>config.json</c>.</summary>
internal static class ModelShape
{
    public static void Write(Utf8JsonWriter json, GemmaConfig config)
    {
        json.WriteStartObject("shape");
        json.WriteNumber("vocab_size", config.VocabularySize);
        json.WriteNumber("hidden_size", config.Width);
        json.WriteNumber("intermediate_size", config.FeedForwardWidth);
        json.WriteNumber("num_hidden_layers", config.LayerCount);
        json.WriteNumber("num_attention_heads", config.HeadCount);
        json.WriteNumber("num_key_value_heads", config.KeyValueHeadCount);
        json.WriteNumber("head_dim", config.HeadDimension);
        json.WriteNumber("max_position_embeddings", config.ContextLength);
        json.WriteNumber("sliding_window", config.SlidingWindow);
        json.WriteNumber("windowed_layers", config.WindowedLayers.Count(windowed => windowed));
        json.WriteEndObject();
    }
}
