using System.Globalization;
using System.Text;

namespace Gemma.Cli;

/// <summary>Text from a file or from standard input: UTF-8, or an error that says where it is not.</summary>
internal static class TextInput
{
    public const string StandardInput = "-";

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The text, without a byte order mark; null where there is neither a file nor anything piped in.</summary>
    public static string? Read(string? file)
    {
        if (file is null && !Console.IsInputRedirected) return null;
        string name = file is null or StandardInput ? "standard input" : file;
        byte[] bytes = ReadBytes(file, name);
        ReadOnlySpan<byte> text = bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsSpan(3) : bytes;
        try
        {
            return Strict.GetString(text);
        }
        catch (DecoderFallbackException failure)
        {
            throw new GemmaException(string.Create(CultureInfo.InvariantCulture,
                $"{name}: expected text in UTF-8, found byte 0x{failure.BytesUnknown![0]:X2} that is none; convert the text first, or check that it is a text"), failure);
        }
    }

    /// <summary>For a prompt: the line break at the end that editors and echo add is not part of it.</summary>
    public static string? ReadPrompt(string? file) => Read(file) is not string text ? null
        : text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2]
        : text.EndsWith('\n') ? text[..^1] : text;

    /// <summary>Opens a file, or standard input where there is none or it is "-".</summary>
    /// <exception cref="UsageException">There is no such file.</exception>
    public static Stream Open(string? file)
    {
        if (file is null or StandardInput) return Console.OpenStandardInput();
        if (Directory.Exists(file)) throw new UsageException($"{file}: expected a file, found a folder");
        try
        {
            return new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UsageException($"{file}: no such file; check the path");
        }
    }

    /// <summary>Ids as they are typed: 2,17,99, also with spaces.</summary>
    /// <exception cref="UsageException">One of them is no id.</exception>
    public static int[] ParseIds(string text)
    {
        string[] parts = text.Split((char[])[',', ' ', '\n', '\r', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length == 0) throw new UsageException("--ids: expected token ids such as 2,17,99, found none");
        return [.. parts.Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id
            : throw new UsageException($"--ids: expected token ids such as 2,17,99, found '{part}'"))];
    }

    private static byte[] ReadBytes(string? file, string name)
    {
        try
        {
            using Stream stream = Open(file);
            using var buffer = new MemoryStream();
            stream.CopyTo(buffer);
            return buffer.ToArray();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException($"{name}: cannot be read ({failure.Message}); check the path and its permissions", failure);
        }
    }
}
