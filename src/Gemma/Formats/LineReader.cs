using System.Globalization;

namespace Gemma.Formats;

/// <summary>Lines of bytes, read from a stream as fast as they come.</summary>
/// <param name="stream">Where they come from.</param>
/// <param name="name">What messages call it.</param>
internal class LineReader(Stream stream, string name)
{
    private const int FirstBuffer = 1 << 16, LongestLine = 1 << 30;

    private byte[] _buffer = new byte[FirstBuffer];
    private int _start, _end;
    private bool _ended;

    /// <summary>Number of the line that was read last, from 1.</summary>
    public long Number { get; private set; }

    /// <summary>Called before a wait for more input: what a program at the other end waits for must be on its way.</summary>
    public Action? BeforeWait { get; init; }

    /// <summary>The next line without its line break; false at the end. Valid until the next call.</summary>
    public bool TryRead(out ReadOnlySpan<byte> line)
    {
        int searched = _start;
        while (true)
        {
            int end = _buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n');
            if (end >= 0 || (_ended && _end > _start))
            {
                int stop = end >= 0 ? searched + end : _end;
                line = _buffer.AsSpan(_start, stop - _start);
                _start = end >= 0 ? stop + 1 : stop;
                if (Number++ == 0 && line.StartsWith("\uFEFF"u8)) line = line[3..];
                return true;
            }
            if (_ended)
            {
                line = default;
                return false;
            }
            int kept = _end - _start;
            Fill();
            searched = _start + kept;
        }
    }

    protected string Name => name;

    private void Fill()
    {
        BeforeWait?.Invoke();
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }
        if (_end == _buffer.Length)
        {
            if (_buffer.Length >= LongestLine) throw new GemmaException(string.Create(CultureInfo.InvariantCulture, $"{name}, line {Number + 1}: longer than 1 GiB; split it"));
            Array.Resize(ref _buffer, _buffer.Length * 2);
        }
        int count = stream.Read(_buffer, _end, _buffer.Length - _end);
        _end += count;
        _ended = count == 0;
    }
}
