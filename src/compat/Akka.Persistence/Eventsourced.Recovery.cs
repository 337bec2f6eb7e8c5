using Akka.Actor;

namespace Akka.Persistence;

/// <content>Start, recovery, and what a restart leaves behind.</content>
public abstract partial class Eventsourced
{
    private ICancelable _recoveryTimer;
    private TimeSpan _recoveryTimeout;
    private bool _eventSeenInInterval;

    public override void AroundPreStart()
    {
        if (PersistenceId == null) throw new ArgumentNullException(nameof(PersistenceId), $"{Self.Path} has no PersistenceId");
        // A missing plugin shall fail the start, not the first command.
        _ = Journal;
        _ = SnapshotStore;
        OnConstructed();
        RequestPermit();
        base.AroundPreStart();
    }

    public override void AroundPostRestart(Exception reason, object message)
    {
        OnConstructed();
        RequestPermit();
        base.AroundPostRestart(reason, message);
    }

    public override void AroundPreRestart(Exception cause, object message)
    {
        try
        {
            ReleaseStashes();
        }
        finally
        {
            // Events of commands that were handled before the failure are still written.
            FlushJournalBatch();
            base.AroundPreRestart(cause, message switch
            {
                WriteMessageSuccess success => success.Persistent,
                LoopMessageSuccess success => success.Message,
                ReplayedMessage replayed => replayed.Persistent,
                _ => message,
            });
        }
    }

    public override void AroundPostStop()
    {
        try
        {
            ReleaseStashes();
        }
        finally
        {
            base.AroundPostStop();
        }
    }

    /// <summary>The constructor is done, nothing was received yet.</summary>
    private protected virtual void OnConstructed()
    {
    }

    private void ReleaseStashes()
    {
        _recoveryTimer?.Cancel();
        _internalStash.UnstashAll();
        Stash?.UnstashAll(UnstashFilterPredicate);
    }

    private void RequestPermit()
    {
        _phase = Phase.WaitingForPermit;
        Extension.RecoveryPermitter().Tell(RequestRecoveryPermit.Instance, Self);
    }

    private void ReturnPermit() => Extension.RecoveryPermitter().Tell(ReturnRecoveryPermit.Instance, Self);

    private void StartRecovery()
    {
        _recoveryTimeout = Extension.JournalConfigFor(JournalPluginId).GetTimeSpan("recovery-event-timeout", null, false);
        _recoveryTimer = Context.System.Scheduler.ScheduleTellOnceCancelable(_recoveryTimeout, Self, new RecoveryTick(true), Self);
        _phase = Phase.LoadingSnapshot;
        LoadSnapshot(SnapshotterId, Recovery.FromSnapshot, Recovery.ToSequenceNr);
    }

    private void ReceiveWhileLoadingSnapshot(object message)
    {
        switch (message)
        {
            case LoadSnapshotResult result:
                _recoveryTimer.Cancel();
                if (result.Snapshot != null && !OfferSnapshot(result.Snapshot)) return;
                _recoveryTimer = Context.System.Scheduler.ScheduleTellRepeatedlyCancelable(
                    _recoveryTimeout, _recoveryTimeout, Self, new RecoveryTick(false), Self);
                _eventSeenInInterval = false;
                _phase = Phase.Replaying;
                Journal.Tell(new ReplayMessages(LastSequenceNr + 1, result.ToSequenceNr, Recovery.ReplayMax, PersistenceId, Self));
                break;
            case LoadSnapshotFailed failed:
                FailRecovery(failed.Cause);
                break;
            case RecoveryTick { Snapshot: true }:
                FailRecovery(new RecoveryTimedOutException($"No snapshot came within {_recoveryTimeout.TotalSeconds} s."));
                break;
            case RecoveryPermitGranted:
                break;
            default:
                StashInternally(message);
                break;
        }
    }

    private bool OfferSnapshot(SelectedSnapshot snapshot)
    {
        var before = LastSequenceNr;
        try
        {
            LastSequenceNr = snapshot.Metadata.SequenceNr;
            if (!base.AroundReceive(ReceiveRecover, new SnapshotOffer(snapshot.Metadata, snapshot.Snapshot))) LastSequenceNr = before;
            return true;
        }
        catch (Exception e)
        {
            FailRecovery(e);
            return false;
        }
    }

    private void ReceiveWhileReplaying(object message)
    {
        switch (message)
        {
            case ReplayedMessage replayed:
                _eventSeenInInterval = true;
                UpdateLastSequenceNr(replayed.Persistent);
                try
                {
                    base.AroundReceive(ReceiveRecover, replayed.Persistent.Payload);
                }
                catch (Exception e)
                {
                    FailRecovery(e, replayed.Persistent.Payload);
                }

                break;
            case RecoverySuccess success:
                CompleteRecovery(success);
                break;
            case ReplayMessagesFailure failure:
                FailRecovery(failure.Cause);
                break;
            case RecoveryTick { Snapshot: false } when !_eventSeenInInterval:
                FailRecovery(new RecoveryTimedOutException(
                    $"No event came within {_recoveryTimeout.TotalSeconds} s, the last one had the sequence number {LastSequenceNr}."));
                break;
            case RecoveryTick { Snapshot: false }:
                _eventSeenInInterval = false;
                break;
            case RecoveryTick or RecoveryPermitGranted:
                // The tick of the snapshot came although it was cancelled.
                break;
            default:
                StashInternally(message);
                break;
        }
    }

    private void CompleteRecovery(RecoverySuccess success)
    {
        _recoveryTimer.Cancel();
        try
        {
            OnReplaySuccess();
            _sequenceNr = LastSequenceNr = Math.Max(success.HighestSequenceNr, LastSequenceNr);
            _phase = Phase.Processing;
            try
            {
                base.AroundReceive(ReceiveRecover, RecoveryCompleted.Instance);
            }
            finally
            {
                // Also after an exception, since a supervisor may choose to resume.
                FlushEvents();
                if (_pendingStashingHandlers > 0) _phase = Phase.Persisting;
                else _internalStash.UnstashAll();
            }
        }
        finally
        {
            ReturnPermit();
        }
    }

    /// <summary>Recovery is over, the actor stops; what it held back goes to the dead letters.</summary>
    private void FailRecovery(Exception cause, object message = null)
    {
        _recoveryTimer.Cancel();
        try
        {
            OnRecoveryFailure(cause, message);
        }
        finally
        {
            Context.Stop(Self);
            ReturnPermit();
        }
    }
}
