using System.Collections.Immutable;
using Akka.Actor;

namespace Akka.Persistence.Journal;

/// <summary>What a journal offers to recovery.</summary>
public interface IAsyncRecovery
{
    Task ReplayMessagesAsync(
        IActorContext context,
        string persistenceId,
        long fromSequenceNr,
        long toSequenceNr,
        long max,
        Action<IPersistentRepresentation> recoveryCallback);

    Task<long> ReadHighestSequenceNrAsync(string persistenceId, long fromSequenceNr);
}

/// <summary>What every journal does to a batch before it writes it.</summary>
public abstract class WriteJournalBase : ActorBase
{
    /// <summary>The events of a batch, without their senders, which are not stored.</summary>
    protected IEnumerable<AtomicWrite> PreparePersistentBatch(IEnumerable<IPersistentEnvelope> resequenceables)
    {
        foreach (var envelope in resequenceables)
        {
            if (envelope is not AtomicWrite write) continue;
            var events = (IImmutableList<IPersistentRepresentation>)write.Payload;
            var prepared = ImmutableArray.CreateBuilder<IPersistentRepresentation>(events.Count);
            foreach (var p in events)
                prepared.Add(p.Update(p.SequenceNr, p.PersistenceId, p.IsDeleted, ActorRefs.NoSender, p.WriterGuid));
            yield return new AtomicWrite(prepared.MoveToImmutable());
        }
    }
}

/// <summary>
/// The base of a journal plugin, which implements the four methods without thinking of the protocol. They are called in the actor's thread;
/// what they await goes on elsewhere. Writes of different persistence ids run side by side, and a slow one holds up nobody else's
/// answers. Answers are sent from the actor's thread only, so that one batch is answered completely before the next one of the same
/// persistent actor can be. A replay waits for the writes of the same persistence id that came before it.
/// </summary>
public abstract class AsyncWriteJournal : WriteJournalBase, IAsyncRecovery
{
    private readonly Dictionary<string, Writes> _writing = [];

    public abstract Task ReplayMessagesAsync(
        IActorContext context,
        string persistenceId,
        long fromSequenceNr,
        long toSequenceNr,
        long max,
        Action<IPersistentRepresentation> recoveryCallback);

    /// <summary>The highest sequence number that was ever written, also when the event is deleted; 0 for none.</summary>
    public abstract Task<long> ReadHighestSequenceNrAsync(string persistenceId, long fromSequenceNr);

    /// <summary>
    /// Writes each <see cref="AtomicWrite"/> completely or not at all. The result is null when all were accepted, or has one entry for
    /// each: null, or why it was rejected. A faulted task means that nobody knows what was written.
    /// </summary>
    protected abstract Task<IImmutableList<Exception>> WriteMessagesAsync(IEnumerable<AtomicWrite> messages);

    protected abstract Task DeleteMessagesToAsync(string persistenceId, long toSequenceNr);

    /// <summary>Messages of the plugin's own.</summary>
    protected virtual bool ReceivePluginInternal(object message) => false;

    protected sealed override bool Receive(object message) => ReceiveWriteJournal(message) || ReceivePluginInternal(message);

    protected bool ReceiveWriteJournal(object message)
    {
        switch (message)
        {
            case WriteMessages write:
                Write(write);
                return true;
            case WriteDone done:
                Answer(done);
                EndWrite(done.PersistenceId);
                return true;
            case ReplayMessages replay when _writing.TryGetValue(replay.PersistenceId, out var writes):
                writes.Replays.Add(replay);
                return true;
            case ReplayMessages replay:
                _ = Replay(replay, Context);
                return true;
            case DeleteMessagesTo delete:
                _ = Delete(delete, Self);
                return true;
            default:
                return false;
        }
    }

    protected static Exception TryUnwrapException(Exception e) =>
        e is AggregateException aggregate && aggregate.Flatten() is { InnerExceptions.Count: 1 } flat ? flat.InnerExceptions[0] : e;

    private void Write(WriteMessages message)
    {
        var writes = new List<AtomicWrite>();
        foreach (var write in PreparePersistentBatch(message.Messages)) writes.Add(write);
        if (writes.Count == 0)
        {
            Answer(new WriteDone(message, null, 0, null, null));
            return;
        }

        Task<IImmutableList<Exception>> task;
        try
        {
            task = WriteMessagesAsync(writes) ?? Task.FromResult<IImmutableList<Exception>>(null);
        }
        catch (Exception e)
        {
            task = Task.FromException<IImmutableList<Exception>>(e);
        }

        var persistenceId = writes[0].PersistenceId;
        if (task.IsCompleted)
        {
            Answer(Done(message, persistenceId, writes.Count, task));
            return;
        }

        if (!_writing.TryGetValue(persistenceId, out var pending)) _writing.Add(persistenceId, pending = new Writes());
        pending.Count++;
        var self = Self;
        task.ContinueWith(
            completed => self.Tell(Done(message, persistenceId, writes.Count, completed), ActorRefs.NoSender),
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    private static WriteDone Done(WriteMessages message, string persistenceId, int count, Task<IImmutableList<Exception>> task)
    {
        if (task.IsFaulted) return new WriteDone(message, persistenceId, count, null, TryUnwrapException(task.Exception));
        if (task.IsCanceled)
            return new WriteDone(message, persistenceId, count, null, new OperationCanceledException("the write was cancelled"));
        var results = task.Result;
        return results == null || results.Count == count
            ? new WriteDone(message, persistenceId, count, results, null)
            : new WriteDone(message, persistenceId, count, null, new InvalidOperationException(
                $"WriteMessagesAsync has to return one result for each of the {count} atomic writes, but returned {results.Count}"));
    }

    private void Answer(WriteDone done)
    {
        var message = done.Message;
        var actor = message.PersistentActor;
        actor.Tell(done.Failure == null ? WriteMessagesSuccessful.Instance : new WriteMessagesFailed(done.Failure, done.Count), Self);
        var index = 0;
        foreach (var envelope in message.Messages)
        {
            if (envelope is not AtomicWrite write)
            {
                actor.Tell(new LoopMessageSuccess(envelope.Payload, message.ActorInstanceId), envelope.Sender);
                continue;
            }

            var rejection = done.Results?[index++];
            foreach (var p in (IImmutableList<IPersistentRepresentation>)write.Payload)
            {
                object answer =
                    done.Failure != null ? new WriteMessageFailure(p, done.Failure, message.ActorInstanceId)
                    : rejection != null ? new WriteMessageRejected(p, rejection, message.ActorInstanceId)
                    : new WriteMessageSuccess(p, message.ActorInstanceId);
                actor.Tell(answer, p.Sender);
            }
        }
    }

    private void EndWrite(string persistenceId)
    {
        var writes = _writing[persistenceId];
        if (--writes.Count > 0) return;
        _writing.Remove(persistenceId);
        foreach (var replay in writes.Replays) _ = Replay(replay, Context);
    }

    private async Task Replay(ReplayMessages message, IActorContext context)
    {
        var actor = message.PersistentActor;
        try
        {
            var highest = await ReadHighestSequenceNrAsync(message.PersistenceId, Math.Max(0, message.FromSequenceNr - 1))
                .ConfigureAwait(false);
            var to = Math.Min(message.ToSequenceNr, highest);
            if (to > 0 && message.FromSequenceNr <= to)
            {
                await ReplayMessagesAsync(context, message.PersistenceId, message.FromSequenceNr, to, message.Max, p =>
                {
                    if (!p.IsDeleted) actor.Tell(new ReplayedMessage(p), ActorRefs.NoSender);
                }).ConfigureAwait(false);
            }

            actor.Tell(new RecoverySuccess(highest), ActorRefs.NoSender);
        }
        catch (Exception e)
        {
            actor.Tell(new ReplayMessagesFailure(TryUnwrapException(e)), ActorRefs.NoSender);
        }
    }

    private async Task Delete(DeleteMessagesTo message, IActorRef self)
    {
        try
        {
            await DeleteMessagesToAsync(message.PersistenceId, message.ToSequenceNr).ConfigureAwait(false);
            message.PersistentActor.Tell(new DeleteMessagesSuccess(message.ToSequenceNr), self);
        }
        catch (Exception e)
        {
            message.PersistentActor.Tell(new DeleteMessagesFailure(TryUnwrapException(e), message.ToSequenceNr), self);
        }
    }

    /// <summary>A write came to its end; the journal tells itself, to answer in its own thread.</summary>
    private sealed record WriteDone(
        WriteMessages Message, string PersistenceId, int Count, IImmutableList<Exception> Results, Exception Failure)
        : INoSerializationVerificationNeeded;

    /// <summary>The writes of one persistence id under way, and the replays that wait for them.</summary>
    private sealed class Writes
    {
        public int Count;

        public List<ReplayMessages> Replays { get; } = [];
    }
}
