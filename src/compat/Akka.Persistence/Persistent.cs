using System.Collections.Immutable;
using Akka.Actor;

namespace Akka.Persistence;

/// <summary>Something in a batch on its way to the journal: events to write, or a value that only keeps its place among them.</summary>
public interface IPersistentEnvelope
{
    object Payload { get; }

    IActorRef Sender { get; }

    /// <summary>How many replies it takes.</summary>
    int Size { get; }
}

/// <summary>One event as a journal stores it.</summary>
public interface IPersistentRepresentation
{
    object Payload { get; }

    string Manifest { get; }

    string PersistenceId { get; }

    /// <summary>Position among the events of its persistence id, from 1, without gaps.</summary>
    long SequenceNr { get; }

    /// <summary>Which incarnation of the actor wrote it.</summary>
    string WriterGuid { get; }

    bool IsDeleted { get; }

    /// <summary>Who sent the command; not stored.</summary>
    IActorRef Sender { get; }

    long Timestamp { get; }

    IPersistentRepresentation WithPayload(object payload);

    IPersistentRepresentation WithManifest(string manifest);

    IPersistentRepresentation WithTimestamp(long timestamp);

    IPersistentRepresentation Update(long sequenceNr, string persistenceId, bool isDeleted, IActorRef sender, string writerGuid);
}

/// <summary>Events that the journal stores all, or none of them.</summary>
public sealed class AtomicWrite : IPersistentEnvelope
{
    private readonly IImmutableList<IPersistentRepresentation> _payload;

    public AtomicWrite(IPersistentRepresentation @event) : this(ImmutableArray.Create(@event))
    {
    }

    public AtomicWrite(IImmutableList<IPersistentRepresentation> payload)
    {
        if (payload == null || payload.Count == 0)
            throw new ArgumentException("An atomic write needs at least one event.", nameof(payload));
        for (var i = 1; i < payload.Count; i++)
        {
            if (payload[i].PersistenceId != payload[0].PersistenceId)
                throw new ArgumentException("The events of an atomic write need the same persistence id.", nameof(payload));
        }

        _payload = payload;
    }

    /// <summary>The events, an <see cref="IImmutableList{T}"/> of <see cref="IPersistentRepresentation"/>.</summary>
    public object Payload => _payload;

    public string PersistenceId => _payload[0].PersistenceId;

    public IActorRef Sender => ActorRefs.NoSender;

    public int Size => _payload.Count;

    public long LowestSequenceNr => _payload[0].SequenceNr;

    public long HighestSequenceNr => _payload[^1].SequenceNr;

    public override string ToString() => $"AtomicWrite({PersistenceId}, {LowestSequenceNr} to {HighestSequenceNr})";
}

public class Persistent : IPersistentRepresentation, IEquatable<IPersistentRepresentation>
{
    public Persistent(
        object payload,
        long sequenceNr = 0,
        string persistenceId = null,
        string manifest = null,
        bool isDeleted = false,
        IActorRef sender = null,
        string writerGuid = null,
        long timestamp = 0)
    {
        Payload = payload;
        SequenceNr = sequenceNr;
        PersistenceId = persistenceId ?? Undefined;
        Manifest = manifest ?? Undefined;
        IsDeleted = isDeleted;
        Sender = sender;
        WriterGuid = writerGuid ?? Undefined;
        Timestamp = timestamp;
    }

    /// <summary>Stands for a text that was not given.</summary>
    public static string Undefined { get; } = string.Empty;

    public object Payload { get; }

    public string Manifest { get; }

    public string PersistenceId { get; }

    public long SequenceNr { get; }

    public string WriterGuid { get; }

    public bool IsDeleted { get; }

    public IActorRef Sender { get; }

    public long Timestamp { get; }

    public IPersistentRepresentation WithPayload(object payload) =>
        new Persistent(payload, SequenceNr, PersistenceId, Manifest, IsDeleted, Sender, WriterGuid, Timestamp);

    public IPersistentRepresentation WithManifest(string manifest) =>
        manifest == Manifest
            ? this
            : new Persistent(Payload, SequenceNr, PersistenceId, manifest, IsDeleted, Sender, WriterGuid, Timestamp);

    public IPersistentRepresentation WithTimestamp(long newTimestamp) =>
        new Persistent(Payload, SequenceNr, PersistenceId, Manifest, IsDeleted, Sender, WriterGuid, newTimestamp);

    public IPersistentRepresentation Update(long sequenceNr, string persistenceId, bool isDeleted, IActorRef sender, string writerGuid) =>
        new Persistent(Payload, sequenceNr, persistenceId, Manifest, isDeleted, sender, writerGuid, Timestamp);

    public bool Equals(IPersistentRepresentation other) =>
        other != null && Equals(Payload, other.Payload) && SequenceNr == other.SequenceNr && PersistenceId == other.PersistenceId
        && Manifest == other.Manifest && IsDeleted == other.IsDeleted && Equals(Sender, other.Sender) && WriterGuid == other.WriterGuid;

    public override bool Equals(object obj) => Equals(obj as IPersistentRepresentation);

    public override int GetHashCode() => HashCode.Combine(Payload, SequenceNr, PersistenceId, WriterGuid);

    public override string ToString() => $"Persistent({PersistenceId}, {SequenceNr}, {Payload})";
}

/// <summary>A deferred value: it goes through the journal's queue with the events around it, but is not written.</summary>
internal sealed class NonPersistentMessage(object payload, IActorRef sender) : IPersistentEnvelope
{
    public object Payload { get; } = payload;

    public IActorRef Sender { get; } = sender;

    public int Size => 1;
}
