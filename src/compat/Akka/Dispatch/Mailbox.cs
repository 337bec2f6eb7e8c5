using System.Diagnostics;
using Akka.Actor;
using Akka.Dispatch.MessageQueues;
using Akka.Dispatch.SysMsg;

namespace Akka.Dispatch;

/// <summary>
/// The queues of one actor and the permission to run it. At most one thread runs a mailbox: the one that set the Scheduled bit.
/// System messages run before every user message. A closed mailbox can still be scheduled: all it does then is pass what comes on to dead
/// letters, so a message that loses a race against the death of its receiver is not lost without a trace.
/// </summary>
internal sealed class Mailbox : IRunnable
{
    private const int Scheduled = 1;
    private const int Closed = 2;
    private const int AwaitingTask = 4;
    private const int SuspendUnit = 8;

    private readonly ActorCell _cell;
    private readonly UnboundedMessageQueue _unbounded;
    private readonly IMessageQueue _queue;
    private SystemMessage _systemMessages;
    private int _status;

    public Mailbox(ActorCell cell, IMessageQueue queue)
    {
        _cell = cell;
        _queue = queue;
        // The default queue is called without an interface in between.
        _unbounded = queue.GetType() == typeof(UnboundedMessageQueue) ? (UnboundedMessageQueue)queue : null;
    }

    public IMessageQueue Queue => _queue;

    public bool IsClosed => (Volatile.Read(ref _status) & Closed) != 0;

    /// <summary>The actor waits for its parent's decision or for children.</summary>
    public bool IsSuspended => Volatile.Read(ref _status) >= SuspendUnit;

    public bool IsAwaitingTask => (Volatile.Read(ref _status) & AwaitingTask) != 0;

    public void Post(Envelope envelope)
    {
        if (_unbounded is { } unbounded)
        {
            unbounded.Enqueue(null, envelope);
        }
        else
        {
            _queue.Enqueue(_cell.Self, envelope);
            // Otherwise the status could be read before the message is visible to the thread that is about to leave the mailbox.
            Interlocked.MemoryBarrier();
        }

        TrySchedule(userMessages: true);
    }

    public void PostSystem(SystemMessage message)
    {
        SystemMessage head = Volatile.Read(ref _systemMessages);
        while (true)
        {
            message.Next = head;
            SystemMessage seen = Interlocked.CompareExchange(ref _systemMessages, message, head);
            if (seen == head)
                break;
            head = seen;
        }

        TrySchedule(userMessages: false);
    }

    // The next four are called on the thread that runs the mailbox.
    public void Suspend() => Interlocked.Add(ref _status, SuspendUnit);

    public void Resume()
    {
        if (IsSuspended)
            Interlocked.Add(ref _status, -SuspendUnit);
    }

    public void BeginAwait() => Interlocked.Or(ref _status, AwaitingTask);

    public void EndAwait() => Interlocked.And(ref _status, ~AwaitingTask);

    /// <summary>The actor is dead: what is queued goes to dead letters now, what still comes later.</summary>
    public void CloseAndCleanUp()
    {
        Interlocked.Or(ref _status, Closed);
        CleanUp();
    }

    public void Execute() => Run();

    public void Run()
    {
        ActorCell previous = ActorCell.Current;
        ActorCell.Current = _cell;
        try
        {
            ProcessSystemMessages();
            ProcessUserMessages();
            if (IsClosed)
                CleanUp();
        }
        finally
        {
            ActorCell.Current = previous;
            Interlocked.And(ref _status, ~Scheduled);
            TrySchedule(userMessages: false);
        }
    }

    private void TrySchedule(bool userMessages)
    {
        int status = Volatile.Read(ref _status);
        while ((status & Scheduled) == 0)
        {
            bool runsUserMessages = status < AwaitingTask || (status & Closed) != 0;
            bool work = Volatile.Read(ref _systemMessages) is not null || (runsUserMessages && (userMessages || _queue.HasMessages));
            if (!work)
                return;
            int seen = Interlocked.CompareExchange(ref _status, status | Scheduled, status);
            if (seen == status)
            {
                _cell.Dispatcher.Execute(this);
                return;
            }

            status = seen;
        }
    }

    private void ProcessSystemMessages()
    {
        while (Volatile.Read(ref _systemMessages) is not null && !IsClosed)
        {
            SystemMessage message = TakeSystemMessages();
            while (message is not null)
            {
                SystemMessage next = message.Next;
                message.Next = null;
                if (IsClosed)
                    _cell.SystemImpl.DeadLetterSystem(message, _cell.LocalSelf);
                else
                    _cell.SystemInvoke(message);
                message = next;
            }
        }
    }

    private void ProcessUserMessages()
    {
        int left = Math.Max(_cell.Dispatcher.Throughput, 1);
        long deadlineTicks = _cell.Dispatcher.ThroughputDeadlineTicks;
        long started = deadlineTicks > 0 ? Stopwatch.GetTimestamp() : 0;
        // No bit above Scheduled: neither closed nor awaiting nor suspended.
        while (Volatile.Read(ref _status) < Closed && TryDequeue(out Envelope envelope))
        {
            _cell.Invoke(envelope);
            if (Volatile.Read(ref _systemMessages) is not null)
                ProcessSystemMessages();
            if (--left == 0 || (deadlineTicks > 0 && Stopwatch.GetTimestamp() - started >= deadlineTicks))
                return;
        }
    }

    private bool TryDequeue(out Envelope envelope) =>
        _unbounded is { } unbounded ? unbounded.TryDequeue(out envelope) : _queue.TryDequeue(out envelope);

    private SystemMessage TakeSystemMessages()
    {
        SystemMessage newest = Interlocked.Exchange(ref _systemMessages, null);
        SystemMessage oldest = null;
        while (newest is not null)
        {
            SystemMessage next = newest.Next;
            newest.Next = oldest;
            oldest = newest;
            newest = next;
        }

        return oldest;
    }

    private void CleanUp()
    {
        for (SystemMessage message = TakeSystemMessages(); message is not null;)
        {
            SystemMessage next = message.Next;
            message.Next = null;
            _cell.SystemImpl.DeadLetterSystem(message, _cell.LocalSelf);
            message = next;
        }

        _queue.CleanUp(_cell.Self, _cell.SystemImpl.Mailboxes.DeadLetterQueue);
    }
}
