using Chronik.Metadata;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Simulation;

/// <summary>What travels between two nodes: exactly one of the four, or none of them for a ping.</summary>
internal sealed class Envelope
{
    public required int From { get; init; }

    public required int To { get; init; }

    public int Group { get; init; } = -1;

    public RaftMessage Raft { get; init; }

    public bool HasRaft { get; init; }

    public SnapshotMessage? Snapshot { get; init; }

    /// <summary>For the controller.</summary>
    public MetadataCommand? Command { get; init; }

    /// <summary>Of a ping: the first record of the metadata that the sender has not followed.</summary>
    public KafkaOffset Followed { get; init; }

    /// <summary>Not a message but the end of a connection: the sender's process is gone.</summary>
    public bool IsEnd { get; init; }
}

/// <summary>Loses, delays, duplicates and reorders what is sent, and cuts nodes off from each other in either direction.</summary>
internal sealed class Network
{
    private readonly EventQueue _queue;
    private readonly Parameters _parameters;
    private readonly SimRandom _random;
    private readonly int[,] _cuts;
    private readonly long[,] _lastArrival;
    private readonly long[,] _lastSnapshot; // Snapshots have a lane of their own, in which nothing is overtaken.

    public Network(EventQueue queue, Parameters parameters, SimRandom random)
    {
        _queue = queue;
        _parameters = parameters;
        _random = random;
        _cuts = new int[parameters.Nodes, parameters.Nodes];
        _lastArrival = new long[parameters.Nodes, parameters.Nodes];
        _lastSnapshot = new long[parameters.Nodes, parameters.Nodes];
        Loss = parameters.Loss;
        Duplication = parameters.Duplication;
    }

    public double Loss { get; set; }

    public double Duplication { get; set; }

    /// <summary>Messages handed to the network so far.</summary>
    public long Sent { get; private set; }

    public bool IsCut(int from, int to) => _cuts[from, to] > 0;

    /// <summary>Cuts one direction; cuts are counted, so that those of two faults do not undo each other.</summary>
    public void Cut(int from, int to) => _cuts[from, to]++;

    public void Restore(int from, int to) => _cuts[from, to] -= Math.Min(1, _cuts[from, to]);

    public void RestoreAll() => Array.Clear(_cuts);

    public void Send(Envelope envelope)
    {
        Sent++;
        if (IsCut(envelope.From, envelope.To) || _random.Chance(Loss)) return;
        Plan(envelope);
        if (_random.Chance(Duplication)) Plan(envelope);
    }

    private void Plan(Envelope envelope)
    {
        long at = _queue.Now + _random.Between(_parameters.DelayMin, _parameters.DelayMax);
        if (_random.Chance(0.002)) at += _random.Between(0, 20 * _parameters.DelayMax);
        bool isSnapshot = envelope.Snapshot is not null;
        ref long last = ref (isSnapshot ? _lastSnapshot : _lastArrival)[envelope.From, envelope.To];
        if (isSnapshot || !_parameters.Reorders) at = Math.Max(at, last);
        last = at;
        _queue.Plan(at, new Event(EventKind.Message, envelope.To, 0, envelope));
    }
}
