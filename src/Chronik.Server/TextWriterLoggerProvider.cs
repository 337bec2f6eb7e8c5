using System.Globalization;

namespace Chronik.Server;

/// <summary>Logs to a writer: standard output is kept for the ready line, and a console logger would cost start-up time.</summary>
internal sealed class TextWriterLoggerProvider(TextWriter target) : ILoggerProvider
{
    private readonly TextWriter _target = TextWriter.Synchronized(target);

    public ILogger CreateLogger(string categoryName) => new Logger(_target, categoryName);

    public void Dispose() => _target.Flush();

    private sealed class Logger(TextWriter target, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                var cause = exception is null ? string.Empty : $"\n{exception}";
                target.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"{DateTime.UtcNow:O} {logLevel} {category}: {formatter(state, exception)}{cause}"));
            }
        }
    }
}
