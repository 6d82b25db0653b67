using System.Runtime.InteropServices;

namespace Gemma.Cli;

/// <summary>
/// Ctrl+C (and SIGTERM): the first time what runs is asked to stop, so that it can say how far it came; the second time the program ends at once. Files are
/// written under temporary names, so nothing half-done is left under its own.
/// </summary>
internal sealed class Interrupt : IDisposable
{
    public const int ExitCode = 130;

    private readonly Lock _lock = new();
    private readonly PosixSignalRegistration[] _registrations;
    private CancellationTokenSource _source = new();
    private Action? _hint;

    public Interrupt() => _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle)];

    public bool Happened => Token.IsCancellationRequested;

    public CancellationToken Token
    {
        get
        {
            lock (_lock) return _source.Token;
        }
    }

    /// <summary>For a program that goes on after an interruption: the next one counts as the first again.</summary>
    /// <param name="hint">Called on the first interruption, beside the token: what a second one will do.</param>
    public CancellationToken Rearm(Action? hint = null)
    {
        lock (_lock)
        {
            _hint = hint;
            if (!_source.IsCancellationRequested) return _source.Token;
            _source.Dispose();
            _source = new CancellationTokenSource();
            return _source.Token;
        }
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
        _source.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        CancellationTokenSource source;
        Action? hint;
        lock (_lock) (source, hint) = (_source, _hint);
        if (source.IsCancellationRequested || context.Signal == PosixSignal.SIGTERM && hint is not null) Environment.Exit(ExitCode);
        source.Cancel();
        hint?.Invoke();
    }
}
