using System.Collections.Concurrent;
using System.Collections.Immutable;
using Akka.Actor;
using Akka.Persistence.Journal;

namespace Akka.Persistence.Tests;

/// <summary>A journal in memory whose next write of a persistence id can be held up, rejected or failed.</summary>
public sealed class ScriptedJournal : AsyncWriteJournal
{
    private static readonly ConcurrentDictionary<string, List<IPersistentRepresentation>> Stored = new();

    /// <summary>What the next write of a persistence id waits for; its result is what WriteMessagesAsync returns.</summary>
    public static ConcurrentDictionary<string, TaskCompletionSource<IImmutableList<Exception>>> Next { get; } = new();

    public static ConcurrentDictionary<string, Exception> ReplayFailures { get; } = new();

    public static List<IPersistentRepresentation> EventsOf(string id) => Stored.GetOrAdd(id, static _ => []);

    public override Task<long> ReadHighestSequenceNrAsync(string persistenceId, long fromSequenceNr)
    {
        var events = EventsOf(persistenceId);
        lock (events) return Task.FromResult(events.Count == 0 ? 0 : events[^1].SequenceNr);
    }

    public override async Task ReplayMessagesAsync(
        IActorContext context,
        string persistenceId,
        long fromSequenceNr,
        long toSequenceNr,
        long max,
        Action<IPersistentRepresentation> recoveryCallback)
    {
        await Task.Yield();
        if (ReplayFailures.TryGetValue(persistenceId, out var failure)) throw failure;
        var events = EventsOf(persistenceId);
        lock (events)
        {
            foreach (var p in events)
                if (p.SequenceNr >= fromSequenceNr && p.SequenceNr <= toSequenceNr && max-- > 0) recoveryCallback(p);
        }
    }

    protected override async Task<IImmutableList<Exception>> WriteMessagesAsync(IEnumerable<AtomicWrite> messages)
    {
        var writes = messages.ToList();
        IImmutableList<Exception> result = null;
        if (Next.TryRemove(writes[0].PersistenceId, out var next)) result = await next.Task;
        for (var i = 0; i < writes.Count; i++)
        {
            if (result?[i] != null) continue;
            var events = EventsOf(writes[i].PersistenceId);
            lock (events) events.AddRange((IImmutableList<IPersistentRepresentation>)writes[i].Payload);
        }

        return result;
    }

    protected override Task DeleteMessagesToAsync(string persistenceId, long toSequenceNr) =>
        Task.FromException(new NotSupportedException("no deletion"));
}
