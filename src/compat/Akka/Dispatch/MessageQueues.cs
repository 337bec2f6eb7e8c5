using Akka.Actor;
using Akka.Configuration;

namespace Akka.Dispatch.MessageQueues;

/// <summary>The user messages of one actor: any thread enqueues, one at a time dequeues.</summary>
public interface IMessageQueue
{
    int Count { get; }

    bool HasMessages { get; }

    void CleanUp(IActorRef owner, IMessageQueue deadletters);

    void Enqueue(IActorRef receiver, Envelope envelope);

    bool TryDequeue(out Envelope envelope);
}

/// <summary>
/// A linked queue of many producers and one consumer. A producer swaps itself in as the last node and then links its predecessor to it, so
/// it never waits; the consumer may see the swap before the link, and spins for the few instructions between them.
/// </summary>
public class UnboundedMessageQueue : IMessageQueue, IUnboundedMessageQueueSemantics
{
    private Node _first;
    private Node _last;

    public UnboundedMessageQueue() => _first = _last = new Node();

    public int Count
    {
        get
        {
            int count = 0;
            for (Node node = Volatile.Read(ref Volatile.Read(ref _first).Next); node is not null; node = Volatile.Read(ref node.Next))
                count++;
            return count;
        }
    }

    public bool HasMessages => Volatile.Read(ref _first) != Volatile.Read(ref _last);

    public void CleanUp(IActorRef owner, IMessageQueue deadletters)
    {
        while (TryDequeue(out Envelope envelope))
            deadletters.Enqueue(owner, envelope);
    }

    public void Enqueue(IActorRef receiver, Envelope envelope)
    {
        var node = new Node { Envelope = envelope };
        Volatile.Write(ref Interlocked.Exchange(ref _last, node).Next, node);
    }

    public bool TryDequeue(out Envelope envelope)
    {
        Node first = _first;
        Node next = Volatile.Read(ref first.Next);
        if (next is null)
        {
            if (first == Volatile.Read(ref _last))
            {
                envelope = default;
                return false;
            }

            var spin = default(SpinWait);
            while ((next = Volatile.Read(ref first.Next)) is null)
                spin.SpinOnce(sleep1Threshold: -1);
        }

        envelope = next.Envelope;
        next.Envelope = default;
        Volatile.Write(ref _first, next);
        // An old node that stays linked would keep its successors alive when it was promoted to an older generation.
        first.Next = null;
        return true;
    }

    private sealed class Node
    {
        public Envelope Envelope;
        public Node Next;
    }
}

/// <summary>Lets the consumer put messages in front of another queue.</summary>
public class DequeWrapperMessageQueue : IMessageQueue, IDequeBasedMessageQueueSemantics
{
    protected readonly IMessageQueue MessageQueue;
    private readonly Stack<Envelope> _first = new();

    public DequeWrapperMessageQueue(IMessageQueue messageQueue) => MessageQueue = messageQueue;

    public int Count => _first.Count + MessageQueue.Count;

    public bool HasMessages => _first.Count > 0 || MessageQueue.HasMessages;

    public void CleanUp(IActorRef owner, IMessageQueue deadletters)
    {
        while (TryDequeue(out Envelope envelope))
            deadletters.Enqueue(owner, envelope);
    }

    public void Enqueue(IActorRef receiver, Envelope envelope) => MessageQueue.Enqueue(receiver, envelope);

    /// <summary>Called by the running actor only.</summary>
    public void EnqueueFirst(Envelope envelope) => _first.Push(envelope);

    public bool TryDequeue(out Envelope envelope) => _first.TryPop(out envelope) || MessageQueue.TryDequeue(out envelope);
}

public class UnboundedDequeMessageQueue : DequeWrapperMessageQueue, IUnboundedDequeBasedMessageQueueSemantics
{
    public UnboundedDequeMessageQueue()
        : base(new UnboundedMessageQueue())
    {
    }
}

public class BoundedDequeMessageQueue : DequeWrapperMessageQueue, IBoundedDequeBasedMessageQueueSemantics
{
    public BoundedDequeMessageQueue(int boundedCapacity, TimeSpan pushTimeOut)
        : base(new BoundedMessageQueue(boundedCapacity, pushTimeOut)) => PushTimeOut = pushTimeOut;

    public TimeSpan PushTimeOut { get; }
}

/// <summary>Holds a number of messages; a sender waits for room as long as the push timeout, then its message is a dead letter.</summary>
public class BoundedMessageQueue : IMessageQueue, IBoundedMessageQueueSemantics
{
    private readonly Queue<Envelope> _queue = new();
    private readonly int _capacity;

    public BoundedMessageQueue(Config config)
        : this(config.GetInt("mailbox-capacity"), config.GetTimeSpan("mailbox-push-timeout-time", null))
    {
    }

    public BoundedMessageQueue(int boundedCapacity, TimeSpan pushTimeOut)
    {
        if (boundedCapacity < 0)
            throw new ArgumentException("The capacity of a bounded mailbox must not be negative.", nameof(boundedCapacity));
        _capacity = boundedCapacity == 0 ? int.MaxValue : boundedCapacity;
        PushTimeOut = pushTimeOut;
    }

    public int Count
    {
        get
        {
            lock (_queue)
                return _queue.Count;
        }
    }

    public bool HasMessages => Count > 0;

    public TimeSpan PushTimeOut { get; set; }

    public void CleanUp(IActorRef owner, IMessageQueue deadletters)
    {
        while (TryDequeue(out Envelope envelope))
            deadletters.Enqueue(owner, envelope);
    }

    public void Enqueue(IActorRef receiver, Envelope envelope)
    {
        lock (_queue)
        {
            long deadline = PushTimeOut < TimeSpan.Zero ? long.MaxValue : Environment.TickCount64 + (long)PushTimeOut.TotalMilliseconds;
            while (_queue.Count >= _capacity)
            {
                long left = deadline == long.MaxValue ? Timeout.Infinite : deadline - Environment.TickCount64;
                if ((left <= 0 && left != Timeout.Infinite) || !Monitor.Wait(_queue, (int)Math.Min(left, int.MaxValue)))
                {
                    if (_queue.Count < _capacity)
                        break;
                    ((IInternalActorRef)receiver).SystemImpl.DeadLetters.Tell(
                        new Akka.Event.DeadLetter(envelope.Message, envelope.Sender, receiver), envelope.Sender);
                    return;
                }
            }

            _queue.Enqueue(envelope);
        }
    }

    public bool TryDequeue(out Envelope envelope)
    {
        lock (_queue)
        {
            bool dequeued = _queue.TryDequeue(out envelope);
            if (dequeued)
                Monitor.Pulse(_queue);
            return dequeued;
        }
    }
}

/// <summary>A queue that is guarded by a lock, for what cannot do without.</summary>
public abstract class BlockingMessageQueue : IMessageQueue, IBlockingMessageQueueSemantics
{
    private readonly object _lock = new();

    public TimeSpan BlockTimeOut { get; set; } = TimeSpan.FromSeconds(1);

    public int Count
    {
        get
        {
            lock (_lock)
                return LockedCount;
        }
    }

    public bool HasMessages => Count > 0;

    protected abstract int LockedCount { get; }

    public void CleanUp(IActorRef owner, IMessageQueue deadletters)
    {
        while (TryDequeue(out Envelope envelope))
            deadletters.Enqueue(owner, envelope);
    }

    public void Enqueue(IActorRef receiver, Envelope envelope)
    {
        lock (_lock)
            LockedEnqueue(envelope);
    }

    protected abstract void LockedEnqueue(Envelope envelope);

    protected abstract bool LockedTryDequeue(out Envelope envelope);

    public bool TryDequeue(out Envelope envelope)
    {
        lock (_lock)
            return LockedTryDequeue(out envelope);
    }
}

/// <summary>The lowest priority number comes first; equal ones in no particular order.</summary>
public class UnboundedPriorityMessageQueue : BlockingMessageQueue, IUnboundedDequeBasedMessageQueueSemantics
{
    private readonly PriorityQueue<Envelope, int> _queue;
    private readonly Func<object, int> _priority;
    private readonly Stack<Envelope> _first = new();

    public UnboundedPriorityMessageQueue(Func<object, int> priorityGenerator, int initialCapacity)
    {
        _priority = priorityGenerator;
        _queue = new PriorityQueue<Envelope, int>(initialCapacity);
    }

    protected override int LockedCount => _first.Count + _queue.Count;

    public void EnqueueFirst(Envelope envelope) => _first.Push(envelope);

    protected override void LockedEnqueue(Envelope envelope) => _queue.Enqueue(envelope, _priority(envelope.Message));

    protected override bool LockedTryDequeue(out Envelope envelope) =>
        _first.TryPop(out envelope) || _queue.TryDequeue(out envelope, out _);
}

/// <summary>The lowest priority number comes first; equal ones in the order in which they came.</summary>
public class UnboundedStablePriorityMessageQueue : BlockingMessageQueue, IUnboundedDequeBasedMessageQueueSemantics
{
    private readonly PriorityQueue<Envelope, (int Priority, long Order)> _queue;
    private readonly Func<object, int> _priority;
    private readonly Stack<Envelope> _first = new();
    private long _order;

    public UnboundedStablePriorityMessageQueue(Func<object, int> priorityGenerator, int initialCapacity)
    {
        _priority = priorityGenerator;
        _queue = new PriorityQueue<Envelope, (int, long)>(initialCapacity);
    }

    protected override int LockedCount => _first.Count + _queue.Count;

    public void EnqueueFirst(Envelope envelope) => _first.Push(envelope);

    protected override void LockedEnqueue(Envelope envelope) => _queue.Enqueue(envelope, (_priority(envelope.Message), _order++));

    protected override bool LockedTryDequeue(out Envelope envelope) =>
        _first.TryPop(out envelope) || _queue.TryDequeue(out envelope, out _);
}
