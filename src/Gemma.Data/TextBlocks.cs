using System.Buffers;

namespace Gemma.Data;

/// <summary>Text in blocks of whole lines, so that several threads can work on one large file.</summary>
internal static class TextBlocks
{
    private const int BlockBytes = 1 << 20, LongestLine = 1 << 30;

    /// <summary>Block after block; whoever has done with one gives its buffer back to the shared <see cref="ArrayPool{T}"/>.</summary>
    /// <param name="stream">In UTF-8; a mark at its begin that says so is left out.</param>
    /// <param name="name">What messages call it.</param>
    public static IEnumerable<(byte[] Buffer, int Length)> Read(Stream stream, string name)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BlockBytes);
        int length = stream.ReadAtLeast(buffer, 3, throwOnEndOfStream: false);
        if (buffer.AsSpan(0, length).StartsWith("\uFEFF"u8)) buffer.AsSpan(3, length -= 3).CopyTo(buffer);
        for (int read; (read = stream.Read(buffer, length, buffer.Length - length)) > 0;)
        {
            length += read;
            if (length < buffer.Length) continue;
            int end = buffer.AsSpan(0, length).LastIndexOf((byte)'\n') + 1;
            if (end == 0 && length >= LongestLine) throw new GemmaException($"{name}: a line is longer than 1 GiB; split it");
            byte[] next = ArrayPool<byte>.Shared.Rent(end == 0 ? length * 2 : Math.Max(BlockBytes, 2 * (length - end)));
            buffer.AsSpan(end, length - end).CopyTo(next);
            if (end > 0) yield return (buffer, end);
            else ArrayPool<byte>.Shared.Return(buffer);
            (buffer, length) = (next, length - end);
        }
        yield return (buffer, length);
    }
}
