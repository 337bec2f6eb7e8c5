using System.Collections.Concurrent;
using System.Collections.Immutable;
using Akka.Actor;

namespace Akka.Persistence.Journal;

/// <summary>Keeps events in the memory of one journal actor. They are gone with the actor system.</summary>
public class MemoryJournal : AsyncWriteJournal
{
    private readonly ConcurrentDictionary<string, LinkedList<IPersistentRepresentation>> _messages = new();
    private readonly ConcurrentDictionary<string, long> _highest = new();

    protected virtual ConcurrentDictionary<string, LinkedList<IPersistentRepresentation>> Messages => _messages;

    public override Task<long> ReadHighestSequenceNrAsync(string persistenceId, long fromSequenceNr) =>
        Task.FromResult(_highest.GetValueOrDefault(persistenceId));

    public override Task ReplayMessagesAsync(
        IActorContext context,
        string persistenceId,
        long fromSequenceNr,
        long toSequenceNr,
        long max,
        Action<IPersistentRepresentation> recoveryCallback)
    {
        if (!Messages.TryGetValue(persistenceId, out var events)) return Task.CompletedTask;
        foreach (var p in events)
        {
            if (p.SequenceNr < fromSequenceNr) continue;
            if (p.SequenceNr > toSequenceNr || max-- <= 0) break;
            recoveryCallback(p);
        }

        return Task.CompletedTask;
    }

    protected override Task<IImmutableList<Exception>> WriteMessagesAsync(IEnumerable<AtomicWrite> messages)
    {
        foreach (var write in messages)
        {
            var events = Messages.GetOrAdd(write.PersistenceId, static _ => new LinkedList<IPersistentRepresentation>());
            foreach (var p in (IImmutableList<IPersistentRepresentation>)write.Payload)
                events.AddLast(p.WithTimestamp(DateTime.UtcNow.Ticks));
            _highest[write.PersistenceId] = write.HighestSequenceNr;
        }

        return Task.FromResult<IImmutableList<Exception>>(null);
    }

    protected override Task DeleteMessagesToAsync(string persistenceId, long toSequenceNr)
    {
        if (Messages.TryGetValue(persistenceId, out var events))
            while (events.First is { } first && first.Value.SequenceNr <= toSequenceNr) events.RemoveFirst();
        return Task.CompletedTask;
    }
}
