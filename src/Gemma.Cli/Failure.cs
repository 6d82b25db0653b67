namespace Gemma.Cli;

/// <summary>Turns what went wrong into one line on standard error and an exit code.</summary>
internal static class Failure
{
    public const int ExitCode = 1, UsageExitCode = 2;

    public static int Report(Exception failure, Screen screen)
    {
        if (failure is AggregateException { InnerExceptions: [Exception only] }) return Report(only, screen);
        // Whoever closed the pipe (`gemma run … | head -1`) has what they wanted.
        if (failure is ClosedPipeException) return 0;
        (int code, string line) = Describe(failure);
        try
        {
            screen.Flush();
        }
        catch (Exception other) when (other is IOException or GemmaException)
        {
            // The first failure is the news.
        }
        screen.Error(line);
        if (screen.Verbose) screen.Trace(failure.ToString());
        return code;
    }

    private static (int Code, string Line) Describe(Exception failure) => failure switch
    {
        GemmaException known => (known.ExitCode, known.Message),
        OperationCanceledException => (Interrupt.ExitCode, "interrupted"),
        OutOfMemoryException => (ExitCode, "there is not enough memory for this; take a smaller model, a smaller --quant (q8, q4) or a smaller --context"),
        IOException or UnauthorizedAccessException => (ExitCode, failure.Message),
        _ => (ExitCode, $"this should not happen: {failure.GetType().Name}: {failure.Message}; run it again with --verbose and report what it says"),
    };
}
