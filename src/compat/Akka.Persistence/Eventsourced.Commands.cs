using Akka.Actor;
using Akka.Event;

namespace Akka.Persistence;

/// <content>Commands and the journal's answers, after recovery.</content>
public abstract partial class Eventsourced
{
    protected internal override bool AroundReceive(Receive receive, object message)
    {
        // During recovery every answer about a write was meant for the incarnation before.
        if (IsRecovering && message is WriteMessagesSuccessful or WriteMessagesFailed or WriteMessageSuccess
            or WriteMessageRejected or WriteMessageFailure or LoopMessageSuccess)
            return true;

        switch (_phase)
        {
            case Phase.WaitingForPermit when message is RecoveryPermitGranted:
                StartRecovery();
                break;
            case Phase.WaitingForPermit:
                StashInternally(message);
                break;
            case Phase.LoadingSnapshot:
                ReceiveWhileLoadingSnapshot(message);
                break;
            case Phase.Replaying:
                ReceiveWhileReplaying(message);
                break;
            default:
                if (!TryReceiveFromJournal(message)) ReceiveCommandMessage(receive, message);
                break;
        }

        return true;
    }

    protected override void Unhandled(object message)
    {
        switch (message)
        {
            case RecoveryCompleted:
                return;
            case SaveSnapshotFailure failure:
                Log.Warning("Saving the snapshot [{0}] failed: {1}", failure.Metadata, failure.Cause?.Message);
                break;
            case DeleteSnapshotFailure failure:
                Log.Warning("Deleting the snapshot [{0}] failed: {1}", failure.Metadata, failure.Cause?.Message);
                break;
            case DeleteSnapshotsFailure failure:
                Log.Warning("Deleting the snapshots [{0}] failed: {1}", failure.Criteria, failure.Cause?.Message);
                break;
            case DeleteMessagesFailure failure:
                Log.Warning("Deleting events of [{0}] up to [{1}] failed: {2}", PersistenceId, failure.ToSequenceNr, failure.Cause.Message);
                break;
        }

        base.Unhandled(message);
    }

    private void ReceiveCommandMessage(Receive receive, object message)
    {
        if (_phase == Phase.Persisting)
        {
            StashInternally(message);
            return;
        }

        var failed = true;
        try
        {
            base.AroundReceive(receive, message);
            failed = false;
        }
        finally
        {
            CommandDone(failed);
        }
    }

    private void CommandDone(bool failed)
    {
        FlushEvents();
        // A command that goes on as a task is not done.
        if (_isTaskRunning) return;
        if (_pendingStashingHandlers > 0) _phase = Phase.Persisting;
        else Unstash(failed);
    }

    /// <summary>One stashed command follows each finished one; a failed actor hands all of them back to its mailbox.</summary>
    private void Unstash(bool all)
    {
        if (all) _internalStash.UnstashAll();
        else _internalStash.Unstash();
    }

    /// <summary>Answers that are meant for an earlier incarnation are swallowed.</summary>
    private bool TryReceiveFromJournal(object message)
    {
        switch (message)
        {
            case WriteMessageSuccess success:
                if (success.ActorInstanceId != _instanceId) break;
                UpdateLastSequenceNr(success.Persistent);
                RunHandler();
                break;
            case LoopMessageSuccess success:
                if (success.ActorInstanceId == _instanceId) RunHandler();
                break;
            case WriteMessageRejected rejected:
                if (rejected.ActorInstanceId != _instanceId) break;
                UpdateLastSequenceNr(rejected.Persistent);
                HandlerDone(failed: false);
                OnPersistRejected(rejected.Cause, rejected.Persistent.Payload, rejected.Persistent.SequenceNr);
                break;
            case WriteMessageFailure failure:
                if (failure.ActorInstanceId != _instanceId) break;
                HandlerDone(failed: false);
                try
                {
                    OnPersistFailure(failure.Cause, failure.Persistent.Payload, failure.Persistent.SequenceNr);
                }
                finally
                {
                    Context.Stop(Self);
                }

                break;
            case WriteMessagesSuccessful:
                _isWriteInProgress = false;
                FlushJournalBatch();
                break;
            case WriteMessagesFailed failed:
                // A failure with events is followed by one for each of them, which stops the actor.
                if (failed.WriteCount == 0) _isWriteInProgress = false;
                break;
            case RecoveryTick or RecoveryPermitGranted:
                break;
            default:
                return false;
        }

        return true;
    }

    private void RunHandler()
    {
        var failed = true;
        try
        {
            _pendingHandlers.Peek().Run();
            failed = false;
        }
        finally
        {
            FlushEvents();
            HandlerDone(failed);
        }
    }

    private void HandlerDone(bool failed)
    {
        if (_pendingHandlers.Dequeue().IsStashing) _pendingStashingHandlers--;
        if (_phase != Phase.Persisting)
        {
            Unstash(failed);
        }
        else if (_pendingStashingHandlers == 0)
        {
            // What is still pending was persisted asynchronously and holds no command back.
            _phase = Phase.Processing;
            Unstash(failed);
        }
    }

    private void FlushEvents()
    {
        if (_journalBatch.Count == 0) (_journalBatch, _eventBatch) = (_eventBatch, _journalBatch);
        else
        {
            _journalBatch.AddRange(_eventBatch);
            _eventBatch.Clear();
        }

        FlushJournalBatch();
    }

    private void FlushJournalBatch()
    {
        if (_isWriteInProgress || _journalBatch.Count == 0) return;
        Journal.Tell(new WriteMessages(_journalBatch, Self, _instanceId));
        _journalBatch = [];
        _isWriteInProgress = true;
    }

    private void UpdateLastSequenceNr(IPersistentRepresentation persistent)
    {
        if (persistent.SequenceNr > LastSequenceNr) LastSequenceNr = persistent.SequenceNr;
    }
}
