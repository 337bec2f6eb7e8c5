using Akka.Event;

namespace Akka.Actor;

/// <summary>An actor with timers; the property is set before PreStart.</summary>
public interface IWithTimers
{
    ITimerScheduler Timers { get; set; }
}

/// <summary>
/// Messages that an actor sends to itself later. A key has one timer: starting it anew cancels the one before, and once cancelled no
/// message of it arrives, also when one was in the mailbox already. Timers end with the incarnation that started them.
/// </summary>
public interface ITimerScheduler
{
    IReadOnlyCollection<object> ActiveTimers { get; }

    void Cancel(object key);

    void CancelAll();

    bool IsTimerActive(object key);

    void StartPeriodicTimer(object key, object msg, TimeSpan interval);

    void StartPeriodicTimer(object key, object msg, TimeSpan interval, IActorRef sender);

    void StartPeriodicTimer(object key, object msg, TimeSpan initialDelay, TimeSpan interval);

    void StartPeriodicTimer(object key, object msg, TimeSpan initialDelay, TimeSpan interval, IActorRef sender);

    void StartSingleTimer(object key, object msg, TimeSpan timeout);

    void StartSingleTimer(object key, object msg, TimeSpan timeout, IActorRef sender);
}

/// <summary>A timer message on its way, with the generation that its key had when it was started.</summary>
internal class TimerMessage(TimerScheduler owner, object key, int generation, object message)
    : IAutoReceivedMessage, IWrappedMessage, INoSerializationVerificationNeeded, IDeadLetterSuppression
{
    public TimerScheduler Owner { get; } = owner;

    public object Key { get; } = key;

    public int Generation { get; } = generation;

    public object Message { get; } = message;
}

internal sealed class QuietTimerMessage(TimerScheduler owner, object key, int generation, object message)
    : TimerMessage(owner, key, generation, message), INotInfluenceReceiveTimeout;

internal sealed class TimerScheduler(ActorCell cell) : ITimerScheduler
{
    private readonly Dictionary<object, Timer> _timers = [];
    private int _generation;

    public IReadOnlyCollection<object> ActiveTimers => _timers.Keys;

    public void Cancel(object key)
    {
        if (_timers.Remove(key, out Timer timer))
            timer.Task.Cancel();
    }

    public void CancelAll()
    {
        foreach (Timer timer in _timers.Values)
            timer.Task.Cancel();
        _timers.Clear();
    }

    public bool IsTimerActive(object key) => _timers.ContainsKey(key);

    public void StartPeriodicTimer(object key, object msg, TimeSpan interval) => StartPeriodicTimer(key, msg, interval, interval, null);

    public void StartPeriodicTimer(object key, object msg, TimeSpan interval, IActorRef sender) =>
        StartPeriodicTimer(key, msg, interval, interval, sender);

    public void StartPeriodicTimer(object key, object msg, TimeSpan initialDelay, TimeSpan interval) =>
        StartPeriodicTimer(key, msg, initialDelay, interval, null);

    public void StartPeriodicTimer(object key, object msg, TimeSpan initialDelay, TimeSpan interval, IActorRef sender)
    {
        TimerMessage message = Next(key, msg);
        _timers[key] = new Timer(message.Generation, true,
            cell.SystemImpl.Scheduler.ScheduleTellRepeatedlyCancelable(initialDelay, interval, cell.Self, message, sender));
    }

    public void StartSingleTimer(object key, object msg, TimeSpan timeout) => StartSingleTimer(key, msg, timeout, null);

    public void StartSingleTimer(object key, object msg, TimeSpan timeout, IActorRef sender)
    {
        TimerMessage message = Next(key, msg);
        _timers[key] = new Timer(message.Generation, false,
            cell.SystemImpl.Scheduler.ScheduleTellOnceCancelable(timeout, cell.Self, message, sender));
    }

    /// <summary>The message of a timer that is still wanted.</summary>
    public bool TryTake(TimerMessage received, out object message)
    {
        message = received.Message;
        if (!ReferenceEquals(received.Owner, this) || !_timers.TryGetValue(received.Key, out Timer timer)
            || timer.Generation != received.Generation)
            return false;
        if (!timer.Repeats)
            _timers.Remove(received.Key);
        return true;
    }

    private TimerMessage Next(object key, object msg)
    {
        Cancel(key);
        int generation = ++_generation;
        return msg is INotInfluenceReceiveTimeout
            ? new QuietTimerMessage(this, key, generation, msg)
            : new TimerMessage(this, key, generation, msg);
    }

    private readonly record struct Timer(int Generation, bool Repeats, ICancelable Task);
}
