using System.Globalization;
using Gemma.Formats;

namespace Gemma.Cli;

/// <summary>What <c>gemma convert</c> and <c>gemma quantize</c> have in common.</summary>
internal static class Conversion
{
    /// <summary>Runs it while the user watches, and says what was lost.</summary>
    /// <param name="call">The call.</param>
    /// <param name="source">What the user calls the source.</param>
    /// <param name="destination">A .gguf file, else a folder.</param>
    /// <param name="type">Type of the matrices; null keeps it.</param>
    /// <param name="what">What the user sees it called.</param>
    /// <param name="adapter">The folder of an adapter that is merged into the weights.</param>
    public static async Task<int> RunAsync(Invocation call, string source, string destination, TensorType? type, string what, string? adapter = null)
    {
        string path = await ModelSource.LocateAsync(call, source).ConfigureAwait(false);
        using ModelFiles files = ModelFiles.Open(path);
        LoraAdapter? merged = adapter is null ? null : LoraAdapter.Load(adapter, files.Config);
        double bytes = files.Tensors.Tensors.Values.Sum(tensor => (double)tensor.ByteCount);
        ConversionResult result = call.Screen.Watch(what, bytes, progress => ModelConverter.Convert(files, destination,
            new ConvertOptions { Type = type, Adapter = merged, Force = call.Get(Flags.Force), Threads = call.Value(Setting.Threads) ?? 0, Progress = progress }, call.Cancellation));
        // What the new files lack must be seen, also by those who want quiet.
        foreach (string note in result.Notes) call.Screen.Warn(note);
        if (call.Screen.Json)
        {
            call.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("path", result.Path);
                json.WriteString("type", Name(result.Type));
                json.WriteNumber("tensor_bytes", result.TensorBytes);
                json.WriteStartArray("notes");
                foreach (string note in result.Notes) json.WriteStringValue(note);
                json.WriteEndArray();
                json.WriteEndObject();
            });
        }
        call.Screen.Note(string.Create(CultureInfo.InvariantCulture, $"{result.Path}: {Name(result.Type)}, {Amount.Bytes(result.TensorBytes)}"));
        return 0;
    }

    /// <summary>A type as it is typed, with q8 and q4 for q8_0 and q4_0, and the usual name q4_k_m for q4_k and what goes with it.</summary>
    /// <exception cref="UsageException">It is none that can be written.</exception>
    public static TensorType ParseType(string text, params ReadOnlySpan<TensorType> allowed)
    {
        string wanted = text.ToLowerInvariant() switch { "q8" or "q4" => text + "_0", "q4_k_m" => text[..4], _ => text };
        foreach (TensorType type in allowed)
            if (Name(type).Equals(wanted, StringComparison.OrdinalIgnoreCase)) return type;
        throw new UsageException($"--type: expected {string.Join(", ", allowed.ToArray().Select(Name))}, found '{text}'");
    }

    public static string Name(TensorType type) => type.ToString().ToLowerInvariant();
}
