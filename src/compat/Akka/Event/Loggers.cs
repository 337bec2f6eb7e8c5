using Akka.Actor;
using Akka.Dispatch;

namespace Akka.Event;

/// <summary>What a logger is sent first; it answers with <see cref="LoggerInitialized"/>.</summary>
public class InitializeLogger : INoSerializationVerificationNeeded
{
    public InitializeLogger(LoggingBus loggingBus) => LoggingBus = loggingBus;

    public LoggingBus LoggingBus { get; private set; }
}

public class LoggerInitialized : INoSerializationVerificationNeeded, IDeadLetterSuppression;

/// <summary>Bound to the mailbox of loggers.</summary>
public interface ILoggerMessageQueueSemantics : ISemantics;

/// <summary>A logger that is no actor, so that it works before the first and after the last of them.</summary>
public abstract class MinimalLogger : ActorRefBase, IInternalActorRef
{
    public sealed override ActorPath Path { get; } = new RootActorPath(new Address("akka", "all-systems")) / nameof(StandardOutLogger);

    bool IInternalActorRef.IsTerminated => false;

    IInternalActorRef IInternalActorRef.Parent => Nobody.Instance;

    ActorSystemImpl IInternalActorRef.SystemImpl => null;

    IActorRef IInternalActorRef.GetChild(ReadOnlySpan<string> names) => Nobody.Instance;

    void IInternalActorRef.SendSystemMessage(Dispatch.SysMsg.SystemMessage message)
    {
    }

    void IInternalActorRef.Stop()
    {
    }

    protected abstract void Log(object message);

    protected sealed override void TellInternal(object message, IActorRef sender) => Log(message);
}

/// <summary>Writes to the console at once, on the thread that logs.</summary>
public class StandardOutLogger : MinimalLogger
{
    public static ConsoleColor DebugColor { get; set; } = ConsoleColor.Gray;

    public static ConsoleColor ErrorColor { get; set; } = ConsoleColor.Red;

    public static ConsoleColor InfoColor { get; set; } = ConsoleColor.White;

    public static bool UseColors { get; set; } = true;

    public static ConsoleColor WarningColor { get; set; } = ConsoleColor.Yellow;

    protected override void Log(object message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (message is LogEvent logEvent)
            Print(logEvent);
        else
            Console.WriteLine(message);
    }

    internal static void Print(LogEvent logEvent)
    {
        if (!UseColors || Console.IsOutputRedirected)
        {
            Console.WriteLine(logEvent);
            return;
        }

        ConsoleColor color = logEvent.LogLevel() switch
        {
            LogLevel.DebugLevel => DebugColor,
            LogLevel.InfoLevel => InfoColor,
            LogLevel.WarningLevel => WarningColor,
            _ => ErrorColor,
        };
        lock (Console.Out)
        {
            Console.ForegroundColor = color;
            Console.WriteLine(logEvent);
            Console.ResetColor();
        }
    }
}

/// <summary>Writes to the console, on its own turn.</summary>
public class DefaultLogger : ActorBase, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    protected virtual void Print(LogEvent logEvent) => StandardOutLogger.Print(logEvent);

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case InitializeLogger:
                Sender.Tell(new LoggerInitialized());
                return true;
            case LogEvent logEvent:
                Print(logEvent);
                return true;
            default:
                return false;
        }
    }
}
