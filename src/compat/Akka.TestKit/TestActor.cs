using Akka.Actor;
using Akka.Event;

namespace Akka.TestKit;

/// <summary>Reacts to the messages of a test actor, before the test sees them.</summary>
public abstract class AutoPilot
{
    /// <summary>Returned by <see cref="Run"/>: go on with the same pilot.</summary>
    public static KeepRunning KeepRunning { get; } = KeepRunning.Instance;

    /// <summary>Returned by <see cref="Run"/>: no pilot from now on.</summary>
    public static NoAutoPilot NoAutoPilot { get; } = NoAutoPilot.Instance;

    public abstract AutoPilot Run(IActorRef sender, object message);
}

public sealed class NoAutoPilot : AutoPilot
{
    private NoAutoPilot()
    {
    }

    public static NoAutoPilot Instance { get; } = new();

    public override AutoPilot Run(IActorRef sender, object message) => this;
}

public sealed class KeepRunning : AutoPilot
{
    private KeepRunning()
    {
    }

    public static KeepRunning Instance { get; } = new();

    public override AutoPilot Run(IActorRef sender, object message) => this;
}

/// <summary>Puts every message into the queue of its test kit, and does what the test may not do outside of an actor.</summary>
internal sealed class InternalTestActor(TestQueue queue) : UntypedActor
{
    private AutoPilot _autoPilot = NoAutoPilot.Instance;
    private Func<object, bool> _ignore;

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case SetIgnore set:
                _ignore = set.Ignore;
                break;
            case SetAutoPilot set:
                _autoPilot = set.AutoPilot;
                break;
            case WatchActor watch:
                Context.Watch(watch.Actor);
                watch.Done.SetResult();
                break;
            case UnwatchActor unwatch:
                Context.Unwatch(unwatch.Actor);
                unwatch.Done.SetResult();
                break;
            case Spawn spawn:
                Create(spawn);
                break;
            default:
                var next = _autoPilot.Run(Sender, message);
                if (next is not KeepRunning) _autoPilot = next;
                if (_ignore == null || !_ignore(message)) queue.Add(new RealMessageEnvelope(message, Sender));
                break;
        }
    }

    /// <summary>Nothing shall be lost of what came after the test's last look.</summary>
    protected override void PostStop()
    {
        while (queue.Take(TimeSpan.Zero, CancellationToken.None) is { } left)
            Context.System.DeadLetters.Tell(new DeadLetter(left.Message, left.Sender ?? ActorRefs.NoSender, Self), left.Sender);
    }

    private void Create(Spawn spawn)
    {
        try
        {
            spawn.Done.SetResult(Context.ActorOf(spawn.Props, spawn.Name));
        }
        catch (Exception e)
        {
            spawn.Done.SetException(e);
        }
    }

    internal sealed record SetIgnore(Func<object, bool> Ignore) : INoSerializationVerificationNeeded;

    internal sealed record SetAutoPilot(AutoPilot AutoPilot) : INoSerializationVerificationNeeded;

    internal sealed record WatchActor(IActorRef Actor, TaskCompletionSource Done) : INoSerializationVerificationNeeded;

    internal sealed record UnwatchActor(IActorRef Actor, TaskCompletionSource Done) : INoSerializationVerificationNeeded;

    internal sealed record Spawn(Props Props, string Name, TaskCompletionSource<IActorRef> Done)
        : INoSerializationVerificationNeeded;
}
