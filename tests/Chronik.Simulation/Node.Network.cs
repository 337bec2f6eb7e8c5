using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Simulation;

// Ticks, messages, and who can be reached.
internal sealed partial class Node
{
    private readonly long[] _heard;
    private readonly bool[] _lost;
    private readonly KafkaOffset[] _followedBy;
    private readonly Envelope[] _pings;
    private readonly Envelope[] _ends;

    public bool HasLost(int peer) => _lost[peer];

    /// <summary>How far a node follows the metadata, as it said last.</summary>
    public KafkaOffset FollowedBy(NodeId node) =>
        _sim.Plant.Shell == ShellFault.AdmitUninformed ? new KafkaOffset(long.MaxValue)
        : node == Self ? _followedTo : _followedBy[node.Value];

    private void PlanTick(long delay) => _sim.Queue.Plan(_sim.Now + delay, new Event(EventKind.Tick, Id, Incarnation, null));

    private void Tick()
    {
        PlanTick(_tickMicros);
        for (int peer = 0; peer < _heard.Length; peer++)
        {
            if (peer == Id) continue;
            if (_pings[peer].Followed != _followedTo) _pings[peer] = new Envelope { From = Id, To = peer, Followed = _followedTo };
            _sim.Network.Send(_pings[peer]);
            if (!_lost[peer] && _sim.Now - _heard[peer] > _sim.SilenceMicros) Lose(peer);
        }

        foreach (Replica? replica in Replicas) replica?.Tick();
        Report();
    }

    private void Receive(Envelope envelope)
    {
        if (envelope.IsEnd)
        {
            if (!_lost[envelope.From]) Lose(envelope.From);
            return;
        }

        _heard[envelope.From] = _sim.Now;
        if (_lost[envelope.From])
        {
            _lost[envelope.From] = false;
            foreach (Replica? replica in Replicas) replica?.PeerBack(envelope.From);
        }

        if (envelope.Followed > _followedBy[envelope.From]) _followedBy[envelope.From] = envelope.Followed;
        if (envelope.HasRaft) Replicas[envelope.Group]?.Step(RaftInput.Receive(envelope.Raft));
        else if (envelope.Snapshot is { } snapshot) Replicas[envelope.Group]?.Receive(envelope.From, snapshot);
        else if (envelope.Command is { } command) Replicas[0]!.Command(command);
    }

    private void Lose(int peer)
    {
        _lost[peer] = true;
        foreach (Replica? replica in Replicas) replica?.PeerLost(peer);
    }

    private void SendEnds()
    {
        foreach (Envelope end in _ends)
        {
            if (end.To != Id) _sim.Network.Send(end);
        }
    }
}
