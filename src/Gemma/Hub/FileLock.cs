namespace Gemma.Hub;

/// <summary>
/// A file that one process at a time holds open alone. .NET takes it by flock on Unix, as Python's filelock does, so that huggingface_hub and this library
/// wait for each other; it is let go whichever way the process ends.
/// </summary>
internal static class FileLock
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <summary>Waits until the lock is free and takes it; dispose to let go. The file stays, because others may wait on it.</summary>
    /// <param name="waiting">Called once if someone else holds it.</param>
    public static async Task<IDisposable> AcquireAsync(string path, Action waiting, CancellationToken cancellation)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        for (bool told = false; ; told = true)
        {
            if (TryAcquire(path) is IDisposable held) return held;
            if (!told) waiting();
            await Task.Delay(Interval, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Null if someone else holds it.</summary>
    public static IDisposable? TryAcquire(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (IOException failure) when (IsHeld(failure))
        {
            return null;
        }
    }

    /// <summary>EWOULDBLOCK of Linux and of macOS; the sharing and the lock violation of Windows.</summary>
    private static bool IsHeld(IOException failure) =>
        OperatingSystem.IsWindows() ? (failure.HResult & 0xFFFF) is 32 or 33 : failure.HResult is 11 or 35;
}
