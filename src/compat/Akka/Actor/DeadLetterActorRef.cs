using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor;

/// <summary>A path at which there is no actor: messages become dead letters, a watch is answered at once.</summary>
internal class EmptyLocalActorRef(ActorSystemImpl system, ActorPath path) : MinimalActorRef
{
    public override ActorPath Path => path;

    public override ActorSystemImpl SystemImpl => system;

    public override bool IsTerminated => true;

    public override void SendSystemMessage(SystemMessage message) => system.DeadLetterSystem(message, this);

    protected override void TellInternal(object message, IActorRef sender)
    {
        switch (WithoutSelection(message))
        {
            case DeadLetter deadLetter:
                TellInternal(deadLetter.Message, deadLetter.Sender);
                break;
            case Identify identify:
                sender?.Tell(new ActorIdentity(identify.MessageId, null), ActorRefs.NoSender);
                break;
            case IDeadLetterSuppression suppressed:
                system.EventStream.Publish(new SuppressedDeadLetter(suppressed, sender ?? system.DeadLetters, this));
                break;
            case var undelivered:
                system.EventStream.Publish(new DeadLetter(undelivered, sender ?? system.DeadLetters, this));
                break;
        }
    }

    protected static object WithoutSelection(object message)
    {
        while (message is ActorSelectionMessage selection)
            message = selection.Message;
        return message;
    }
}

/// <summary>The end of every message that nobody takes. It is published to the event stream.</summary>
internal sealed class DeadLetterActorRef(ActorSystemImpl system, ActorPath path) : EmptyLocalActorRef(system, path)
{
    public override bool IsTerminated => false;

    protected override void TellInternal(object message, IActorRef sender)
    {
        if (message is not DeadLetter deadLetter)
        {
            base.TellInternal(message, sender);
            return;
        }

        switch (WithoutSelection(deadLetter.Message))
        {
            case Identify identify:
                deadLetter.Sender?.Tell(new ActorIdentity(identify.MessageId, null), ActorRefs.NoSender);
                break;
            case IDeadLetterSuppression suppressed:
                SystemImpl.EventStream.Publish(new SuppressedDeadLetter(suppressed, deadLetter.Sender, deadLetter.Recipient));
                break;
            default:
                SystemImpl.EventStream.Publish(deadLetter);
                break;
        }
    }
}

/// <summary>Drops what it gets, without a dead letter.</summary>
internal sealed class IgnoreActorRef(ActorSystemImpl system) : MinimalActorRef
{
    public override ActorPath Path { get; } = new RootActorPath(new Address("akka", "local")) / "ignore";

    public override ActorSystemImpl SystemImpl => system;
}
