using Akka.Actor;
using Akka.Event;
using Akka.TestKit.Internal;
using Akka.TestKit.TestEvent;

namespace Akka.TestKit;

/// <summary>
/// The logger of systems under test: writes what no filter mutes, and shows dead letters and unhandled messages to the filters.
/// </summary>
public class TestEventListener : DefaultLogger
{
    private readonly List<EventFilterBase> _filters = [];

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case InitializeLogger initialize:
                foreach (var type in (Type[])[typeof(Mute), typeof(Unmute), typeof(AllDeadLetters), typeof(UnhandledMessage)])
                    initialize.LoggingBus.Subscribe(Self, type);
                Sender.Tell(new LoggerInitialized());
                break;
            case Mute mute:
                _filters.AddRange(mute.Filters);
                break;
            case Unmute unmute:
                foreach (var filter in unmute.Filters) _filters.Remove(filter);
                break;
            case LogEvent log:
                if (!IsMuted(log)) Print(log);
                break;
            case UnhandledMessage unhandled:
                var text = $"Unhandled message from {unhandled.Sender}: {unhandled.Message}";
                _ = IsMuted(new Warning(unhandled.Recipient.Path.ToString(), unhandled.Recipient.GetType(), text));
                break;
            case AllDeadLetters letter:
                var source = letter.Recipient.Path.ToString();
                _ = IsMuted(new Warning(source, letter.Recipient.GetType(), letter));
                break;
            default:
                return false;
        }

        return true;
    }

    private bool IsMuted(LogEvent log)
    {
        foreach (var filter in _filters)
            if (filter.Apply(log)) return true;
        return false;
    }
}
