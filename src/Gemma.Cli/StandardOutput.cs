using Microsoft.Win32.SafeHandles;

namespace Gemma.Cli;

/// <summary>Whoever read the output has closed it.</summary>
internal sealed class ClosedPipeException(IOException inner) : IOException(inner.Message, inner);

/// <summary>Standard output that tells when its reader has gone, which the runtime's own stream keeps to itself.</summary>
internal sealed class StandardOutput : Stream
{
    private readonly Stream _stream = Open();

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            _stream.Write(buffer);
        }
        catch (IOException failure) when (IsClosedPipe(failure))
        {
            throw new ClosedPipeException(failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException($"standard output cannot be written ({failure.Message}); check where it goes", failure);
        }
    }

    public override void Flush() => _stream.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private static Stream Open()
    {
        if (!Console.IsOutputRedirected || OperatingSystem.IsWindows()) return Console.OpenStandardOutput();
        var pipe = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        // In a file it would keep a position of its own, and what other programs append to the same file would land on top of ours.
        return pipe.CanSeek ? Console.OpenStandardOutput() : pipe;
    }

    /// <summary>EPIPE.</summary>
    private static bool IsClosedPipe(IOException failure) => failure.HResult == 32;
}
