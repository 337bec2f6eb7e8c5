using Akka.Actor;

namespace Akka.Event;

/// <summary>A message whose loss is nothing to report, such as one that a dying actor often gets.</summary>
public interface IDeadLetterSuppression;

/// <summary>A message that was not handled, whatever the reason. Published to the event stream.</summary>
public abstract class AllDeadLetters : IWrappedMessage
{
    private protected AllDeadLetters(object message, IActorRef sender, IActorRef recipient)
    {
        Message = message;
        Sender = sender;
        Recipient = recipient;
    }

    public object Message { get; }

    public IActorRef Recipient { get; }

    public IActorRef Sender { get; }

    public override string ToString() => $"{GetType().Name} from {Sender} to {Recipient}: <{Message}>";
}

/// <summary>There was nobody to take it.</summary>
public sealed class DeadLetter : AllDeadLetters
{
    public DeadLetter(object message, IActorRef sender, IActorRef recipient)
        : base(message, sender, recipient)
    {
        ArgumentNullException.ThrowIfNull(sender);
        ArgumentNullException.ThrowIfNull(recipient);
    }
}

/// <summary>There was nobody to take it, and that is nothing to report.</summary>
public sealed class SuppressedDeadLetter : AllDeadLetters
{
    public SuppressedDeadLetter(IDeadLetterSuppression message, IActorRef sender, IActorRef recipient)
        : base(message, sender, recipient)
    {
    }
}

/// <summary>It was left out on purpose, as by a full buffer.</summary>
public sealed class Dropped : AllDeadLetters
{
    public Dropped(object message, string reason, IActorRef sender, IActorRef recipient)
        : base(message, sender, recipient) => Reason = reason;

    public Dropped(object message, string reason, IActorRef recipient)
        : this(message, reason, ActorRefs.NoSender, recipient)
    {
    }

    public string Reason { get; }
}

/// <summary>Its receiver had no use for it.</summary>
public sealed class UnhandledMessage : AllDeadLetters
{
    public UnhandledMessage(object message, IActorRef sender, IActorRef recipient)
        : base(message, sender, recipient)
    {
    }
}

/// <summary>
/// Logs dead letters, as many as akka.log-dead-letters says, and what was unhandled where akka.actor.debug.unhandled asks for it.
/// </summary>
internal sealed class DeadLetterListener : ActorBase
{
    private readonly int _max;
    private readonly bool _unhandled;
    private readonly TimeSpan _suspend;
    private long _count;
    private bool _suspended;

    public DeadLetterListener()
    {
        Settings settings = Context.System.Settings;
        _max = settings.LogDeadLetters;
        _unhandled = settings.DebugUnhandledMessage;
        _suspend = settings.LogDeadLettersSuspendDuration;
    }

    protected override void PreStart()
    {
        if (_max > 0)
        {
            Context.System.EventStream.Subscribe(Self, typeof(DeadLetter));
            Context.System.EventStream.Subscribe(Self, typeof(Dropped));
        }

        if (_unhandled)
            Context.System.EventStream.Subscribe(Self, typeof(UnhandledMessage));
    }

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case ResumeLogging:
                _suspended = false;
                _count = 0;
                return true;
            case UnhandledMessage unhandled:
                Context.System.EventStream.Publish(new Debug(unhandled.Recipient.Path.ToString(), unhandled.Recipient.GetType(),
                    $"Unhandled message from {unhandled.Sender} : {unhandled.Message}"));
                return true;
            case AllDeadLetters letter:
                Log(letter);
                return true;
            default:
                return false;
        }
    }

    private void Log(AllDeadLetters letter)
    {
        if (_suspended)
            return;
        _count++;
        string reason = letter is Dropped dropped ? $" {dropped.Reason}" : string.Empty;
        string text = $"Message [{letter.Message.GetType().Name}] from {letter.Sender} to {letter.Recipient} was not delivered.{reason} "
            + $"[{_count}] dead letters encountered. Set akka.log-dead-letters and akka.log-dead-letters-during-shutdown to change this.";
        Context.System.EventStream.Publish(new Info(letter.Recipient?.Path.ToString() ?? nameof(DeadLetterListener),
            letter.Recipient?.GetType() ?? GetType(), text));
        if (_max == int.MaxValue || _count < _max)
            return;
        _suspended = true;
        if (_suspend > TimeSpan.Zero)
            Context.System.Scheduler.ScheduleTellOnce(_suspend, Self, ResumeLogging.Instance, ActorRefs.NoSender);
    }

    private sealed class ResumeLogging : IDeadLetterSuppression
    {
        public static readonly ResumeLogging Instance = new();
    }
}
