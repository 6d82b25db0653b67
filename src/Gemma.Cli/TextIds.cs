using Gemma.Tokenization;

namespace Gemma.Cli;

/// <summary>The ids of the text that a verb measures: of --ids as they are, or of a file or standard input with <c>&lt;bos&gt;</c> before it.</summary>
internal static class TextIds
{
    /// <summary>The text as it stands in the file, last line break and all; <c>&lt;bos&gt;</c> goes before it.</summary>
    /// <exception cref="UsageException">There is no text, or no tokenizer to read it.</exception>
    public static int[] Read(Invocation call, GemmaModel model, string? text = null)
    {
        SentencePieceTokenizer tokenizer = model.Tokenizer
            ?? throw new UsageException("this model's files hold no tokenizer, so it cannot read a text; put tokenizer.model beside the weights, or give --ids");
        text ??= TextInput.Read(call.Get(Flags.File)) ?? throw new UsageException("there is no text; give --file or --ids, or pipe it in");
        return [tokenizer.BosId, .. tokenizer.EncodeText(text)];
    }
}
