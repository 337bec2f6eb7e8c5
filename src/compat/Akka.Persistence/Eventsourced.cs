using System.Collections.Immutable;
using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;

namespace Akka.Persistence;

/// <summary>
/// An actor whose state is the sum of its events. It recovers first (permit, snapshot, events after the snapshot), with commands held back;
/// then it handles commands, and a command persists events whose handlers change the state once the journal has them.
/// </summary>
/// <remarks>
/// <code>
///   WaitingForPermit → LoadingSnapshot → Replaying → Processing ⇄ Persisting
/// </code>
/// While a handler of <see cref="Persist{TEvent}"/> is outstanding, commands go to an internal stash; events of
/// <see cref="PersistAsync{TEvent}"/> hold nothing back. There is one write in flight; what is persisted meanwhile becomes the next one.
/// A failed write stops the actor, since nobody knows what was stored; a rejected event does not. A restart recovers again, with a new
/// instance id, so that answers to the old incarnation are ignored.
/// </remarks>
public abstract partial class Eventsourced : ActorBase, IPersistentIdentity, IPersistenceStash, IPersistenceRecovery
{
    /// <summary>Keeps the journal's own answers out of what a restarted or stopped actor hands back.</summary>
    public static readonly Func<Envelope, bool> UnstashFilterPredicate =
        static envelope => envelope.Message is not (WriteMessageSuccess or ReplayedMessage);

    private static int _instanceCounter;

    private readonly int _instanceId = Interlocked.Increment(ref _instanceCounter);
    private readonly string _writerGuid = Guid.NewGuid().ToString();
    private readonly IStash _internalStash;
    private readonly ILoggingAdapter _log;
    private readonly Queue<PendingHandler> _pendingHandlers = new();
    private List<IPersistentEnvelope> _eventBatch = [];
    private List<IPersistentEnvelope> _journalBatch = [];
    private IActorRef _journal;
    private IActorRef _snapshotStore;
    private IStash _stash;
    private Phase _phase = Phase.WaitingForPermit;
    private long _sequenceNr;
    private int _pendingStashingHandlers;
    private bool _isWriteInProgress;
    private bool _isTaskRunning;

    protected Eventsourced()
    {
        Extension = Persistence.Instance.Apply(Context.System);
        _internalStash = Context.CreateStash(GetType());
        _log = Context.GetLogger();
    }

    private enum Phase
    {
        WaitingForPermit,
        LoadingSnapshot,
        Replaying,
        Processing,
        Persisting,
    }

    public abstract string PersistenceId { get; }

    public virtual Recovery Recovery => Recovery.Default;

    public virtual IStashOverflowStrategy InternalStashOverflowStrategy => Extension.DefaultInternalStashOverflowStrategy;

    public string JournalPluginId { get; protected set; }

    public string SnapshotPluginId { get; protected set; }

    public IActorRef Journal => _journal ??= Extension.JournalFor(JournalPluginId);

    public IActorRef SnapshotStore => _snapshotStore ??= Extension.SnapshotStoreFor(SnapshotPluginId);

    public string SnapshotterId => PersistenceId;

    public bool IsRecovering => _phase <= Phase.Replaying;

    public bool IsRecoveryFinished => !IsRecovering;

    /// <summary>The sequence number of the last event that was replayed, or whose handler ran.</summary>
    public long LastSequenceNr { get; private set; }

    public long SnapshotSequenceNr => LastSequenceNr;

    public IStash Stash
    {
        get => _stash;
        set => _stash = new UserStash(value, _internalStash);
    }

    protected PersistenceExtension Extension { get; }

    protected virtual ILoggingAdapter Log => _log;

    /// <summary>Stores an event, then runs the handler; commands that arrive meanwhile wait.</summary>
    public void Persist<TEvent>(TEvent @event, Action<TEvent> handler)
    {
        RequireProcessing();
        AddHandler(handler, stashing: true, @event);
        _eventBatch.Add(new AtomicWrite(Represent(@event)));
    }

    /// <summary>Stores events, all or none, then runs the handler for each; commands that arrive meanwhile wait.</summary>
    public void PersistAll<TEvent>(IEnumerable<TEvent> events, Action<TEvent> handler)
    {
        RequireProcessing();
        if (events != null) AddAll(events, handler, stashing: true);
    }

    /// <summary>Stores an event, then runs the handler; commands go on being handled in between.</summary>
    public void PersistAsync<TEvent>(TEvent @event, Action<TEvent> handler)
    {
        RequireProcessing();
        AddHandler(handler, stashing: false, @event);
        _eventBatch.Add(new AtomicWrite(Represent(@event)));
    }

    /// <summary>Stores events, all or none, then runs the handler for each; commands go on being handled in between.</summary>
    public void PersistAllAsync<TEvent>(IEnumerable<TEvent> events, Action<TEvent> handler)
    {
        RequireProcessing();
        AddAll(events, handler, stashing: false);
    }

    /// <summary>Runs the handler after the handlers of everything that was persisted before; nothing is stored.</summary>
    public void DeferAsync<TEvent>(TEvent evt, Action<TEvent> handler)
    {
        RequireProcessing();
        if (_pendingHandlers.Count == 0)
        {
            handler(evt);
            return;
        }

        AddHandler(handler, stashing: false, evt);
        _eventBatch.Add(new NonPersistentMessage(evt, Sender));
    }

    /// <summary>Asks for a snapshot; the answer comes as <see cref="LoadSnapshotResult"/> or <see cref="LoadSnapshotFailed"/>.</summary>
    public void LoadSnapshot(string persistenceId, SnapshotSelectionCriteria criteria, long toSequenceNr) =>
        SnapshotStore.Tell(new LoadSnapshot(persistenceId, criteria, toSequenceNr));

    /// <summary>Saves the state after <see cref="LastSequenceNr"/>; answered by <see cref="SaveSnapshotSuccess"/> or its failure.</summary>
    public void SaveSnapshot(object snapshot) => SnapshotStore.Tell(
        new SaveSnapshot(new SnapshotMetadata(SnapshotterId, SnapshotSequenceNr, Context.System.Scheduler.Now.UtcDateTime), snapshot));

    /// <summary>Deletes the snapshots of one sequence number, whatever their time.</summary>
    public void DeleteSnapshot(long sequenceNr) => SnapshotStore.Tell(
        new DeleteSnapshot(new SnapshotMetadata(SnapshotterId, sequenceNr, DateTime.SpecifyKind(DateTime.MinValue, DateTimeKind.Utc))));

    public void DeleteSnapshots(SnapshotSelectionCriteria criteria) => SnapshotStore.Tell(new DeleteSnapshots(SnapshotterId, criteria));

    /// <summary>Deletes all events up to and including a sequence number; <see cref="long.MaxValue"/> means all there are.</summary>
    public void DeleteMessages(long toSequenceNr)
    {
        if (toSequenceNr == long.MaxValue) toSequenceNr = LastSequenceNr;
        if (toSequenceNr <= LastSequenceNr) Journal.Tell(new DeleteMessagesTo(PersistenceId, toSequenceNr, Self));
        else
            Self.Tell(new DeleteMessagesFailure(
                new InvalidOperationException($"{toSequenceNr} lies behind the last event, which is {LastSequenceNr}"), toSequenceNr));
    }

    protected abstract bool ReceiveRecover(object message);

    protected abstract bool ReceiveCommand(object message);

    /// <summary>Called between the last replayed event and <see cref="RecoveryCompleted"/>.</summary>
    protected virtual void OnReplaySuccess()
    {
    }

    /// <summary>Called when recovery fails; the actor stops afterwards.</summary>
    protected virtual void OnRecoveryFailure(Exception reason, object message = null) => Log.Error(
        reason,
        "Recovery of [{0}] failed at sequence number [{1}], event type [{2}]",
        PersistenceId,
        LastSequenceNr,
        message?.GetType());

    /// <summary>Called when the journal failed to write; the actor stops afterwards.</summary>
    protected virtual void OnPersistFailure(Exception cause, object @event, long sequenceNr) => Log.Error(
        cause, "[{0}] failed to persist event type [{1}] with sequence number [{2}]", PersistenceId, @event?.GetType(), sequenceNr);

    /// <summary>Called when the journal refused an event before writing it; the actor goes on, the handler does not run.</summary>
    protected virtual void OnPersistRejected(Exception cause, object @event, long sequenceNr) => Log.Error(
        cause, "[{0}] may not persist event type [{1}] with sequence number [{2}]", PersistenceId, @event?.GetType(), sequenceNr);

    /// <summary>Runs a task as part of the current command; no other message is handled until it is done.</summary>
    protected void RunTask(Func<Task> action)
    {
        if (_isTaskRunning) throw new NotSupportedException("RunTask calls cannot be nested");
        _isTaskRunning = true;
        var returned = false;
        ActorTaskScheduler.RunTask(async () =>
        {
            var failed = true;
            try
            {
                await action();
                failed = false;
            }
            finally
            {
                // A task that is done at once ends within the command, which then does this itself.
                _isTaskRunning = false;
                if (returned) CommandDone(failed);
            }
        });
        returned = true;
    }

    private void AddAll<TEvent>(IEnumerable<TEvent> events, Action<TEvent> handler, bool stashing)
    {
        var persistents = ImmutableArray.CreateBuilder<IPersistentRepresentation>();
        foreach (var @event in events)
        {
            AddHandler(handler, stashing, @event);
            persistents.Add(Represent(@event));
        }

        if (persistents.Count > 0) _eventBatch.Add(new AtomicWrite(persistents.ToImmutable()));
    }

    private void AddHandler<TEvent>(Action<TEvent> handler, bool stashing, TEvent @event)
    {
        if (stashing) _pendingStashingHandlers++;
        _pendingHandlers.Enqueue(new PendingHandler(() => handler(@event), stashing));
    }

    private Persistent Represent(object @event) =>
        new(@event, ++_sequenceNr, PersistenceId, sender: Sender, writerGuid: _writerGuid);

    private void RequireProcessing()
    {
        if (IsRecovering)
            throw new InvalidOperationException("Cannot persist during replay: wait for RecoveryCompleted, or for any command after it.");
    }

    private void StashInternally(object message)
    {
        try
        {
            _internalStash.Stash();
        }
        catch (StashOverflowException)
        {
            switch (InternalStashOverflowStrategy)
            {
                case DiscardToDeadLetterStrategy:
                    Context.System.DeadLetters.Tell(new DeadLetter(message, Sender, Self), Sender);
                    break;
                case ReplyToStrategy reply:
                    Sender.Tell(reply.Response);
                    break;
                default:
                    throw;
            }
        }
    }

    private readonly record struct PendingHandler(Action Run, bool IsStashing);

    /// <summary>
    /// The stash that the actor sees. Commands leave the internal stash one at a time, so what the actor unstashes goes in front of those.
    /// </summary>
    private sealed class UserStash(IStash own, IStash internalStash) : IStash
    {
        public int Count => own.Count;

        public bool IsEmpty => own.IsEmpty;

        public bool NonEmpty => own.NonEmpty;

        public bool IsFull => own.IsFull;

        public int Capacity => own.Capacity;

        public void Stash() => own.Stash();

        public void Unstash() => own.Unstash();

        public void UnstashAll() => internalStash.Prepend(own.ClearStash());

        public void UnstashAll(Func<Envelope, bool> predicate) => own.UnstashAll(predicate);

        public IEnumerable<Envelope> ClearStash() => own.ClearStash();

        public void Prepend(IEnumerable<Envelope> envelopes) => own.Prepend(envelopes);
    }
}
