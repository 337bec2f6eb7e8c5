using Akka.Dispatch;

namespace Akka.Actor;

/// <summary>Messages that an actor puts aside. A restart or the end of the actor puts them back into its mailbox.</summary>
public interface IStash
{
    /// <summary>How many messages it holds at most; -1 for no limit.</summary>
    int Capacity { get; }

    int Count { get; }

    bool IsEmpty { get; }

    bool IsFull { get; }

    bool NonEmpty { get; }

    IEnumerable<Envelope> ClearStash();

    /// <summary>Puts messages in front of those that are stashed.</summary>
    void Prepend(IEnumerable<Envelope> envelopes);

    /// <summary>Puts the current message aside.</summary>
    /// <exception cref="IllegalActorStateException">It is there already.</exception>
    /// <exception cref="StashOverflowException">The stash is full.</exception>
    void Stash();

    /// <summary>Puts the oldest message back in front of the mailbox.</summary>
    void Unstash();

    /// <summary>Puts every message back in front of the mailbox, in the order in which they came.</summary>
    void UnstashAll();

    void UnstashAll(Func<Envelope, bool> predicate);
}

public interface IActorStash
{
    IStash Stash { get; set; }
}

/// <summary>An actor with a stash, whatever its mailbox.</summary>
public interface IWithUnrestrictedStash : IActorStash;

public interface IWithStash : IWithUnrestrictedStash, IRequiresMessageQueue<IDequeBasedMessageQueueSemantics>;

public interface IWithUnboundedStash : IWithUnrestrictedStash, IRequiresMessageQueue<IUnboundedDequeBasedMessageQueueSemantics>;

public abstract class UntypedActorWithStash : UntypedActor, IWithStash
{
    public IStash Stash { get; set; }
}

public abstract class UntypedActorWithUnboundedStash : UntypedActor, IWithUnboundedStash
{
    public IStash Stash { get; set; }
}

public abstract class UntypedActorWithUnrestrictedStash : UntypedActor, IWithUnrestrictedStash
{
    public IStash Stash { get; set; }
}

public static class StashFactory
{
    public static IStash CreateStash<T>(this IActorContext context)
        where T : ActorBase => CreateStash(context, typeof(T));

    public static IStash CreateStash(this IActorContext context, IActorStash actorInstance) =>
        CreateStash(context, actorInstance.GetType());

    public static IStash CreateStash(this IActorContext context, Type actorType)
    {
        var cell = (ActorCell)context;
        if (cell.Mailbox.Queue is not IDequeBasedMessageQueueSemantics deque)
            throw new NotSupportedException(
                $"{actorType} needs a mailbox with a deque to stash; {cell.Mailbox.Queue.GetType().Name} is none.");
        int capacity = cell.SystemImpl.Mailboxes.StashCapacity(cell.Props, cell.SystemImpl.Dispatchers.ConfigOf(cell.Props.Dispatcher));
        return new DequeStash(cell, deque, capacity);
    }
}

internal sealed class DequeStash(ActorCell cell, IDequeBasedMessageQueueSemantics mailbox, int capacity) : IStash
{
    private readonly LinkedList<Envelope> _stash = new();
    private int _lastStashed = -1;

    public int Capacity { get; } = capacity > 0 ? capacity : -1;

    public int Count => _stash.Count;

    public bool IsEmpty => Count == 0;

    public bool IsFull => Capacity > 0 && Count >= Capacity;

    public bool NonEmpty => Count > 0;

    public IEnumerable<Envelope> ClearStash()
    {
        Envelope[] stashed = [.. _stash];
        _stash.Clear();
        return stashed;
    }

    public void Prepend(IEnumerable<Envelope> envelopes)
    {
        LinkedListNode<Envelope> first = _stash.First;
        foreach (Envelope envelope in envelopes)
        {
            if (first is null)
                _stash.AddLast(envelope);
            else
                _stash.AddBefore(first, envelope);
        }
    }

    public void Stash()
    {
        Envelope current = cell.CurrentEnvelope;
        if (current.Message is null || _lastStashed == cell.CurrentEnvelopeId)
            throw new IllegalActorStateException($"Message {current.Message} of {cell.Self} is stashed already or there is none to stash.");
        if (IsFull)
            throw new StashOverflowException($"The stash of {cell.Self} is full: it holds {Capacity} messages.");
        _lastStashed = cell.CurrentEnvelopeId;
        _stash.AddLast(current);
    }

    public void Unstash()
    {
        if (_stash.First is not { } first)
            return;
        _stash.RemoveFirst();
        EnqueueFirst(first.Value);
    }

    public void UnstashAll() => UnstashAll(static _ => true);

    public void UnstashAll(Func<Envelope, bool> predicate)
    {
        while (_stash.Last is { } last)
        {
            _stash.RemoveLast();
            if (predicate(last.Value))
                EnqueueFirst(last.Value);
        }
    }

    private void EnqueueFirst(Envelope envelope)
    {
        mailbox.EnqueueFirst(envelope);
        if (envelope.Message is Terminated terminated)
            cell.TerminatedQueuedAgain(terminated);
    }
}
