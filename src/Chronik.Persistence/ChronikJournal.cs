using System.Collections.Immutable;
using Akka.Actor;
using Akka.Persistence;
using Akka.Persistence.Journal;

namespace Chronik.Persistence;

/// <summary>
/// The journal of a node's own actors, over the node's WAL: an event is acknowledged once it is synced. Selected by
/// <c>akka.persistence.journal.plugin = "chronik.journal"</c>.
/// </summary>
/// <remarks>
/// <code>
///   persistent actor          journal               EventLog (one per persistence id)       WAL thread
///     |-- WriteMessages ------->|-- bytes ------------->|-- one WalWrite per batch ------------>|
///     |                         |                       |&lt;-- durable --------------------------|
///     |&lt;-- WriteMessageSuccess --|&lt;----------------------|
/// </code>
/// The actor only encodes and hands over, so an actor whose writes are slow holds up no other one. What survives a restart: every event
/// that was acknowledged, and every deletion that was.
/// </remarks>
public sealed class ChronikJournal : AsyncWriteJournal
{
    private readonly EventLogs _logs = ChronikPersistence.Of(Context.System).Events;
    private readonly PayloadCodec _codec = new(Context.System);

    /// <inheritdoc/>
    public override Task<long> ReadHighestSequenceNrAsync(string persistenceId, long fromSequenceNr) =>
        _logs.Of(persistenceId).HighestAsync();

    /// <inheritdoc/>
    public override Task ReplayMessagesAsync(
        IActorContext context,
        string persistenceId,
        long fromSequenceNr,
        long toSequenceNr,
        long max,
        Action<IPersistentRepresentation> recoveryCallback) =>
        _logs.Of(persistenceId).ReplayAsync(
            fromSequenceNr, toSequenceNr, max, (number, bytes) => recoveryCallback(_codec.Decode(persistenceId, number, bytes)));

    /// <inheritdoc/>
    protected override async Task<IImmutableList<Exception>> WriteMessagesAsync(IEnumerable<AtomicWrite> messages)
    {
        AtomicWrite[] writes = [.. messages];
        Exception?[] rejections = new Exception?[writes.Length];
        List<byte[]?> events = [];
        for (int i = 0; i < writes.Length; i++)
        {
            IImmutableList<IPersistentRepresentation> payload = (IImmutableList<IPersistentRepresentation>)writes[i].Payload;
            try
            {
                events.AddRange([.. payload.Select(_codec.Encode)]);
            }
            catch (Exception e)
            {
                // An event that cannot be serialised is the actor's business; its sequence numbers stay empty.
                rejections[i] = e;
                events.AddRange(new byte[]?[payload.Count]);
            }
        }

        await _logs.Of(writes[0].PersistenceId).WriteAsync(writes[0].LowestSequenceNr, events).ConfigureAwait(false);
        return [.. rejections!];
    }

    /// <inheritdoc/>
    protected override Task DeleteMessagesToAsync(string persistenceId, long toSequenceNr) =>
        _logs.Of(persistenceId).DeleteToAsync(toSequenceNr);
}
